"""The engine on a real Slurm: one launch is one run, only accounting ends it, and nothing of it is anybody else's."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from notebooks_svc.agent.slurm.commands import Commands, SlurmRefused, SlurmSilent
from tests.support.slurm import INSTANCE, SlurmWorld, person_new

RAN = "echo ran >> ran"


def ran(slurm: SlurmWorld, cwd: str) -> int:
    """How often it ran."""
    path = Path(cwd) / "ran"
    return len(path.read_text().splitlines()) if path.exists() else 0


def ran_wait(slurm: SlurmWorld, cwd: str) -> None:
    """Wait until it has begun."""
    end = time.monotonic() + 10
    while ran(slurm, cwd) == 0:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_job_runs_as_the_person_and_only_accounting_ends_it(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order(f"cd; {RAN}; id -un > who; sleep 1; exit 3"))
    item = slurm.running(order)
    assert item.state == "alive"
    assert item.node.startswith("thpc")
    item = slurm.gone(order)
    assert (item.reason, item.exit_code, item.source) == ("exited", 3, "scheduler")
    assert item.started is not None
    assert item.ended is not None
    assert 0 <= item.ended - item.started <= 5
    cluster, job, submit = item.record.split("/")
    assert cluster == "testing"
    assert job.isdigit()
    assert abs(int(submit) - time.time()) < 60
    assert (Path(order.cwd) / "who").read_text().strip() == f"c{order.batch.hub_username}"


def test_a_launch_that_was_submitted_twice_runs_once(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order(f"cd; {RAN}; sleep 2"))
    # The answer to the first submission was lost: nothing is known of it, and it is submitted again.
    (slurm.engine.folder / f"{order.id}.job").unlink()
    slurm.engine._submit(order, slurm.env(order), slurm.wish(order), {})
    assert len(slurm.jobs(order)) == 2
    slurm.running(order)
    slurm.gone(order)
    for _ in range(40):
        if not slurm.jobs(order):
            break
        time.sleep(0.2)
    assert len(slurm.records(order)) == 2
    assert ran(slurm, order.cwd) == 1


@pytest.mark.parametrize("left", ["nothing", "order", "account", "job unknown"])
def test_a_launch_is_found_again_whenever_the_hub_died(slurm: SlurmWorld, left: str) -> None:
    order = slurm.order(f"cd; {RAN}; sleep 30")
    folder = slurm.engine.folder
    if left in ("order", "account"):
        slurm.engine.write(f"{order.id}.order.json", order.model_dump_json())
    if left == "account":
        slurm.engine.write(f"{order.id}.account", slurm.engine.people.account_ensure(order.batch, slurm.wish(order).home))
    if left == "job unknown":
        slurm.start(order)
        (folder / f"{order.id}.job").unlink()
    slurm.start(order, slurm.engine_new())
    slurm.start(order, slurm.engine_new())
    assert len(slurm.jobs(order)) == 1
    slurm.running(order)
    ran_wait(slurm, order.cwd)
    slurm.engine.stop(order.id)
    item = slurm.gone(order)
    assert item.reason == "stopped"
    assert ran(slurm, order.cwd) == 1


def test_a_silent_scheduler_says_nothing_about_any_job(slurm: SlurmWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    order = slurm.start(slurm.order("sleep 60"))
    slurm.running(order)
    silent = slurm.engine_new(conf=Path("/nonexistent/slurm.conf"), look_every_s=0.01, busy_look_every_s=0.01)
    time.sleep(0.05)
    items, complete = silent.look(instance=INSTANCE, since=time.time() - 60)
    assert not complete
    assert [item.state for item in items if item.id == order.id] == ["alive"]
    # The controller answers and has forgotten it, accounting is away: unknown, and nothing ends.
    monkeypatch.setattr(Commands, "squeue", lambda self: [])
    monkeypatch.setattr(Commands, "sacct", lambda self, since: [])
    assert silent.look_fresh(order.id).state == "unknown"
    monkeypatch.undo()
    assert slurm.engine.look_fresh(order.id).state == "alive"
    slurm.engine.stop(order.id)
    slurm.gone(order)


def test_a_job_that_a_killed_controller_forgot_ends_free_unless_somebody_used_it(
    slurm: SlurmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, used = slurm.start(slurm.order()), slurm.start(slurm.order())
    for order in (lost, used):
        slurm.running(order)
    slurm.engine.mark_ready(used.id, time.time())
    monkeypatch.setattr(Commands, "squeue", lambda self: [])
    monkeypatch.setattr(Commands, "sacct", lambda self, since: [])
    assert slurm.engine.look_fresh(lost.id).state == "unknown"
    for order in (lost, used):
        slurm.engine.write(f"{order.id}.absent", repr(time.time() - 41))
    item = slurm.engine.look_fresh(lost.id)
    assert (item.state, item.reason, item.started) == ("gone", "node_fail", None)
    assert slurm.engine.look_fresh(used.id).state == "unknown"
    monkeypatch.undo()
    slurm.engine.stop(used.id)
    slurm.gone(used)


def test_a_job_that_has_anothers_number_is_not_cancelled_for_it(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order())
    slurm.running(order)
    number = int((slurm.engine.folder / f"{order.id}.job").read_text())
    # As after the death of a controller that had given the number twice: the launch meant here is another.
    slurm.engine.commands.cancel([number], name="s01jgzzzzzzzzzzzzzzzzzzzzzz")
    slurm.engine.commands.ask_to_end(number, name="s01jgzzzzzzzzzzzzzzzzzzzzzz")
    time.sleep(1)
    assert slurm.engine.look_fresh(order.id).state == "alive"
    slurm.engine.stop(order.id)
    slurm.gone(order)


def test_a_submission_without_an_answer_is_asked_again_and_never_ended(slurm: SlurmWorld) -> None:
    order = slurm.order()
    away = slurm.engine_new(conf=Path("/nonexistent/slurm.conf"))
    with pytest.raises(SlurmSilent):
        slurm.start(order, away)
    assert slurm.engine.look_one(order.id).state == "alive"
    slurm.start(order)
    slurm.running(order)
    slurm.engine.stop(order.id)
    slurm.gone(order)


def test_a_submission_that_arrives_after_it_was_given_up_is_cancelled(
    slurm: SlurmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = slurm.order(f"cd; sleep 3; {RAN}")
    slurm.engine.write(f"{order.id}.order.json", order.model_dump_json())
    monkeypatch.setattr("notebooks_svc.agent.slurm.looks.NEVER_BEGAN_S", -1.0)
    assert slurm.engine.look_fresh(order.id).reason == "never began"
    slurm.engine.write(f"{order.id}.account", slurm.engine.people.account_ensure(order.batch, slurm.wish(order).home))
    with pytest.raises(SlurmRefused, match="launch_over"):
        slurm.engine._submit(order, slurm.env(order), slurm.wish(order), {})
    assert slurm.jobs(order) == []


def test_a_stop_before_anything_was_submitted_ends_it_at_the_next_look(slurm: SlurmWorld) -> None:
    order = slurm.order()
    slurm.engine.write(f"{order.id}.order.json", order.model_dump_json())
    slurm.engine.stop(order.id)
    assert slurm.engine.look_fresh(order.id).reason == "never began"
    slurm.start(order)
    assert slurm.jobs(order) == []


def test_the_deadline_is_kept_and_the_scheduler_stands_behind_it(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order(minutes=1))
    slurm.running(order)
    said = slurm.job(order)
    assert "TimeLimit=00:05:00" in said  # two minutes of boot, one bought, two of margin
    assert "Requeue=0" in said
    slurm.engine.mark_ready(order.id, time.time() - 61)
    slurm.engine.keep()
    item = slurm.gone(order)
    assert item.reason == "deadline"


def test_an_extension_moves_deadline_and_limit(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order(minutes=1))
    item = slurm.running(order)
    ready = time.time()
    slurm.engine.mark_ready(order.id, ready)
    assert slurm.engine.extend(order.id, ready + 600)
    assert "TimeLimit=00:14:00" in slurm.job(order) or "TimeLimit=00:15:00" in slurm.job(order)
    assert slurm.engine.deadline_of(order) == ready + 600
    assert item.started is not None
    slurm.engine.stop(order.id)
    slurm.gone(order)
    assert not slurm.engine.extend(order.id, ready + 900)


def test_a_server_that_does_not_boot_in_time_is_ended(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order())
    slurm.running(order)
    slurm.engine.keep()
    assert slurm.engine.look_fresh(order.id).state == "alive"
    slurm.engine.write(f"{order.id}.order.json", order.model_copy(update={"boot_s": 0}).model_dump_json())
    slurm.engine.keep()
    assert slurm.gone(order).reason == "boot_timeout"


def test_waiting_is_told_in_plain_words_and_stopping_it_leaves_no_trace(slurm: SlurmWorld) -> None:
    full = [slurm.start(slurm.order(cores=4)) for _ in range(2)]
    for order in full:
        slurm.running(order)
    waits = slurm.start(slurm.order(f"cd; {RAN}", cores=4))
    item = slurm.wait(waits.id, lambda item: "busy" in item.waiting or "turn" in item.waiting)
    assert item.started is None
    slurm.engine.stop(waits.id)
    item = slurm.gone(waits)
    assert item.started is None
    assert item.reason == "stopped"
    assert ran(slurm, waits.cwd) == 0
    for order in full:
        slurm.engine.stop(order.id)
        slurm.gone(order)


def test_gpus_are_given_and_fenced(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order('cd; echo "$CUDA_VISIBLE_DEVICES" > gpus', gpus=1))
    slurm.gone(order)
    assert (Path(order.cwd) / "gpus").read_text().strip() in ("0", "1")


def test_one_person_reads_nothing_of_another(slurm: SlurmWorld) -> None:
    owner, other = person_new(), person_new()
    secret = "tok-" + person_new()
    slurm.gone(slurm.start(slurm.order("true", person=other)))
    order = slurm.start(slurm.order("cd; echo mine > notebook; echo $$ > pid; sleep 60", person=owner), SECRET=secret)
    slurm.running(order)
    for _ in range(50):
        if (Path(order.cwd) / "pid").exists():
            break
        time.sleep(0.1)
    pid = (Path(order.cwd) / "pid").read_text().strip()
    number = (slurm.engine.folder / f"{order.id}.job").read_text()
    assert secret in Path(f"/proc/{pid}/environ").read_text()  # root sees it: the refusals below are not for want of it
    for argv in (
        ["cat", f"{order.cwd}/notebook"],
        ["ls", order.cwd],
        ["cat", f"/proc/{pid}/environ"],
        ["cat", f"{order.cwd}/.local/share/commons/logs/{order.id}.log"],
        ["scontrol", "show", "job", number],
        ["scontrol", "write", "batch_script", number, "-"],
        ["scancel", number],
    ):
        done = slurm.as_account(other, *argv)
        assert done.returncode != 0 or (secret not in done.stdout and order.id not in done.stdout), argv
        assert secret not in done.stdout + done.stderr
    assert slurm.jobs(order) == [number]
    # Nor is it in anything the scheduler keeps that its owner or an operator may print.
    for argv in (["scontrol", "-d", "show", "job", number], ["scontrol", "write", "batch_script", number, "-"], ["ps", "axww"]):
        assert secret not in slurm.box.run(*argv, check=False)
    slurm.engine.stop(order.id)
    slurm.gone(order)


def test_a_job_that_only_borrows_a_name_is_nobodys(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order())
    slurm.running(order)
    thief = person_new()
    slurm.gone(slurm.start(slurm.order("true", person=thief)))
    account = "cc01234567-a-9001"
    forged = slurm.as_account(
        thief, "sbatch", "--parsable", f"--job-name={order.id}", f"--comment=commons:{INSTANCE}", "-A", account, "--wrap=true",
        "-o", "/dev/null",
    )  # fmt: skip
    assert forged.returncode == 0, forged.stderr
    time.sleep(1.5)
    assert slurm.engine.look_fresh(order.id).state == "alive"
    assert forged.stdout.strip() not in slurm.jobs(order)
    slurm.engine.stop(order.id)
    item = slurm.gone(order)
    assert item.record.split("/")[1] == (slurm.engine.folder / f"{order.id}.job").read_text()


def test_what_a_person_submits_from_a_notebook_is_ended_at_the_next_look(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order())
    slurm.running(order)
    number = (slurm.engine.folder / f"{order.id}.job").read_text()
    own, twin = ["--job-name=mine"], [f"--job-name={order.id}", f"--comment=commons:{INSTANCE}"]
    for words in (own, twin):
        done = slurm.as_account(
            order.batch.hub_username, "sbatch", "--parsable", *words, "-A", "cc01234567-a-9001", "-o", "/dev/null", "--wrap",
            "sleep 60",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    time.sleep(1.5)
    slurm.engine.look_fresh(order.id)
    end = time.monotonic() + 15
    while time.monotonic() < end:
        left = slurm.box.run("squeue", "-ah", "-t", "PD,R", "-u", f"c{order.batch.hub_username}", "-o", "%A").split()
        if left == [number]:
            break
        time.sleep(0.3)
        slurm.engine.look_fresh(order.id)
    assert left == [number]
    slurm.engine.stop(order.id)
    slurm.gone(order)


def test_one_answer_serves_everybody(slurm: SlurmWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [slurm.start(slurm.order()) for _ in range(3)]
    for order in orders:
        slurm.running(order)
    asked: list[str] = []
    real = Commands._run
    monkeypatch.setattr(Commands, "_run", lambda self, *argv, **kw: (asked.append(argv[0]), real(self, *argv, **kw))[1])
    engines = [slurm.engine_new(look_every_s=15.0, busy_look_every_s=15.0) for _ in range(3)]
    engines[0].look_fresh(orders[0].id)
    for engine in engines:
        for order in orders:
            assert engine.look_one(order.id).state == "alive"
        engine.look(instance=INSTANCE, since=0)
    assert asked == ["squeue", "sacct"]
    monkeypatch.undo()
    for order in orders:
        slurm.engine.stop(order.id)
        slurm.gone(order)


def test_the_journal_reads_as_the_local_engines(slurm: SlurmWorld) -> None:
    order = slurm.start(slurm.order("true"))
    slurm.gone(order)
    journal = json.loads((slurm.engine.folder / f"{order.id}.json").read_text())
    assert {"id", "kind", "parent", "instance", "started", "ready_at", "deadline", "ended", "exit_code", "reason"} <= set(
        journal
    )
