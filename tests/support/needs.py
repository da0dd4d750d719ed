"""A server or a browser that a test needs and this machine lacks: skipped with the reason, and a failure in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class ProgramMissing(Exception):
    """A program is not installed here."""


def program_needed(name: str, *, package: str) -> str:
    """Where a program is; when it is nowhere, as `needed`."""
    with needed(ProgramMissing):
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found is None:
            raise ProgramMissing(f"{name} is not installed; apt-get install {package}")
    return found


@contextmanager
def needed(missing: type[Exception]) -> Iterator[None]:
    """Turn `missing` into a skip that says why; with `CI=true` into a failure."""
    try:
        yield
    except missing as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(str(reason))
        pytest.skip(str(reason))
