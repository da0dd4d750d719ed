"""Batch holds on a real Slurm: who may submit, what stops them, and what accounting tells of what they ran."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from notebooks_svc.agent.slurm.accounts import accounts_read
from notebooks_svc.agent.slurm.batch import batch_look
from notebooks_svc.agent.slurm.options import batch_account_name, comment
from notebooks_svc.wire import BatchAsk, BatchLook, BatchRecord, MirrorAccount, MirrorAnswer
from portal.core.ids import batch_id_new
from tests.support.slurm import INSTANCE, SlurmWorld, person_new


class Batch:
    """One batch hold of one person, as the portal wishes it."""

    def __init__(self, slurm: SlurmWorld, *people: str, minutes: int = 600) -> None:
        self.slurm, self.people, self.hold, self.minutes = slurm, list(people), batch_id_new(), minutes
        self.name = batch_account_name(INSTANCE, self.hold)

    def sync(self, *, accepts: bool = True, people: list[str] | None = None, named: bool = True) -> MirrorAnswer:
        """What the agent is asked twice a minute."""
        others = [
            MirrorAccount(account="a-9001", people=sorted(accounts_read(self.slurm.engine.folder)), budget_minutes=60_000)
        ]
        mine = MirrorAccount(
            account=self.hold,
            people=self.people if people is None else people,
            budget_minutes=self.minutes,
            batch=True,
            team="A-9001",
            partition="hpc",
            accepts=accepts,
        )
        self.slurm.engine.mirror._synced = None  # as if a quarter of a minute had passed
        return self.slurm.engine.mirror.sync(INSTANCE, [*others, *([mine] if named else [])], self.slurm.engine.people)

    def sbatch(self, *words: str, person: str = "", script: str = "true") -> subprocess.CompletedProcess[str]:
        """What a person types."""
        own = () if any(word.startswith("-A") for word in words) else (f"--account={self.name}", f"--qos={self.name}")
        line = ["sbatch", "--parsable", "-o", "/dev/null", "--mem=1G", "--time=5", *own, *words, f"--wrap={script}"]
        return self.slurm.as_account(person or self.people[0], *line)

    def submitted(self, *words: str, script: str = "true") -> int:
        """The number of a job that was taken."""
        done = self.sbatch(*words, script=script)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def look(self, *, since: float = 0.0) -> BatchLook:
        """What the agent tells."""
        ask = BatchAsk(holds=[self.hold], since=since or time.time() - 3600)
        return batch_look(self.slurm.engine.folder, self.slurm.engine.commands, ask, INSTANCE)

    def ended(self, job: int, *, stretches: int = 1, limit_s: float = 20) -> list[BatchRecord]:
        """The records of a job, once it lives no more and accounting has so many."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            look = self.look()
            found = [record for record in look.ended if record.job == job]
            if len(found) >= stretches and not [record for record in look.live if record.job == job]:
                return found
            time.sleep(0.3)
        raise AssertionError(self.look())

    def running(self, job: int) -> BatchRecord:
        """Wait until it runs."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = [record for record in self.look().live if record.job == job and record.started]
            if found:
                return found[0]
            time.sleep(0.2)
        raise AssertionError(self.look())


@pytest.fixture
def batch(slurm: SlurmWorld) -> Batch:
    """A hold of a person who was never here before."""
    made = Batch(slurm, person_new())
    made.sync()
    return made


def test_without_a_hold_the_scheduler_refuses_and_with_one_it_takes_what_fits(slurm: SlurmWorld) -> None:
    batch = Batch(slurm, person_new(), minutes=60)
    batch.sync(people=[])
    slurm.engine.people.place_ensure(batch.people[0], "A-9001")
    refused = batch.sbatch()
    assert "Invalid account or account/partition combination" in refused.stderr
    answer = batch.sync()
    assert answer.people == {batch.people[0]: f"c{batch.people[0]}"}
    (record,) = batch.ended(batch.submitted("--cpus-per-task=2", script="sleep 2"))
    assert (record.person, record.hold, record.state) == (batch.people[0], batch.hold, "COMPLETED")
    assert (record.cores, record.memory_mib, record.billing, record.exit_code) == (2, 1024, 9, 0)
    assert record.elapsed in (2, 3, 4)
    assert record.record.startswith(f"testing/{record.job}/")
    # 5 billing units for 13 minutes are 65 minutes; the hold pays for 60.
    assert "QOSGrpBillingMinutes" in batch.sbatch("--time=13").stderr
    # Another part of the site, another's hold, the allocation's own QOS.
    assert batch.sbatch("--partition=burst").returncode != 0
    assert "Invalid qos" in batch.sbatch(f"-A{batch.name}", "--qos=cc01234567-a-9001").stderr
    stranger = person_new()
    slurm.engine.people.place_ensure(stranger, "A-9001")
    assert batch.sbatch(person=stranger).returncode != 0


def test_what_is_used_counts_and_never_comes_back(slurm: SlurmWorld) -> None:
    batch = Batch(slurm, person_new(), minutes=6)
    batch.sync()
    batch.ended(batch.submitted("--time=1", script="sleep 40"), limit_s=70)
    assert [change for change in batch.sync().changes if batch.name in change] == [], (
        "the budget is all it may ever use: nothing is added for what was used"
    )
    # A minute costs 5 of the 3 that are left: alone it would fit, so it is taken, and never runs.
    more = batch.submitted("--time=1")
    time.sleep(3)
    (waits,) = [record for record in batch.look().live if record.job == more]
    assert (waits.state, waits.started) == ("PENDING", None)
    assert "QOSGrpBillingMinutes" in waits.waiting
    batch.slurm.as_account(batch.people[0], "scancel", str(more))


def test_a_shut_hold_lets_running_jobs_finish_cancels_waiting_ones_and_takes_nothing(batch: Batch) -> None:
    runs = batch.submitted(script="sleep 8")
    waits = batch.submitted("--begin=now+1hour")
    batch.running(runs)
    changes = batch.sync(accepts=False).changes
    assert f"{batch.name} takes no more jobs" in changes
    assert "QOSGrpSubmitJobsLimit" in batch.sbatch().stderr
    (cancelled,) = batch.ended(waits)
    assert (cancelled.state, cancelled.started, cancelled.elapsed) == ("CANCELLED", None, 0)
    (finished,) = batch.ended(runs)
    assert (finished.state, finished.elapsed in (8, 9, 10)) == ("COMPLETED", True)


def test_a_hold_that_is_closed_leaves_nothing_behind_and_its_records_stay(batch: Batch) -> None:
    job = batch.submitted(script="sleep 60")
    batch.running(job)
    changes = batch.sync(accepts=False, people=[]).changes
    assert f"removed c{batch.people[0]} from {batch.name}" in changes
    (record,) = batch.ended(job)
    assert record.state == "CANCELLED"
    batch.sync(named=False)
    assert batch.name not in batch.slurm.box.run("sacctmgr", "-nP", "show", "qos", "format=name")
    assert batch.name not in batch.slurm.box.run("sacctmgr", "-nP", "show", "account", "format=account")
    assert [one.job for one in batch.look().ended] == [job]
    assert batch.sbatch().returncode != 0


def test_every_stretch_of_a_job_is_told_once(batch: Batch) -> None:
    """Put back into the queue, and made smaller while it runs: accounting keeps a record of each stretch."""
    again = batch.submitted("--requeue", script="sleep 60")
    batch.running(again)
    time.sleep(2)
    batch.slurm.as_account(batch.people[0], "scontrol", "requeue", str(again))
    time.sleep(3)
    batch.slurm.as_account(batch.people[0], "scancel", str(again))
    stretches = batch.ended(again, stretches=2)
    assert sorted(one.state for one in stretches) == ["CANCELLED", "REQUEUED"]
    assert len({one.record for one in stretches}) == 2
    assert [one.elapsed >= 2 for one in stretches if one.state == "REQUEUED"] == [True]
    smaller = batch.submitted("--nodes=2", "--ntasks=2", script="sleep 60")
    began = batch.running(smaller).started
    time.sleep(3)
    batch.slurm.as_account(batch.people[0], "scontrol", "update", f"jobid={smaller}", "NumNodes=1")
    time.sleep(3)
    batch.slurm.as_account(batch.people[0], "scancel", str(smaller))
    first, second = sorted(batch.ended(smaller, stretches=2), key=lambda one: one.started or 0)
    assert (first.state, first.nodes, second.nodes) == ("RESIZING", 2, 1)
    assert first.started == began
    assert second.started == first.ended, "the scheduler gives the second stretch the first one's start"
    assert first.elapsed + second.elapsed == int((second.ended or 0) - (began or 0))


def test_a_job_with_a_sessions_name_comment_and_environment_confuses_nothing(slurm: SlurmWorld) -> None:
    """From a notebook's terminal a job inherits its marks; and its owner calls it what they like."""
    session = slurm.start(slurm.order("sleep 60"))
    slurm.running(session)
    assert session.batch is not None
    batch = Batch(slurm, session.batch.hub_username)
    batch.sync()
    marks = f"--export=ALL,COMMONS_PROCESS={session.id},COMMONS_INSTANCE={INSTANCE}"
    job = batch.submitted(f"--job-name={session.id}", f"--comment={comment(INSTANCE)}", marks, script="sleep 6")
    batch.running(job)
    for _ in range(4):
        assert slurm.engine.look_fresh(session.id).state == "alive"
        assert [record.job for record in batch.look().live] == [job], "it is nobody's intruder"
        time.sleep(0.5)
    (record,) = batch.ended(job)
    assert (record.state, record.name) == ("COMPLETED", session.id)
    assert slurm.engine.look_fresh(session.id).state == "alive", "the end of a namesake is not its end"
    slurm.engine.stop(session.id)
    gone = slurm.gone(session)
    assert f"/{job}/" not in gone.record


