"""A server or a browser that a test needs and this machine lacks: skipped with the reason, and a failure in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def needed(missing: type[Exception]) -> Iterator[None]:
    """Turn `missing` into a skip that says why; with `CI=true` into a failure."""
    try:
        yield
    except missing as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(str(reason))
        pytest.skip(str(reason))
