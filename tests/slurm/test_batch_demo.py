"""
`manage.py up --site slurm`: credits set aside, plain `sbatch` as a person's site account, settled from accounting; and how
long a leaver keeps anything, measured.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from notebooks_svc.agent.slurm.options import account_name
from portal.core.quantities import MICRO, charge
from tests.support.kernel import run_in_kernel
from tests.support.slurm import SlurmUp

LEAVER_S = 60
LIVES = {"ends": 7, "cancelled": 60, "outlives": 45}  # seconds


@pytest.fixture(autouse=True)
def _tidy(demo: SlurmUp) -> Iterator[None]:
    """Nothing is left dead, running or held for the next."""
    yield
    if not all(demo.box.pids().values()):
        demo.box.up()
    left = [row["id"] for row in demo.api("founder", "GET", "/batch-holds").json()["items"] if row["state"] != "closed"]
    for id in left:
        demo.api("founder", "POST", f"/batch-holds/{id}/close", json={"running": "cancel"})
    demo.sessions_end()
    for id in left:  # what it held returns only once accounting has had time to tell of everything
        awaited(demo, id, lambda row: row["state"] == "closed", who="founder", limit_s=120)


def opened(demo: SlurmUp, who: str = "colleague", credits: str = "5") -> dict[str, Any]:
    """Credits set aside, once the site lets the person in."""
    body = {"allocation": demo.allocation()["id"], "resource": "slurm-hpc", "credits": credits}
    made = demo.api(who, "POST", "/batch-holds", json=body)
    assert made.status_code == 201, made.text
    return awaited(demo, made.json()["id"], lambda row: row["admitted_at"], who=who)


def awaited(
    demo: SlurmUp, id: str, wanted: Callable[[dict[str, Any]], object], *, who: str = "colleague", limit_s: float = 60
) -> dict[str, Any]:
    """The batch hold, once it is as wanted."""
    end = time.monotonic() + limit_s
    while True:
        row = demo.api(who, "GET", f"/batch-holds/{id}").json()
        if wanted(row):
            return row
        assert time.monotonic() < end, row
        time.sleep(0.3)


def sbatch(demo: SlurmUp, account: str, line: str, script: str) -> subprocess.CompletedProcess[str]:
    """The line of the page, typed as a person's account in their own home at the site."""
    entry = pwd.getpwnam(account)
    return subprocess.run(
        [*line.replace("--time=01:00:00 job.sh", "--time=2 --parsable --mem=1G -o /dev/null").split(), f"--wrap={script}"],
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=os.getgrouplist(account, entry.pw_gid),
        env={"PATH": "/usr/bin:/bin", "SLURM_CONF": str(demo.box.conf)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def jobs(demo: SlurmUp, id: str, who: str = "colleague") -> list[dict[str, Any]]:
    """Its jobs as the portal knows them."""
    return demo.api(who, "GET", f"/batch-holds/{id}/jobs").json()["items"]


def test_credits_set_aside_plain_sbatch_settled(demo: SlurmUp) -> None:
    before = demo.allocation()
    hold = opened(demo)
    assert Decimal(demo.allocation()["held"]) == Decimal(before["held"]) + 5
    (person,) = hold["people"]
    account = person["site_account"]
    done = sbatch(demo, account, hold["submit"], "sleep 5")
    assert done.returncode == 0, done.stderr
    # Without the hold's account, and with more time than it pays for, the scheduler refuses.
    assert "Invalid" in sbatch(demo, account, "sbatch --account=root --qos=normal --time=01:00:00 job.sh", "true").stderr
    assert "violates accounting/QOS policy" in sbatch(demo, account, hold["submit"] + " --time=300", "true").stderr
    end = time.monotonic() + 30
    while "settled" not in demo.manage("batch_settle", hold["id"]).stdout:
        (job,) = jobs(demo, hold["id"]) or [{"settled": False}]
        if job["settled"]:
            break
        assert time.monotonic() < end, job
        time.sleep(1)
    assert (job["job"], job["source"], job["site_account"]) == (int(done.stdout), "scheduler", account)
    assert 5 <= job["seconds"] <= 8
    price = Decimal(charge(rate_per_hour=5 * MICRO, unit_seconds=job["seconds"])) / MICRO
    assert Decimal(job["charge"]) == price
    lines = demo.api("colleague", "GET", f"/allocations/{before['id']}/statement").json()["items"]
    post = next(line for line in lines if line["kind"] == "post" and line["subject"] == f"batch:{hold['id']}")
    assert f"job {job['job']} “wrap”: 1 core × 4 + 1 GiB × 1 = 5 credits per hour × {job['seconds']} s" in post["formula"]
    usage = next(u for u in demo.api("colleague", "GET", "/usage").json()["items"] if u["launch"] == hold["id"])
    assert (usage["source"], usage["kind"], usage["accounting"]) == ("scheduler", "batch", job["record"].partition(":")[2])
    demo.api("colleague", "POST", f"/batch-holds/{hold['id']}/close", json={"running": "finish"})
    closed = awaited(demo, hold["id"], lambda row: row["state"] == "closed", limit_s=120)
    assert (Decimal(closed["charged"]), closed["held"]) == (price, "0")
    assert Decimal(demo.allocation()["held"]) == Decimal(before["held"])
    assert sbatch(demo, account, hold["submit"], "true").returncode != 0
    demo.verify()


def test_accounting_dies_while_jobs_of_a_hold_end_and_each_is_charged_once(demo: SlurmUp) -> None:
    before, hold = demo.allocation(), opened(demo)
    account = hold["people"][0]["site_account"]
    numbers = {what: int(sbatch(demo, account, hold["submit"], f"sleep {s}").stdout) for what, s in LIVES.items()}
    end = time.monotonic() + 20
    while len(demo.box.run("squeue", "-h", "-t", "R", "-A", hold["account"], "-o", "%A").split()) < len(numbers):
        assert time.monotonic() < end
        time.sleep(0.2)
    time.sleep(3)  # so that the one that is cancelled has cost something
    demo.daemon_kill("slurmdbd")
    # It begins and ends while accounting is away, so that no look has ever seen it; and one is cancelled meanwhile.
    unseen = sbatch(demo, account, hold["submit"], "sleep 2")
    assert unseen.returncode == 0, unseen.stderr
    numbers["unseen"] = int(unseen.stdout)
    demo.box.run("scancel", str(numbers["cancelled"]))
    lives = {str(numbers["outlives"])}
    while set(demo.box.run("squeue", "-h", "-t", "PD,R,CG", "-A", hold["account"], "-o", "%A").split()) != lives:
        assert time.monotonic() < end + 20
        time.sleep(0.2)
    closed = demo.api("colleague", "POST", f"/batch-holds/{hold['id']}/close", json={"running": "finish"})
    assert closed.status_code == 200, closed.text
    time.sleep(8)
    said = demo.manage("batch_settle", hold["id"])
    assert "what is known already is settled" in said.stderr
    assert Decimal(demo.api("colleague", "GET", f"/batch-holds/{hold['id']}").json()["charged"]) == 0, "nothing is guessed"
    demo.box.up()
    while len(records(demo, hold["account"])) < len(numbers):
        assert time.monotonic() < end + 120, records(demo, hold["account"])
        demo.manage("batch_settle", hold["id"])
        time.sleep(1)
    awaited(demo, hold["id"], lambda row: row["state"] == "closed", limit_s=120)
    ran = records(demo, hold["account"])
    assert sorted(ran) == sorted(numbers.values()), "each has one record"
    end = time.monotonic() + 60
    while sorted(job["job"] for job in jobs(demo, hold["id"]) if job["settled"]) != sorted(ran):
        assert time.monotonic() < end, jobs(demo, hold["id"])
        time.sleep(1)
    prices = {job: Decimal(charge(rate_per_hour=5 * MICRO, unit_seconds=seconds)) / MICRO for job, seconds in ran.items()}
    assert {job["job"]: Decimal(job["charge"]) for job in jobs(demo, hold["id"])} == prices
    row = demo.api("colleague", "GET", f"/batch-holds/{hold['id']}").json()
    assert (Decimal(row["charged"]), row["held"]) == (sum(prices.values()), "0")
    lines = demo.api("colleague", "GET", f"/allocations/{before['id']}/statement?limit=200").json()["items"]
    told = " ".join(
        line["formula"] or "" for line in lines if line["kind"] == "post" and line["subject"] == f"batch:{hold['id']}"
    )
    assert [told.count(f"job {job} ") for job in ran] == [1] * len(ran)
    usage = [one for one in demo.api("colleague", "GET", "/usage?limit=200").json()["items"] if one["launch"] == hold["id"]]
    assert len(usage) == len({one["accounting"] for one in usage}) == len(ran)
    after = demo.allocation()
    assert Decimal(before["available"]) - Decimal(after["available"]) == sum(prices.values())
    assert after["held"] == before["held"]
    demo.verify()


def test_a_job_from_a_notebooks_terminal_outlives_it_and_is_paid_by_the_hold(demo: SlurmUp) -> None:
    session = demo.launch()
    hold = opened(demo)
    url, token = demo.notebook_token(session["id"])
    line = hold["submit"].replace("--time=01:00:00 job.sh", f"--time=2 --parsable --mem=1G -o /dev/null -J {session['id']}")
    code = f"import subprocess; print(subprocess.run({line.split()!r} + ['--wrap=sleep 25'], capture_output=True, text=True))"
    said = run_in_kernel(url, token, code).stdout
    assert "returncode=0" in said, said
    time.sleep(5)
    demo.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    demo.wait_session(session["id"], "ended")
    end = time.monotonic() + 90
    while not (found := [job for job in jobs(demo, hold["id"]) if job["ended"]]):
        assert time.monotonic() < end, jobs(demo, hold["id"])
        time.sleep(1)
    (job,) = found
    assert (job["state"], job["name"]) == ("COMPLETED", session["id"])
    assert 24 <= job["seconds"] <= 30, "its notebook's end was not its own, nor did anybody take it for a stray or an intruder"


def test_a_leaver_has_nothing_within_a_minute(demo: SlurmUp) -> None:
    hold, session = opened(demo), demo.launch()
    account, allocation = hold["people"][0]["site_account"], demo.allocation()["id"]
    job = sbatch(demo, account, hold["submit"], "sleep 300")
    assert job.returncode == 0, job.stderr
    instance = (demo.home / "keys/instance_id").read_text()[:12]
    shared = account_name(instance, allocation.lower())
    assert account in associations(demo, hold["account"]) & associations(demo, shared)
    began = time.monotonic()
    done = demo.manage("shell", "-c", LEAVE)
    assert done.returncode == 0, done.stderr
    took: dict[str, float] = {}
    while len(took) < 4:
        now = time.monotonic() - began
        assert now < LEAVER_S, took
        if "session" not in took and session["id"] not in demo.live_jobs():
            took["session"] = now
        if "job" not in took and not demo.box.run("squeue", "-h", "-j", job.stdout.strip(), "-o", "%T", check=False).strip():
            took["job"] = now
        if "associations" not in took and account not in associations(demo, hold["account"]) | associations(demo, shared):
            took["associations"] = now
        if "refused" not in took and sbatch(demo, account, hold["submit"], "true").returncode != 0:
            took["refused"] = now
        time.sleep(0.2)
    print("a leaver:", {what: round(seconds, 1) for what, seconds in took.items()})
    assert demo.manage("shell", "-c", RETURN).returncode == 0
    closed = awaited(demo, hold["id"], lambda row: row["state"] == "closed", who="founder", limit_s=120)
    assert closed["end_reason"].startswith("Nobody it belongs to")
    demo.verify()


def test_what_somebody_changes_at_the_site_is_put_right_by_the_reconciler(demo: SlurmUp) -> None:
    hold = opened(demo)
    run, name, account = demo.box.run, hold["qos"], hold["people"][0]["site_account"]
    limit = run("sacctmgr", "-nP", "show", "qos", name, "format=grptresmins").strip()
    assert limit == "billing=300"
    run("sacctmgr", "-i", "modify", "qos", f"name={name}", "set", "GrpTRESMins=billing=999999", "Flags=NoDecay")
    run("sacctmgr", "-i", "delete", "user", f"name={account}", f"account={name}")
    run("useradd", "-M", "ccstranger", check=False)
    run("sacctmgr", "-i", "add", "user", "ccstranger", f"account={name}")
    began = time.monotonic()
    while True:
        flags, budget = run("sacctmgr", "-nP", "show", "qos", name, "format=flags,grptresmins").strip().split("|")
        if (flags, budget) == ("DenyOnLimit,NoDecay", limit) and associations(demo, name) == {account}:
            break
        assert time.monotonic() - began < 90, (flags, budget, associations(demo, name))
        time.sleep(0.5)
    print(f"drift was put right after {time.monotonic() - began:.1f} s")
    run("userdel", "ccstranger", check=False)


def records(demo: SlurmUp, name: str) -> dict[int, int]:
    """What accounting has of an account's jobs that have ended: seconds by job, of which each has one record."""
    said = demo.box.run(
        "sacct", "-nXPDa", "-A", name, "-S", "now-1hour", "-E", "now", "-s", "CD,CA,F", "-o", "JobIDRaw,ElapsedRaw"
    )
    rows = [line.split("|") for line in said.splitlines() if line]
    assert len({row[0] for row in rows}) == len(rows), rows
    return {int(job): int(seconds) for job, seconds in rows}


def associations(demo: SlurmUp, name: str) -> set[str]:
    """Who may submit on an account."""
    return set(demo.box.run("sacctmgr", "-nP", "show", "assoc", f"account={name}", "format=user").split())


LEAVE = """
from django.utils import timezone
from portal.organisations.models import Membership
assert Membership.objects.filter(user__email="colleague@commons.example", left_at=None).update(left_at=timezone.now()) == 1
"""
RETURN = """
from portal.organisations.models import Membership
assert Membership.objects.filter(user__email="colleague@commons.example").update(left_at=None) == 1
"""