def test_a_name_of_any_bytes_blinds_nobody(slurm: SlurmWorld) -> None:
    session = slurm.start(slurm.order("sleep 60"))
    slurm.running(session)
    assert session.batch is not None
    batch = Batch(slurm, session.batch.hub_username)
    batch.sync()
    job = batch.submitted(b"--job-name=\xff\xfe|\n\x1b[31m".decode(errors="surrogateescape"), script="sleep 3")
    batch.running(job)
    assert slurm.engine.look_fresh(session.id).state == "alive"
    (record,) = batch.ended(job)
    assert record.state == "COMPLETED"
    assert BatchRecord.model_validate_json(record.model_dump_json()) == record
    slurm.engine.stop(session.id)


def test_a_strays_sweep_leaves_jobs_of_others_alone(slurm: SlurmWorld, tmp_path: Path) -> None:
    """The local engine kills what carries its marks and has no runner; a batch job may have inherited them long ago."""
    from notebooks_svc.agent.local import Engine

    batch = Batch(slurm, person_new())
    batch.sync()
    marks = "--export=ALL,COMMONS_PROCESS=s01arz3ndektsv4rrffq69g5fav,COMMONS_INSTANCE=strayinstance"
    job = batch.submitted(marks, script="sleep 5")
    batch.running(job)
    assert Engine(tmp_path).sweep_strays("strayinstance") == 0
    (record,) = batch.ended(job)
    assert record.state == "COMPLETED"


