"""A batch scheduler in memory: accounts and jobs people submit themselves. Part of `FakeSite`."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from notebooks_svc.wire import BatchAsk, BatchLook, BatchRecord, MirrorAccount, MirrorAnswer

SUBMITTED = count(1)


class NotTaken(Exception):
    """The scheduler does not take the job."""


@dataclass
class FakeJob:
    """One stretch of a job. Times in seconds of the site's clock."""

    job: int
    hold: str
    person: str
    name: str
    cores: int
    memory_mib: int
    submit: float
    started: float | None = None
    ended: float | None = None
    state: str = "PENDING"
    told_from: float = 0.0  # accounting has it from this moment on
    shift: float = 0.0  # what its record says too much, until it is corrected

    @property
    def record(self) -> str:
        return f"fake/{self.job}/{int(self.submit)}"


@dataclass
class FakeScheduler:
    """What the mirror asked for, and the jobs."""

    accounts: dict[str, MirrorAccount] = field(default_factory=dict)
    jobs: list[FakeJob] = field(default_factory=list)
    now: float = 0.0

    def sync(self, accounts: list[MirrorAccount]) -> MirrorAnswer:
        """As `AgentDoor.accounts_sync`: who is not named any more loses their jobs."""
        self.accounts = {one.account: one for one in accounts if one.batch}
        for job in self.living():
            account = self.accounts.get(job.hold)
            inside = account is not None and job.person in account.people
            if not inside or (job.started is None and account is not None and not account.accepts):
                self.end(job, state="CANCELLED")
        people = {person: f"c{person}" for one in self.accounts.values() for person in one.people}
        return MirrorAnswer(changes=[], people=people)

    def submit(self, hold: str, person: str, *, name: str = "job", cores: int = 1, memory_mib: int = 1024) -> FakeJob:
        """`sbatch`; it starts at once."""
        account = self.accounts.get(hold)
        if account is None or not account.accepts or person not in account.people:
            raise NotTaken("Invalid account or account/partition combination specified")
        job = FakeJob(next(SUBMITTED), hold, person, name, cores, memory_mib, self.now, self.now, state="RUNNING")
        self.jobs.append(job)
        return job

    def end(self, job: FakeJob, *, state: str = "COMPLETED", late_s: float = 0.0) -> None:
        """It ends; accounting tells of it so much later."""
        job.ended, job.state, job.told_from = self.now, state, self.now + late_s

    def requeue(self, job: FakeJob) -> FakeJob:
        """Back into the queue: the stretch ends, another begins under the same number."""
        self.end(job, state="REQUEUED")
        again = FakeJob(job.job, job.hold, job.person, job.name, job.cores, job.memory_mib, self.now + 1, self.now + 1)
        again.state = "RUNNING"
        self.jobs.append(again)
        return again

    def living(self) -> list[FakeJob]:
        """Jobs that run or wait."""
        return [job for job in self.jobs if job.ended is None]

    def look(self, ask: BatchAsk, *, instance: str, skew_s: float) -> BatchLook:
        """As `AgentDoor.batch_look`."""
        mine = [job for job in self.jobs if job.hold in ask.holds]
        told = [job for job in mine if job.ended is not None and job.told_from <= self.now and job.ended >= ask.since]
        live = [job for job in mine if job.ended is None]
        return BatchLook(
            instance=instance,
            now=self.now + skew_s,
            live=[self._row(job) for job in live],
            ended=[self._row(job) for job in told],
        )

    def _row(self, job: FakeJob) -> BatchRecord:
        row = BatchRecord(
            record=job.record,
            hold=job.hold,
            job=job.job,
            person=job.person,
            account=f"c{job.person}",
            name=job.name,
            state=job.state,
            started=job.started,
            cores=job.cores,
            memory_mib=job.memory_mib,
        )
        if job.ended is None:
            return row
        ended = max(job.started or job.ended, job.ended + job.shift)
        if job.started is None:
            return row.model_copy(update={"ended": ended, "cores": 0, "memory_mib": 0})
        elapsed = int(ended - job.started)
        given = {"nodes": 1, "billing": 4 * job.cores + job.memory_mib // 1024}
        return row.model_copy(update={"ended": ended, "elapsed": elapsed, **given})
