"""Every part, and every daemon of the site, is killed at some step of a launch; the books are exact and nothing is lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
import pytest

from portal.core.quantities import MICRO, charge
from tests.support.kernel import run_in_kernel
from tests.support.relay import Relay
from tests.support.slurm import SlurmUp
from tests.support.steps import steps_strike, strike_at_file

RATE = 6  # `small`, credits per hour
LONG = os.environ.get("COMMONS_TEST_LONG") == "1"
CUT_S = 300 if LONG else 20


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
    end = time.monotonic() + 30
    while True:
        given = demo.api("colleague", "POST", f"/sessions/{id}/token")
        assert given.status_code in (201, 503), given.text
        try:
            if given.status_code == 201:
                assert run_in_kernel(given.json()["url"], given.json()["token"], "print(6 * 7)").stdout == "42\n"
                return
        except aiohttp.ClientError:
            pass
        assert time.monotonic() < end, given.text
        time.sleep(0.5)


def stop_and_check(demo: SlurmUp, *ids: str, ended: Sequence[str] = ()) -> None:
    """They end, each is charged once and exactly, nothing runs, nothing is held, the books prove."""
    for id in ids:
        assert demo.api("colleague", "POST", f"/sessions/{id}/stop").status_code == 200
    for id in ids:
        demo.wait_session(id, "ended", limit_s=60)
    for id in (*ids, *ended):
        assert id not in demo.live_jobs()
        assert abs(charged(demo, id) - expected(demo, id)) <= Decimal(RATE) / 3600 * 2
    assert demo.allocation()["held"] == "0"
    demo.verify()


def one_run(demo: SlurmUp, id: str) -> None:
    """However often it was submitted, one of its jobs lives."""
    assert demo.live_jobs().count(id) == 1, demo.records(id)


# What is killed at one moment, while a launch is at each of six steps: before submit, after submit before the answer, queued,
# booting, ready, stopping. The hub's process is the proxy's too. Each alone in `--long`, in company otherwise.
TOGETHER = [
    ("hub",),
    ("portal", "worker", "reconciler", "agent", "gateway"),
    ("slurmctld",),
    ("slurmdbd", "slurmd hpc1", "slurmd hpc2"),
]
ALONE = [(part,) for part in ("portal", "worker", "reconciler", "hub", "gateway", "agent", "slurmctld", "slurmdbd")]
STRUCK = [*ALONE, ("slurmd hpc1", "slurmd hpc2")] if LONG else TOGETHER
DAEMONS = ("slurmctld", "slurmdbd", "slurmd hpc1", "slurmd hpc2")
AWAY_S = 3.0  # what is the supervisor's comes back by itself


@pytest.mark.parametrize("struck", STRUCK, ids=" ".join)
def test_what_is_killed_at_any_step_of_a_launch_loses_and_doubles_nothing(demo: SlurmUp, struck: tuple[str, ...]) -> None:
    first, second = demo.launch_only()["id"], demo.launch_only()["id"]
    for id in (first, second):
        demo.wait_session(id, "ready", limit_s=90)

    def strike() -> None:
        for part in struck:
            demo.daemon_kill(part) if part in DAEMONS else demo.kill(part)

    steps = steps_strike(demo, ready=first, stopping=second, strike=strike, saved="slurmctld" in struck)
    if set(struck) & set(DAEMONS):
        time.sleep(AWAY_S)
        demo.box.up()
    live = [steps.ready, *steps.to_be_ready]
    for id in live:
        demo.wait_session(id, "ready", limit_s=120)
        one_run(demo, id)
    demo.wait_session(steps.stopping, "ended", limit_s=60)
    assert demo.api("colleague", "GET", f"/sessions/{steps.queued}").json()["state"] == "queued"
    one_run(demo, steps.queued)
    demo.box.run("scontrol", "release", f"jobname={steps.queued}")
    demo.wait_session(steps.queued, "ready", limit_s=90)
    for id in live[:2]:
        answers(demo, id)
    live.append(steps.queued)
    assert sorted(demo.live_jobs()) == sorted(live), "nothing else runs"
    stop_and_check(demo, *live, ended=[steps.stopping])


def test_the_hub_dies_when_a_notebook_is_ready_before_there_is_a_way_to_it(demo: SlurmUp) -> None:
    session = demo.launch_only()
    strike_at_file(demo.engine / f"{session['id']}.ready", lambda: demo.kill("hub"))
    demo.wait_session(session["id"], "ready", limit_s=90)
    one_run(demo, session["id"])
    answers(demo, session["id"])
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


@pytest.mark.timeout(CUT_S + 280)  # the suite's own limit is as long as the long cut alone
def test_the_line_to_the_site_is_cut_sessions_go_on_and_the_books_settle(demo: SlurmUp) -> None:
    stays, ends = demo.launch(), demo.launch(minutes=1)
    with Relay(demo.base + 101) as hub, Relay(demo.base + 103) as agent, through(demo, hub.url, agent.url):
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


@contextmanager
def through(demo: SlurmUp, hub: str, agent: str) -> Iterator[None]:
    """The portal goes to the site through these addresses, and afterwards by its own again."""
    code = "from allocations.catalogue.models import Site; Site.objects.update(hub_url={!r}, agent_url={!r})"
    assert demo.manage("shell", "-c", code.format(hub, agent)).returncode == 0
    try:
        yield
    finally:
        own = (f"http://127.0.0.1:{demo.base + 101}", f"http://127.0.0.1:{demo.base + 103}")
        assert demo.manage("shell", "-c", code.format(*own)).returncode == 0
