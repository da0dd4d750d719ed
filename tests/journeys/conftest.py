from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import ChromiumMissing, chromium
from tests.support.needs import needed


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium for a module."""
    opened = chromium()
    with needed(ChromiumMissing):
        found = opened.__enter__()
    yield found
    opened.__exit__(None, None, None)
