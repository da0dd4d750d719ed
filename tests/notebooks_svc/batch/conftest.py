from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from allocations.catalogue.models import Resource, Site
from notebooks_svc.batch import collecting, ending, services
from notebooks_svc.batch.models import BatchHold, BatchJob
from notebooks_svc.sessions import mirror, outages
from notebooks_svc.sessions.doors.fake_batch import FakeJob, FakeScheduler
from portal.accounts.models import User
from portal.core.quantities import MICRO

from ..conftest import World

Settled = tuple[str, int, int]


@dataclass
class Machine:
    """A batch site with a scheduler in memory, and the sweeps that look after it."""

    world: World

    @property
    def scheduler(self) -> FakeScheduler:
        return self.world.site.scheduler

    def open(self, credits: float = 10, *, user: User | None = None, **asked: Any) -> BatchHold:
        """Set credits aside and wait until the site lets people in."""
        hold = services.batch_open(
            user=user or self.world.colleague,
            allocation=self.world.allocation.code,
            resource="cpu",
            amount=int(credits * MICRO),
            at=self.world.now,
            **asked,
        )
        self.run(20)
        hold.refresh_from_db()
        return hold

    def submit(self, hold: BatchHold, user: User | None = None, **asked: Any) -> FakeJob:
        """`sbatch` as a person's account."""
        return self.scheduler.submit(hold.pk, (user or self.world.colleague).hub_username, **asked)

    def ran(self, hold: BatchHold, seconds: int, *, state: str = "COMPLETED", **asked: Any) -> FakeJob:
        """A job that ran so long and ended."""
        job = self.submit(hold, **asked)
        self.run(seconds, step=seconds)
        self.scheduler.end(job, state=state)
        return job

    def run(self, seconds: float, *, step: float = 10.0) -> None:
        """Let time pass, with every sweep at each step."""
        end = self.world.now + timedelta(seconds=seconds)
        while self.world.now < end:
            self.world.now += timedelta(seconds=step)
            self.world.site.advance(step)
            self.sweep()

    def sweep(self) -> None:
        """What the reconciler does."""
        at = self.world.now
        mirror.sites_mirror(at=at)
        collecting.batch_collect(at=at)
        ending.no_longer_allowed(at=at)
        outages.outages_refund_due(at=at)
        ending.batch_advance_due(at=at)

    def close(self, hold: BatchHold, *, let_finish: bool = False, by: User | None = None) -> BatchHold:
        """Close it and wait until the books are closed too."""
        services.batch_close(hold=hold, by=by or self.world.colleague, let_finish=let_finish, at=self.world.now)
        self.run(60)
        hold.refresh_from_db()
        return hold

    def day(self) -> None:
        """Wait for the settlement of the day."""
        self.run(86_400, step=3600)
        self.run(60)

    def job(self, job: FakeJob) -> BatchJob:
        """What the portal knows of a job's stretch."""
        return BatchJob.objects.get(record=f"room:{job.record}")


@pytest.fixture
def machine(world: World, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """See `Machine`. One core costs 4 credits an hour and a GiB costs 1."""
    Site.objects.filter(slug="room").update(engine="slurm")
    Resource.objects.filter(slug="cpu").update(partition="hpc")
    for module in (collecting, mirror):
        monkeypatch.setattr(module, "agent_door", lambda url: world.site)
    return Machine(world)
