"""Every process is killed once during a session: afterwards the books are exact and nothing runs without a hold."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from portal.core.quantities import MICRO, charge
from tests.support.kernel import run_in_kernel
from tests.support.up import Up

RATE = Decimal(6)  # `small`, credits per hour


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with Up() as running:
        yield running


def journal(up: Up, id: str) -> dict[str, Any]:
    """The runner's journal."""
    return json.loads((up.home / "engine" / f"{id}.json").read_text())


def alive(up: Up, id: str) -> list[str]:
    """Processes of one launch."""
    marks = f"COMMONS_PROCESS={id}".encode()
    found = []
    for line in up.processes():
        try:
            environ = Path(f"/proc/{line.split()[0]}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marks in environ:
            found.append(line)
    return found


def charged(up: Up, id: str) -> Decimal:
    """What the ledger charged for a session."""
    lines = up.api("colleague", "GET", f"/allocations/{up.allocation()['id']}/statement?limit=200").json()["items"]
    return sum(
        (Decimal(line["amount"]) for line in lines if line["kind"] == "post" and line["subject"] == f"session:{id}"), Decimal(0)
    )


def expected(up: Up, id: str) -> Decimal:
    """The price of the journal's own times."""
    facts = journal(up, id)
    seconds = int(min(facts["ended"], facts["deadline"]) - facts["ready_at"])
    return Decimal(charge(rate_per_hour=int(RATE) * MICRO, unit_seconds=seconds)) / MICRO


def stop_and_check(up: Up, id: str) -> None:
    """Stop a session that lived through a kill; its charge is that of its journal, and nothing of it is left."""
    assert up.api("colleague", "POST", f"/sessions/{id}/stop").status_code == 200
    up.wait_session(id, "ended", limit_s=60)
    assert alive(up, id) == []
    assert abs(charged(up, id) - expected(up, id)) <= RATE / 3600 * 2, "a stop is asked for a moment before the end"
    assert up.allocation()["held"] == "0"
    up.verify()


@pytest.mark.parametrize("part", ["portal", "files", "worker", "reconciler", "hub", "gateway", "agent"])
def test_a_running_session_outlives_the_death_of_a_part(up: Up, part: str) -> None:
    session = up.launch()
    up.kill(part)
    time.sleep(1)
    assert alive(up, session["id"]) != []
    up.wait_session(session["id"], "ready")
    end = time.monotonic() + 40
    while up.manage("status").returncode != 0:
        assert time.monotonic() < end
        time.sleep(0.5)
    url, token = up.notebook_token(session["id"])
    assert run_in_kernel(url, token, "print(6 * 7)").stdout == "42\n"
    stop_and_check(up, session["id"])


@pytest.mark.parametrize("part", ["portal", "worker", "reconciler", "hub", "agent"])
def test_a_launch_gets_through_the_death_of_a_part(up: Up, part: str) -> None:
    session = up.launch_only()
    time.sleep(0.6)
    up.kill(part)
    up.wait_session(session["id"], "ready", limit_s=90)
    starts = [line for line in alive(up, session["id"]) if "jupyterhub.singleuser" in line]
    assert len(starts) == 1, starts
    stop_and_check(up, session["id"])


@pytest.mark.parametrize("part", ["portal", "worker", "reconciler", "hub", "agent"])
def test_a_stop_gets_through_the_death_of_a_part(up: Up, part: str) -> None:
    session = up.launch()
    threading.Thread(target=lambda: up.api("colleague", "POST", f"/sessions/{session['id']}/stop")).start()
    time.sleep(0.15)
    up.kill(part)
    end = time.monotonic() + 30
    while time.monotonic() < end:  # the portal may have died before it wrote the wish down: then it is asked again
        try:
            up.api("colleague", "POST", f"/sessions/{session['id']}/stop")
            break
        except httpx.HTTPError:
            time.sleep(0.5)
    up.wait_session(session["id"], "ended", limit_s=60)
    assert alive(up, session["id"]) == []
    assert up.allocation()["held"] == "0"
    up.verify()


def test_the_hub_is_dead_and_the_notebook_reaches_its_deadline(up: Up) -> None:
    session = up.launch(minutes=1)
    os.kill(up.process.pid, signal.SIGSTOP)  # the supervisor looks away, so the hub stays dead
    try:
        up.kill("hub")
        time.sleep(63 - 1)
        deadline = journal(up, session["id"])["deadline"]
        while time.time() < deadline + 6:
            time.sleep(0.2)
        assert alive(up, session["id"]) == [], "it runs past its deadline, unpaid"
        up.wait_session(session["id"], "ended", limit_s=40)
    finally:
        os.kill(up.process.pid, signal.SIGCONT)
    assert charged(up, session["id"]) == Decimal("0.1")
    assert up.allocation()["held"] == "0"
    up.verify()


def test_a_killed_runner_takes_its_notebook_along_and_costs_nothing(up: Up) -> None:
    session = up.launch()
    url, token = up.notebook_token(session["id"])
    # A process that has left the group and the session, as a careless user's would.
    run_in_kernel(url, token, "import subprocess; subprocess.Popen(['setsid', 'sleep', '600'])")
    assert any("sleep 600" in line for line in alive(up, session["id"]))
    os.kill(journal(up, session["id"])["runner_pid"], signal.SIGKILL)
    after = up.wait_session(session["id"], "failed", limit_s=60)
    assert after["failure"]["code"] == "runner_lost"
    assert after["failure"]["charged"] is False
    end = time.monotonic() + 20
    while alive(up, session["id"]) and time.monotonic() < end:
        time.sleep(0.5)
    assert alive(up, session["id"]) == []
    assert charged(up, session["id"]) == 0
    up.verify()


def test_a_killed_notebook_server_ends_its_session_and_is_charged_until_then(up: Up) -> None:
    session = up.launch()
    time.sleep(2)
    os.kill(journal(up, session["id"])["pid"], signal.SIGKILL)
    up.wait_session(session["id"], "ended", limit_s=40)
    assert alive(up, session["id"]) == []
    assert charged(up, session["id"]) == expected(up, session["id"]) > 0
    up.verify()


def test_a_killed_gateway_leaves_the_cluster_paid_and_it_ends_with_its_session(up: Up) -> None:
    session = up.launch()
    url, token = up.notebook_token(session["id"])
    code = """
from dask_gateway import Gateway
c = Gateway().new_cluster(shutdown_on_close=False)
c.scale(1)
c.get_client().wait_for_workers(1)
"""
    made = run_in_kernel(url, token, code)
    assert not made.error, made.traceback
    cluster = up.api("colleague", "GET", "/clusters").json()["items"][0]
    assert cluster["state"] == "running"
    up.kill("gateway")
    time.sleep(1)
    assert [line for line in up.processes() if "dask_worker" in line], "the workers live on under their runners"
    up.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    up.wait_session(session["id"], "ended")
    end = time.monotonic() + 60
    while up.api("colleague", "GET", f"/clusters/{cluster['id']}").json()["state"] != "ended" and time.monotonic() < end:
        time.sleep(0.5)
    assert up.api("colleague", "GET", f"/clusters/{cluster['id']}").json()["state"] == "ended"
    assert not [line for line in up.processes() if "dask_worker" in line or "dask_scheduler" in line]
    assert up.allocation()["held"] == "0"
    up.verify()


def test_a_killed_worker_is_replaced_and_both_are_paid_once(up: Up) -> None:
    session = up.launch()
    url, token = up.notebook_token(session["id"])
    code = """
from dask_gateway import Gateway
import os, time
c = Gateway().new_cluster(); c.scale(1); client = c.get_client(); client.wait_for_workers(1)
pids = client.run(os.getpid)
import subprocess; subprocess.run(['kill', '-9', str(list(pids.values())[0])])
time.sleep(4); client.wait_for_workers(1)
print(client.submit(lambda: 41 + 1).result())
c.shutdown()
"""
    answer = run_in_kernel(url, token, code, timeout_s=120)
    assert answer.stdout == "42\n", answer.traceback
    end = time.monotonic() + 40
    while up.api("colleague", "GET", "/clusters").json()["items"][0]["state"] != "ended" and time.monotonic() < end:
        time.sleep(0.5)
    cluster = up.api("colleague", "GET", "/clusters").json()["items"][0]
    assert cluster["state"] == "ended"
    assert Decimal(cluster["charged"]) <= Decimal(cluster["hold"])
    stop_and_check(up, session["id"])
