"""The second fence: accounts, budgets and people as the portal says, whoever changes them at the site."""

from __future__ import annotations

import pytest

from notebooks_svc.agent.slurm.accounts import accounts_read
from notebooks_svc.agent.slurm.commands import SlurmRefused
from notebooks_svc.wire import MirrorAccount
from tests.support.slurm import INSTANCE, SlurmWorld, person_new


def sync(slurm: SlurmWorld, *wanted: MirrorAccount) -> list[str]:
    """What the site agent does every twenty seconds. Other tests' allocation is left as it is."""
    others = [MirrorAccount(account="a-9001", people=sorted(accounts_read(slurm.engine.folder)), budget_minutes=60_000)]
    slurm.engine.mirror._synced = None  # as if a quarter of a minute had passed
    answer = slurm.engine.mirror.sync(INSTANCE, [*others, *wanted], slurm.engine.people)
    return [change for change in answer.changes if "a-9001" not in change]


def members(slurm: SlurmWorld, name: str) -> set[str]:
    """Who may submit on an account."""
    lines = slurm.box.run("sacctmgr", "-nP", "show", "assoc", f"account={name}", "format=user").split()
    return set(lines)


def test_an_allocation_is_one_account_and_one_qos_and_drift_is_corrected(slurm: SlurmWorld) -> None:
    person = person_new()
    slurm.gone(slurm.start(slurm.order("true", person=person, account="a-9101", budget_minutes=600)))
    name, account = "cc01234567-a-9101", f"c{person}"
    assert members(slurm, name) == {account}
    said = slurm.box.run("sacctmgr", "-nP", "show", "qos", name, "format=name,flags,grptresmins").strip()
    assert said == f"{name}|DenyOnLimit,NoDecay|billing=600"
    wanted = MirrorAccount(account="a-9101", people=[person], budget_minutes=600)
    for _ in range(2):  # what other tests left is put right: its people first, then what is empty
        assert not [change for change in sync(slurm, wanted) if name in change]
    assert sync(slurm, wanted) == []
    # Somebody at the site helps themselves, and takes another off.
    slurm.box.run("sacctmgr", "-i", "modify", "qos", f"name={name}", "set", "GrpTRESMins=billing=999999")
    slurm.box.run("sacctmgr", "-i", "delete", "user", f"name={account}", f"account={name}")
    changes = sync(slurm, wanted)
    assert f"added {account} to {name}" in changes
    assert any(change.startswith(f"budget of {name}: 999999 → ") for change in changes)
    assert sync(slurm, wanted) == []
    assert members(slurm, name) == {account}


@pytest.mark.parametrize("made", ["qos", "account"])
def test_an_allocation_whose_making_was_cut_short_is_finished(slurm: SlurmWorld, made: str) -> None:
    allocation = f"a-911{len(made)}"
    name = f"cc01234567-{allocation}"
    slurm.box.run("sacctmgr", "-i", "add", "qos", name, "set", "Flags=DenyOnLimit,NoDecay", "GrpTRESMins=billing=600")
    if made == "account":
        slurm.box.run("sacctmgr", "-i", "add", "account", name, f"qos={name}", f"defaultqos={name}")
    person = person_new()
    slurm.gone(slurm.start(slurm.order("true", person=person, account=allocation, budget_minutes=600)))
    assert members(slurm, name) == {f"c{person}"}


def test_a_leaver_is_removed_and_their_jobs_end(slurm: SlurmWorld) -> None:
    leaver, stayer = person_new(), person_new()
    jobs = [slurm.start(slurm.order(person=person, account="a-9102")) for person in (leaver, stayer)]
    for order in jobs:
        slurm.running(order)
    name = "cc01234567-a-9102"
    wanted = MirrorAccount(account="a-9102", people=[stayer], budget_minutes=60_000)
    assert f"removed c{leaver} from {name}" in sync(slurm, wanted)
    assert members(slurm, name) == {f"c{stayer}"}
    assert slurm.gone(jobs[0]).reason == "cancelled at the site"
    assert slurm.engine.look_fresh(jobs[1].id).state == "alive"
    done = slurm.as_account(leaver, "sbatch", "-A", name, f"--qos={name}", "-o", "/dev/null", "--wrap=true")
    assert "Invalid account" in done.stderr
    # An allocation that is not named any more has no people at all.
    assert f"removed c{stayer} from {name}" in sync(slurm)
    assert slurm.gone(jobs[1]).reason == "cancelled at the site"


def test_the_scheduler_refuses_what_the_allocation_cannot_pay_even_if_the_portal_erred(slurm: SlurmWorld) -> None:
    person = person_new()
    # 5 billing units (1 core × 4, 1 GiB × 1) for 34 minutes are 170; the fence stands at 100.
    with pytest.raises(SlurmRefused) as refusal:
        slurm.start(slurm.order(person=person, account="a-9103", budget_minutes=100, minutes=30))
    assert refusal.value.code == "budget_fence"
    order = slurm.start(slurm.order("true", person=person, account="a-9103", budget_minutes=200, minutes=30))
    slurm.gone(order)


def test_an_association_that_was_taken_away_is_put_back_at_the_next_launch(slurm: SlurmWorld) -> None:
    person = person_new()
    slurm.gone(slurm.start(slurm.order("true", person=person, account="a-9104")))
    name = "cc01234567-a-9104"
    slurm.box.run("sacctmgr", "-i", "delete", "user", f"name=c{person}", f"account={name}")
    slurm.gone(slurm.start(slurm.order("true", person=person, account="a-9104")))
    assert members(slurm, name) == {f"c{person}"}


def test_what_was_submitted_outside_the_portal_is_refused(slurm: SlurmWorld) -> None:
    person = person_new()
    slurm.gone(slurm.start(slurm.order("true", person=person)))
    for words in ([], ["-A", "root"], ["-A", "cc01234567-a-9999"], ["--qos=normal", "-A", "root"]):
        done = slurm.as_account(person, "sbatch", *words, "--uid=root", "-o", "/dev/null", "--wrap=true")
        assert done.returncode != 0, done.stdout