def test_whoever_helps_themselves_at_the_site_is_corrected(batch: Batch) -> None:
    run, name, account = batch.slurm.box.run, batch.name, f"c{batch.people[0]}"
    other = Batch(batch.slurm, person_new())
    other.sync()
    stranger = f"c{other.people[0]}"
    batch.sync()
    run("sacctmgr", "-i", "modify", "qos", f"name={name}", "set", "GrpTRESMins=billing=999999", "Flags=NoDecay")
    run("sacctmgr", "-i", "modify", "user", "where", f"name={account}", f"account={name}", "set", "qos+=normal")
    run("sacctmgr", "-i", "add", "user", stranger, f"account={name}")
    changes = batch.sync().changes
    assert f"budget of {name}: 999999 → 600 billing minutes" in changes
    assert f"flags of {name} put back" in changes
    assert f"removed {stranger} from {name}" in changes
    assert any(change.startswith(f"QOS of {account} in {name}") for change in changes), changes
    assert not [change for change in batch.sync().changes if name in change]
    said = run("sacctmgr", "-nP", "show", "qos", name, "format=flags,grptresmins,grpsubmit").strip()
    assert said == "DenyOnLimit,NoDecay|billing=600|"
    run("sacctmgr", "-i", "delete", "user", f"name={account}", f"account={name}")
    assert f"added {account} to {name}" in batch.sync().changes
    batch.submitted()
    run("sacctmgr", "-i", "delete", "account", f"name={name}", check=False)
    run("sacctmgr", "-i", "delete", "qos", f"name={name}", check=False)


def test_who_had_their_default_account_there_is_let_go(slurm: SlurmWorld) -> None:
    person = person_new()
    first, second = Batch(slurm, person), Batch(slurm, person)
    first.sync()
    slurm.engine.mirror._synced = None
    both = [
        MirrorAccount(account=one.hold, people=[person], budget_minutes=60, batch=True, team="A-9001", partition="hpc")
        for one in (first, second)
    ]
    others = [MirrorAccount(account="a-9001", people=sorted(accounts_read(slurm.engine.folder)), budget_minutes=60_000)]
    slurm.engine.mirror.sync(INSTANCE, [*others, *both], slurm.engine.people)
    # Every person of the mapping table is on a-9001 here; the default is whichever came first.
    second.sync()
    default = slurm.box.run("sacctmgr", "-nP", "show", "user", f"c{person}", "format=defaultaccount").strip()
    assert default
    assert default != first.name
    second.submitted()
