"""What can be wrong at a site ends in an entry of the error catalogue, or waits in plain words. Nothing is charged."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from notebooks_svc.agent.slurm.asking import test_only as ask_scheduler
from notebooks_svc.agent.slurm.commands import SlurmRefused, SlurmSilent, refusal_of
from notebooks_svc.agent.slurm.engine import SlurmEngine
from notebooks_svc.sessions.failures import CATALOGUE, failure_find
from notebooks_svc.wire import BatchWish, TestAsk
from tests.support.slurm import INSTANCE, SlurmWorld, person_new


def refused(
    slurm: SlurmWorld, code: str, engine: SlurmEngine | None = None, environment: str = "base", **batch: object
) -> None:
    """It is refused with that code, which the catalogue knows, and the journal says that it never ran."""
    minutes = int(batch.pop("minutes", 5))  # type: ignore[call-overload]
    order = slurm.order(minutes=minutes, **batch)
    wish = slurm.wish(order).model_copy(update={"environment": environment})
    with pytest.raises(SlurmRefused) as refusal:
        (engine or slurm.engine).start(order, slurm.env(order), wish)
    assert refusal.value.code == code, refusal.value
    entry = CATALOGUE[failure_find(str(refusal.value))]
    assert failure_find(str(refusal.value)) == code
    assert entry.free
    assert entry.advice
    item = slurm.engine.look_one(order.id)
    assert (item.state, item.started, item.reason) == ("gone", None, f"refused: {code}")
    assert slurm.jobs(order) == []


def test_a_partition_that_is_gone(slurm: SlurmWorld) -> None:
    refused(slurm, "partition_gone", partition="gone")


def test_a_size_that_no_machine_has(slurm: SlurmWorld) -> None:
    refused(slurm, "size_unavailable", cores=64)
    refused(slurm, "size_unavailable", memory_gib=900)
    refused(slurm, "size_unavailable", gpus=8)


def test_a_drained_node_is_waited_for_in_plain_words(slurm: SlurmWorld) -> None:
    nodes = ",".join(slurm.box.settings.hpc_nodes)
    slurm.box.run("scontrol", "update", f"nodename={nodes}", "state=drain", "reason=repair")
    try:
        order = slurm.start(slurm.order("true"))
        item = slurm.wait(order.id, lambda item: "repair" in item.waiting or "maintenance" in item.waiting)
        assert item.started is None
    finally:
        slurm.box.run("scontrol", "update", f"nodename={nodes}", "state=resume")
    slurm.gone(order)


def test_a_partition_that_is_closed(slurm: SlurmWorld) -> None:
    slurm.box.run("scontrol", "update", "partitionname=burst", "state=inactive")
    try:
        refused(slurm, "partition_gone", partition="burst")
    finally:
        slurm.box.run("scontrol", "update", "partitionname=burst", "state=up")


def test_a_walltime_above_the_sites_limit_waits_with_its_reason_or_is_refused(slurm: SlurmWorld) -> None:
    order = slurm.order(minutes=2000, budget_minutes=10**6)
    try:
        slurm.start(order)
    except SlurmRefused as refusal:
        assert refusal.code == "walltime"  # noqa: PT017
        return
    slurm.wait(order.id, lambda item: "more time" in item.waiting)
    slurm.engine.stop(order.id)
    assert slurm.gone(order).started is None


def test_a_full_disk_in_the_home(slurm: SlurmWorld) -> None:
    person = person_new()
    slurm.gone(slurm.start(slurm.order("true", person=person)))
    home = slurm.home(person)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "none", str(home)], check=True)
    try:
        shutil.chown(home, f"c{person}", f"c{person}")
        (home / "filler").write_bytes(b"x" * 61_440)
        try:
            (home / "more").write_bytes(b"x" * 20_000)
        except OSError:
            pass
        refused(slurm, "home_unwritable", person=person)
    finally:
        subprocess.run(["umount", str(home)], check=True)


def test_a_home_that_is_taken_away_between_submission_and_start(slurm: SlurmWorld) -> None:
    person = person_new()
    slurm.gone(slurm.start(slurm.order("true", person=person)))
    folder = slurm.home(person) / ".local/share/commons/launches"
    shutil.rmtree(folder)
    folder.write_text("in the way")
    order = slurm.start(slurm.order("true", person=person))
    item = slurm.gone(order)
    assert item.exit_code != 0
    assert failure_find(item.reason) == "home_unwritable"


def test_an_environment_that_is_not_installed(slurm: SlurmWorld) -> None:
    refused(slurm, "environment_missing", environment="gone")


def test_an_account_without_an_association_where_the_site_lets_the_portal_change_none(slurm: SlurmWorld) -> None:
    person = person_new()
    slurm.gone(slurm.start(slurm.order("true", person=person)))  # they are known, on another allocation
    engine = slurm.engine_new(accounts_command=["true"])
    refused(slurm, "no_association", engine, person=person, account="a-9401")
    refused(slurm, "no_association", engine, account="a-9401")


def test_a_hook_that_fails_makes_no_account(slurm: SlurmWorld, tmp_path: Path) -> None:
    engine = slurm.engine_new(account_hook=["/bin/false"])
    with pytest.raises(SlurmRefused, match="account_missing"):
        slurm.start(slurm.order("true"), engine)
    engine = slurm.engine_new(account_hook=[str(tmp_path / "not there")])
    with pytest.raises(SlurmRefused, match="account_missing"):
        slurm.start(slurm.order("true"), engine)


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host",
        "sacctmgr: error: Munge encode failed: Failed to access /run/munge.socket.2",
        "",
        "something nobody has ever seen",
    ],
)
def test_what_is_not_a_refusal_for_certain_is_silence(words: str) -> None:
    assert isinstance(refusal_of(words), SlurmSilent)


def test_a_quote_is_told_when_it_would_start(slurm: SlurmWorld) -> None:
    def ask(cores: int) -> TestAsk:
        return TestAsk(
            batch=BatchWish(
                hub_username=person_new(), account="a-1", partition="hpc", cores=cores, memory_gib=1, budget_minutes=1
            ),
            minutes=30,
        )

    now = ask_scheduler(slurm.engine, ask(1), INSTANCE)
    assert now.starts_in_s is not None
    assert now.starts_in_s < 5
    began = time.monotonic()
    for _ in range(50):
        ask_scheduler(slurm.engine, ask(1), INSTANCE)
    assert time.monotonic() - began < 0.1, "the answer is kept"
    assert ask_scheduler(slurm.engine, ask(64), INSTANCE).refusal.startswith("size_unavailable")
