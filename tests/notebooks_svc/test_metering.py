"""What is charged, from which source, what is free, and what is righted later. `small` costs 6 credits per hour."""

from __future__ import annotations

import pytest

from allocations.ledger.models import Transfer
from allocations.projects import services as projects
from allocations.usage.models import UsageRecord
from notebooks_svc.metering.counting import SITE_FAULTS, Counted, Evidence, seconds_counted
from notebooks_svc.sessions import settling
from notebooks_svc.sessions.models import Session
from notebooks_svc.wire import LookItem

from .conftest import World

RATE, HOUR = 6_000_000, 3600


def price(seconds: int) -> int:
    return -(-RATE * seconds // HOUR)


def count(evidence: Evidence, *, deadline: float | None = None, stop: float | None = None, reason: str = "") -> Counted:
    return seconds_counted(evidence, deadline=deadline, stop_asked=stop, stop_reason=reason)


# --- which seconds count --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "limits", "counted"),
    [
        (Evidence(0, 10, 110), {}, (100, 0)),
        (Evidence(20, 10, 110), {}, (90, 0)),  # it began after its first "ready": a requeue, say
        (Evidence(None, 10, 110), {}, (100, 0)),
        (Evidence(0, 10, 110.9), {}, (100, 0)),  # whole seconds, the rest is not paid
        (Evidence(0, 10, 110), {"deadline": 84.0}, (74, 26)),  # Slurm ended it 26 s late: nobody pays for lateness
        (Evidence(0, 10, 110), {"stop": 20.0}, (70, 30)),  # stop + 60 s
        (Evidence(0, 10, 110), {"stop": 20.0, "deadline": 60.0}, (50, 50)),
        (Evidence(0, 10, 5), {}, (0, 0)),
    ],
)
def test_seconds_are_counted_from_ready_to_the_first_of_end_deadline_and_stop(
    evidence: Evidence, limits: dict[str, float], counted: tuple[int, int]
) -> None:
    found = count(evidence, **limits)
    assert (found.seconds, found.overrun) == counted


