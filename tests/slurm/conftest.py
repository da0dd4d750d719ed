from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.needs import needed
from tests.support.slurm import SlurmMissing, SlurmUp, SlurmWorld
from tests.support.up import port_base_free


@pytest.fixture(scope="package")
def slurm() -> Iterator[SlurmWorld]:
    """A real Slurm of this run's own, until its last test."""
    with needed(SlurmMissing):
        world = SlurmWorld(port_base_free(keep=True) + 350)
    yield world
    world.down()


@pytest.fixture(scope="package")
def demo() -> Iterator[SlurmUp]:
    """The whole demo on a Slurm of its own, shared by the tests that only use it or mend what they break."""
    with needed(SlurmMissing):
        running = SlurmUp()
    with running:
        yield running
