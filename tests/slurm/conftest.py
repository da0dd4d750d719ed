from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.needs import needed
from tests.support.slurm import SlurmMissing, SlurmWorld
from tests.support.up import port_base_free


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmWorld]:
    """A real Slurm of this run's own."""
    with needed(SlurmMissing):
        world = SlurmWorld(port_base_free() + 350)
    yield world
    world.down()
