from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.up import Up


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts the whole demo is told apart, and one worker runs all of it: the machine has two cores."""
    for item in items:
        if "tests/embedded" in str(item.path):
            item.add_marker(pytest.mark.embedded)
            item.add_marker(pytest.mark.xdist_group("embedded"))


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """A running demo, shared by the tests of a module."""
    with Up() as running:
        yield running