@pytest.mark.parametrize(
    "reason", ["runner lost", "agent lost", "NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "PREEMPTED by 42", "node_fail"]
)
def test_what_the_site_did_is_free(reason: str) -> None:
    assert count(Evidence(0, 10, 110, reason)).seconds == 0
    assert count(Evidence(0, 10, 110, reason)).free_reason


@pytest.mark.parametrize(
    "reason",
    ["COMPLETED", "CANCELLED by 1000", "OUT_OF_MEMORY", "FAILED", "TIMEOUT", "exited", "deadline", "stopped", "idle", ""],
)
def test_every_other_end_is_charged(reason: str) -> None:
    assert count(Evidence(0, 10, 110, reason)).seconds == 100


def test_what_is_free_is_a_closed_list() -> None:
    assert set(SITE_FAULTS) == {"runner lost", "agent lost", "node_fail", "boot_fail", "preempted"}
    assert count(Evidence(0, None, 110)).free_reason == "it was never ready"
    assert count(Evidence(0, 10, 110), reason="operator").free_reason == "an operator ended it"
    for reason in ("person", "manager", "idle", "deadline", "allocation_ended", "person_left", "shutdown", "exited"):
        assert count(Evidence(0, 10, 110), reason=reason).seconds == 100


# --- late and corrected records -------------------------------------------------------------------------------------------


def ended(world: World, *, minutes: int = 60, ran: float = 600) -> Session:
    """A session that was ready, was stopped, and is settled by the site's journal."""
    session = world.ready(minutes=minutes)
    world.run(ran, step=5)
    world.stop(session, by=world.colleague)
    world.run(30)
    session.refresh_from_db()
    assert session.state == "ended"
    return session


def report(session: Session, *, shorter: float = 0, source: str = "scheduler", reason: str = "COMPLETED") -> LookItem:
    """A late record that says the session ended so many seconds earlier than its settlement believed."""
    assert session.ready_at is not None
    assert session.ended_at is not None
    return LookItem(
        id=session.pk,
        kind="session",
        parent="",
        state="gone",
        started=session.ready_at.timestamp() - 3,
        ready_at=None,
        ended=session.ended_at.timestamp() - shorter,
        reason=reason,
        source=source,
    )


def test_a_late_record_that_says_less_refunds_the_difference_by_a_transfer(world: World) -> None:
    session = ended(world)
    first = UsageRecord.objects.get()
    paid = world.balance().spent
    difference = settling.session_correct(session=session, item=report(session, shorter=100), at=world.now)
    assert difference == -(paid - price(first.unit_seconds - 100))
    correction = UsageRecord.objects.get(corrects=first)
    assert (correction.unit_seconds, correction.charge, correction.source) == (-100, difference, "scheduler")
    assert world.balance().adjusted == -difference
    adjust = Transfer.objects.get(kind="adjust")
    assert adjust.settles_id == f"{session.pk}-post"
    assert "scheduler's accounting" in adjust.reason
    assert UsageRecord.objects.get(pk=first.pk).charge == paid
    world.books()


def test_the_same_record_twice_corrects_once(world: World) -> None:
    session = ended(world)
    item = report(session, shorter=100)
    assert settling.session_correct(session=session, item=item, at=world.now) < 0
    assert settling.session_correct(session=session, item=item, at=world.now) == 0
    assert Transfer.objects.filter(kind="adjust").count() == 1


def test_a_weaker_source_corrects_nothing(world: World) -> None:
    session = ended(world)
    settling.session_correct(session=session, item=report(session, shorter=100), at=world.now)
    weaker = report(session, shorter=500, source="journal")
    assert settling.session_correct(session=session, item=weaker, at=world.now) == 0
    assert UsageRecord.objects.count() == 2


def test_a_correction_upwards_ends_at_the_hold_and_the_rest_is_the_providers_overrun(world: World) -> None:
    session = world.ready(minutes=5)
    world.site.end(world.site.servers[session.pk], at=world.site.now + 0.0, reason="exited")
    world.run(20)
    session.refresh_from_db()
    settling.session_correct(session=session, item=report(session, shorter=-400), at=world.now)
    record = UsageRecord.objects.get(corrects__isnull=False)
    assert world.balance().spent - world.balance().adjusted == 500_000  # five minutes: the whole hold and not more
    total = sum(r.unit_seconds for r in UsageRecord.objects.all())
    assert total == 300
    assert record.overrun_seconds > 90
    assert record.overrun == price(record.overrun_seconds)
    world.books()


def test_a_correction_upwards_takes_no_more_than_is_left(world: World) -> None:
    session = world.ready(minutes=5)
    world.site.end(world.site.servers[session.pk], at=world.site.now, reason="exited")
    world.run(20)
    projects.allocation_end(allocation=world.allocation, reason="early", by=world.founder, at=world.now)
    session.refresh_from_db()
    assert settling.session_correct(session=session, item=report(session, shorter=-100), at=world.now) == 0
    assert world.balance().available == 0
    world.books()


def test_a_late_record_that_says_it_was_the_sites_fault_refunds_everything(world: World) -> None:
    session = ended(world)
    spent = world.balance().spent
    assert settling.session_correct(session=session, item=report(session, reason="NODE_FAIL"), at=world.now) == -spent
    world.books()


def test_a_session_the_site_lost_every_trace_of_is_settled_after_a_healthy_day_by_when_it_was_last_seen(world: World) -> None:
    session = world.ready(minutes=600)
    world.run(600, step=15)
    seen = world.site.now
    lost = world.site.servers.pop(session.pk)
    world.run(3600, step=60)
    world.site.agent_up = False
    world.run(25 * HOUR, step=600)  # a silent site proves nothing
    world.site.agent_up = True
    world.run(23 * HOUR, step=300)
    session.refresh_from_db()
    assert session.state == "stopping"  # past its deadline, but not settled: the books wait for the site
    assert world.balance().held == 60_000_000
    world.run(2 * HOUR, step=300)
    session.refresh_from_db()
    assert session.state == "ended"
    record = UsageRecord.objects.get()
    assert record.source == "last_seen"
    assert record.unit_seconds == pytest.approx(seen - lost.ready_at, abs=16)
    # Its journal is found after all: it ran until its deadline.
    world.site.servers[session.pk] = lost
    world.run(120, step=15)
    assert sum(r.unit_seconds for r in UsageRecord.objects.all()) == 600 * 60
    assert world.balance().spent - world.balance().adjusted == 60_000_000
    world.books()


def test_a_record_names_everything_it_was_made_from(world: World) -> None:
    session = ended(world)
    record = UsageRecord.objects.get()
    assert (record.user, record.organisation, record.allocation) == (
        world.colleague,
        world.allocation.organisation,
        world.allocation,
    )
    assert (record.launch, record.site, record.engine, record.resource.slug) == (session.pk, "room", "local", "cpu")
    assert (record.cores, record.gpus, record.memory_gib, record.rate_per_hour) == (1, 0, 2, RATE)
    assert record.start == session.ready_at
    assert record.charge == price(record.unit_seconds) == world.balance().spent
    assert record.kwh > 0
    assert record.gco2e > 0
    assert (record.carbon_basis, record.carbon_vintage) == ("location-based annual production average", "2023")
