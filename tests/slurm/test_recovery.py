"""Every part, and every daemon of the site, is killed at some step of a launch; the books are exact and nothing is lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
import pytest

from portal.core.quantities import MICRO, charge
from tests.support.kernel import run_in_kernel
from tests.support.relay import Relay
from tests.support.slurm import SlurmUp

RATE = 6  # `small`, credits per hour
CUT_S = 300 if os.environ.get("COMMONS_TEST_LONG") == "1" else 20


@pytest.fixture(autouse=True)
def _mended(demo: SlurmUp) -> Iterator[None]:
    """Whatever a test killed lives again for the next."""
    yield
    demo.box.up()
    demo.wait_parts()
    demo.sessions_end()


def charged(demo: SlurmUp, id: str) -> Decimal:
    """What the ledger charged for a session: one settlement, which is a void when it ran for less than a second."""
    lines = demo.api("colleague", "GET", f"/allocations/{demo.allocation()['id']}/statement?limit=200").json()["items"]
    settled = [line for line in lines if line["kind"] in ("post", "void") and line["subject"] == f"session:{id}"]
    assert len(settled) == 1, settled
    return Decimal(settled[0]["amount"]) if settled[0]["kind"] == "post" else Decimal(0)


def expected(demo: SlurmUp, id: str) -> Decimal:
    """The price of what accounting says, from the first moment the hub saw the server."""
    ran = [r for r in demo.records(id) if r[3] not in ("Unknown", "") and r[2] not in ("Unknown", "", "None")]
    first = min(ran, key=lambda record: record[2])
    end = datetime.fromisoformat(first[3]).astimezone(UTC).timestamp()
    journal = json.loads((demo.engine / f"{id}.json").read_text())
    assert journal["ended"] == end
    seconds = max(0, int(min(end, journal["deadline"]) - journal["ready_at"] + 0.001))
    return Decimal(charge(rate_per_hour=RATE * MICRO, unit_seconds=seconds)) / MICRO


def answers(demo: SlurmUp, id: str) -> None:
    """The notebook is reachable and computes; a hub that has just come back needs a moment until it knows the way."""
    url, token = demo.notebook_token(id)
    end = time.monotonic() + 30
    while True:
        try:
            assert run_in_kernel(url, token, "print(6 * 7)").stdout == "42\n"
            return
        except aiohttp.ClientError:
            assert time.monotonic() < end
            time.sleep(0.5)


def stop_and_check(demo: SlurmUp, id: str) -> None:
    """It ends, is charged once and exactly, nothing runs, nothing is held, the books prove."""
    assert demo.api("colleague", "POST", f"/sessions/{id}/stop").status_code == 200
    demo.wait_session(id, "ended", limit_s=60)
    assert id not in demo.live_jobs()
    assert abs(charged(demo, id) - expected(demo, id)) <= Decimal(RATE) / 3600 * 2
    assert demo.allocation()["held"] == "0"
    demo.verify()


def one_run(demo: SlurmUp, id: str) -> None:
    """However often it was submitted, one of its jobs lives."""
    assert demo.live_jobs().count(id) == 1, demo.records(id)


@pytest.mark.parametrize("after_s", [0.0, 0.35, 1.2])
def test_the_hub_dies_while_a_launch_is_submitted_or_boots(demo: SlurmUp, after_s: float) -> None:
    session = demo.launch_only()
    time.sleep(after_s)
    demo.kill("hub")
    demo.wait_session(session["id"], "ready", limit_s=90)
    one_run(demo, session["id"])
    answers(demo, session["id"])
    stop_and_check(demo, session["id"])


def test_everything_of_the_portal_dies_while_a_launch_waits_in_the_queue(demo: SlurmUp) -> None:
    fillers = [
        demo.box.run("sbatch", "--parsable", "-A", "root", "-c4", "-o", "/dev/null", "--wrap", "sleep 300").strip()
        for _ in range(2)
    ]
    session = demo.launch_only()
    end = time.monotonic() + 30
    while (
        time.monotonic() < end
        and "All machines of this size are busy" not in demo.api("colleague", "GET", f"/sessions/{session['id']}/log").text
    ):
        time.sleep(0.5)
    assert demo.api("colleague", "GET", f"/sessions/{session['id']}").json()["state"] == "queued"
    for part in ("hub", "agent", "worker", "reconciler", "portal"):
        demo.kill(part)
    time.sleep(2)
    one_run(demo, session["id"])
    demo.box.run("scancel", *fillers)
    demo.wait_session(session["id"], "ready", limit_s=90)
    one_run(demo, session["id"])
    stop_and_check(demo, session["id"])


def test_the_controller_is_dead_when_a_launch_comes(demo: SlurmUp) -> None:
    demo.daemon_kill("slurmctld")
    session = demo.launch_only()
    demo.wait_session(session["id"], "queued", limit_s=20)
    time.sleep(4)
    assert demo.api("colleague", "GET", f"/sessions/{session['id']}").json()["state"] == "queued"
    demo.box.up()
    demo.wait_session(session["id"], "ready", limit_s=90)
    one_run(demo, session["id"])
    stop_and_check(demo, session["id"])


def test_every_daemon_of_the_site_dies_and_a_session_goes_on(demo: SlurmUp) -> None:
    session = demo.launch()
    for label in ("slurmctld", "slurmdbd", "slurmd hpc1", "slurmd hpc2", "munged"):
        demo.daemon_kill(label)
    for part in ("agent", "gateway"):
        demo.kill(part)
    time.sleep(6)
    assert demo.api("colleague", "GET", f"/sessions/{session['id']}").json()["state"] == "ready"
    answers(demo, session["id"])
    demo.box.up()
    time.sleep(2)
    assert demo.api("colleague", "GET", f"/sessions/{session['id']}").json()["state"] == "ready"
    one_run(demo, session["id"])
    stop_and_check(demo, session["id"])


def test_accounting_is_dead_when_a_session_ends_and_nothing_is_guessed(demo: SlurmUp) -> None:
    session = demo.launch()
    time.sleep(2)
    demo.daemon_kill("slurmdbd")
    demo.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    time.sleep(8)
    assert session["id"] not in demo.live_jobs()
    assert demo.api("colleague", "GET", f"/sessions/{session['id']}").json()["state"] == "stopping"
    assert demo.allocation()["held"] != "0"
    demo.box.up()
    stop_and_check(demo, session["id"])


@pytest.mark.parametrize("part", ["hub", "agent", "worker"])
def test_a_part_dies_while_a_session_stops(demo: SlurmUp, part: str) -> None:
    session = demo.launch()
    demo.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    time.sleep(0.1)
    demo.kill(part)
    stop_and_check(demo, session["id"])


def test_the_line_to_the_site_is_cut_sessions_go_on_and_the_books_settle(demo: SlurmUp) -> None:
    stays, ends = demo.launch(), demo.launch(minutes=1)
    with Relay(demo.base + 101) as hub, Relay(demo.base + 103) as agent:
        code = "from allocations.catalogue.models import Site; Site.objects.update(hub_url={!r}, agent_url={!r})"
        assert demo.manage("shell", "-c", code.format(hub.url, agent.url)).returncode == 0
        hub.cut()
        agent.cut()
        time.sleep(CUT_S)
        row = demo.api("colleague", "GET", f"/sessions/{stays['id']}").json()
        assert row["state"] == "ready"
        hub.mend()
        agent.mend()
        deadline = datetime.fromisoformat(ends["deadline"]).timestamp()
        demo.wait_session(ends["id"], "ended", limit_s=max(0.0, deadline - time.time()) + 45)
        assert abs(charged(demo, ends["id"]) - Decimal("0.1")) <= Decimal(RATE) / 3600 * 2
        answers(demo, stays["id"])
        stop_and_check(demo, stays["id"])
        where = (f"http://127.0.0.1:{demo.base + 101}", f"http://127.0.0.1:{demo.base + 103}")
        assert demo.manage("shell", "-c", code.format(*where)).returncode == 0
