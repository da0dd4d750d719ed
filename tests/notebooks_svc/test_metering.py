"""What is charged, from which source, what is free, and what is righted later. `small` costs 6 credits per hour."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from allocations.ledger.models import Transfer
from allocations.ledger.selectors import balance
from allocations.projects import services as projects
from allocations.usage.models import UsageRecord
from allocations.usage.sources import Source
from notebooks_svc.metering.counting import SITE_FAULTS, Counted, Evidence, seconds_counted
from notebooks_svc.sessions import clusters, outages, services, settling
from notebooks_svc.sessions.doors.agent import AgentUnreachable
from notebooks_svc.sessions.models import Cluster, Outage, Session
from notebooks_svc.wire import LookItem
from portal.accounts.models import Role
from portal.core.errors import Refusal
from tests.support import portal

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


def test_what_went_on_while_portal_and_hub_were_down_is_charged_and_a_declared_outage_is_refunded(world: World) -> None:
    session = world.ready(minutes=60)
    world.site.hub_up = False
    world.site.advance(1800)
    world.now += timedelta(seconds=1800)
    world.site.hub_up = True
    world.stop(session, by=world.colleague)
    world.run(30)
    record = UsageRecord.objects.get()
    assert record.unit_seconds in range(1800, 1830)
    begin = session.ready_at + timedelta(seconds=600)
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    asked = {"site": session.resource.site, "begin": begin, "end": begin + timedelta(seconds=600), "reason": "cooling failed"}
    with pytest.raises(Refusal, match="Only an officer"):
        outages.outage_declare(**asked, by=world.founder, at=world.now)
    refunded = outages.outage_declare(**asked, by=officer, at=world.now)
    amounts = {one.of.id: one.amount for one in refunded}
    assert amounts == {session.pk: price(record.unit_seconds) - price(record.unit_seconds - 600)}
    with pytest.raises(Refusal) as refused:
        outages.outage_declare(**asked, by=officer, at=world.now)
    assert refused.value.code == "outage_overlaps"
    assert outages.outage_refund(Outage.objects.get(), at=world.now) == []
    assert balance(code=world.allocation.account).adjusted == sum(amounts.values())
    world.books()


def test_an_outage_is_not_charged_by_what_is_settled_or_corrected_after_it(world: World) -> None:
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    session = world.ready(minutes=60)
    world.run(1200, step=5)
    outages.outage_declare(
        site=session.resource.site,
        begin=world.now - timedelta(seconds=700),
        end=world.now - timedelta(seconds=100),
        reason="power",
        by=officer,
        at=world.now,
    )
    world.stop(session, by=world.colleague)
    world.run(30)
    session.refresh_from_db()
    ran = int((session.ended_at - session.ready_at).total_seconds())
    assert UsageRecord.objects.get().unit_seconds == ran - 600
    settling.session_correct(session=session, item=report(session, shorter=50), at=world.now)
    assert sum(r.unit_seconds for r in UsageRecord.objects.all()) == ran - 650
    world.books()


@pytest.mark.parametrize("changes", [{"reason": "  "}, {"end": timedelta(seconds=-1)}, {"end": timedelta(hours=3)}])
def test_an_outage_that_is_none_is_refused(world: World, changes: dict[str, Any]) -> None:
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    site = portal.machine_room(at=world.now)
    begin = world.now - timedelta(hours=2)
    end = begin + changes.get("end", timedelta(hours=1))
    with pytest.raises(Refusal) as refused:
        outages.outage_declare(site=site, begin=begin, end=end, reason=changes.get("reason", "x"), by=officer, at=world.now)
    assert refused.value.status == 422
    assert not Outage.objects.exists()


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


# --- extensions whose answer is lost --------------------------------------------------------------------------------------


class Deaf(Exception):
    """The answer was lost on its way."""


def test_an_extension_the_engine_took_counts_even_when_its_answer_never_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.ready(minutes=5)
    take = world.site.extend

    def taken_but_unanswered(id: str, *, deadline: float) -> bool:
        take(id, deadline=deadline)
        raise AgentUnreachable("the answer was lost")

    monkeypatch.setattr(world.site, "extend", taken_but_unanswered)
    with pytest.raises(Refusal, match="tried again by itself"):
        services.session_extend(session=session, by=world.colleague, minutes=10, at=world.now)
    world.run(960, step=5)
    session.refresh_from_db()
    assert (session.state, session.minutes, world.spent()) == ("ended", 15, "1.5")
    world.books()


def test_an_extension_that_is_confirmed_after_the_session_was_settled_charges_nothing(world: World) -> None:
    session = world.ready(minutes=5)
    world.site.agent_up = False
    with pytest.raises(Refusal):
        services.session_extend(session=session, by=world.colleague, minutes=10, at=world.now)
    wish = session.holds.get(confirmed=False)
    world.site.agent_up = True
    session.refresh_from_db()
    Session.objects.filter(pk=session.pk).update(due_at=world.now + timedelta(days=1))  # the worker that waited for the answer
    world.run(330, step=15, look_every=15)
    stale = Session.objects.get(pk=session.pk)
    assert stale.state == "ended"
    with pytest.raises(Refusal, match="ended already"):
        services.extension_confirm(session=session, wish=wish, at=world.now)
    assert (world.spent(), world.balance().held) == ("0.5", 0)
    world.books()


# --- clusters -------------------------------------------------------------------------------------------------------------


def ended_cluster(world: World, *, ran: int, minutes: int = 120) -> Cluster:
    """A cluster with one worker that ran so long, was stopped, and is settled."""
    session = world.ready(minutes=minutes)
    cluster = clusters.cluster_grant(launch=session.pk, hub_username=session.user.hub_username, at=world.now)
    clusters.cluster_claim(id=cluster.pk, gateway_name="g1", at=world.now)
    for kind, name in (("scheduler", "s"), ("worker", "w0")):
        world.site.process_start(cluster.pk, f"{cluster.pk}-{name}", kind, lease_end=cluster.lease_end.timestamp())
    world.run(ran, step=5)
    clusters.cluster_stop(cluster=cluster, by=world.colleague, reason="person", at=world.now)
    world.run(40, step=5)
    cluster.refresh_from_db()
    assert cluster.state == "ended"
    return cluster


def test_a_journal_that_changes_after_a_cluster_was_settled_refunds_its_last_holds_first(world: World) -> None:
    cluster = ended_cluster(world, ran=1500)
    assert cluster.hold_number == 2
    before, paid = cluster.unit_seconds_posted, cluster.charged
    worker = world.site.servers[f"{cluster.pk}-w0"]
    worker.ended -= 1000  # it had died long before
    world.run(30, step=5)
    cluster.refresh_from_db()
    assert cluster.unit_seconds_posted == before - 1000
    assert paid - cluster.charged == pytest.approx(price(1000), abs=3)
    records = UsageRecord.objects.filter(kind="cluster")
    assert sum(r.unit_seconds for r in records) == before - 1000
    assert sum(r.charge for r in records) == cluster.charged
    world.run(30, step=5)
    assert UsageRecord.objects.filter(kind="cluster").count() == records.count()
    world.books()


def accounted(world: World, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """From now on the scheduler's accounting tells of these processes, as soon as they have ended."""
    truly = world.site._item

    def told(server: Any) -> LookItem:
        item = truly(server)
        if not server.launch.endswith(names) or item.state != "gone":
            return item
        return item.model_copy(update={"source": "scheduler", "record": f"fake/{server.launch[-2:]}/1", "ready_at": None})

    monkeypatch.setattr(world.site, "_item", told)


def test_a_cluster_is_settled_from_accounting_and_its_record_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    accounted(world, monkeypatch, "-s", "-w0")
    cluster = ended_cluster(world, ran=300)
    assert cluster.unit_seconds_posted in range(600, 620), "accounting knows no “ready”: what the site saw stands"
    assert {r.source for r in UsageRecord.objects.filter(kind="cluster")} == {Source.SCHEDULER}
    assert {p.record for p in cluster.processes.all()} == {"fake/-s/1", "fake/w0/1"}


def test_a_clusters_record_is_as_good_as_the_weakest_of_its_processes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    accounted(world, monkeypatch, "-s")
    ended_cluster(world, ran=100)
    assert UsageRecord.objects.get(kind="cluster").source == Source.JOURNAL


def test_accounting_corrects_a_clusters_journal_and_a_journal_corrects_no_accounting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = ended_cluster(world, ran=300)
    before = cluster.unit_seconds_posted
    worker = world.site.servers[f"{cluster.pk}-w0"]
    with monkeypatch.context() as patch:
        accounted(world, patch, "-s", "-w0")
        worker.ended -= 50
        world.run(30, step=5)
    cluster.refresh_from_db()
    assert cluster.unit_seconds_posted == before - 50
    assert "scheduler's accounting" in Transfer.objects.get(kind="adjust").reason
    worker.ended -= 100  # now only a journal says so
    world.run(30, step=5)
    cluster.refresh_from_db()
    assert cluster.unit_seconds_posted == before - 50
    world.books()


def test_a_session_settled_from_accounting_names_its_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.ready()
    accounted(world, monkeypatch, session.pk[-6:])
    world.run(60)
    world.stop(session, by=world.colleague)
    world.run(30)
    record = UsageRecord.objects.get(kind="session")
    assert (record.source, record.accounting) == (Source.SCHEDULER, f"fake/{session.pk[-2:]}/1")


def test_a_journal_that_says_more_charges_at_most_the_holds(world: World) -> None:
    cluster = ended_cluster(world, ran=100)
    held = cluster.hold_amount
    worker = world.site.servers[f"{cluster.pk}-w0"]
    worker.ended += 30
    world.run(30, step=5)
    cluster.refresh_from_db()
    assert cluster.charged <= held
    assert cluster.unit_seconds_posted in range(200, 260)
    world.books()


def test_an_outage_refunds_clusters_too(world: World) -> None:
    cluster = ended_cluster(world, ran=300)
    paid = cluster.charged
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    begin = cluster.granted_at + timedelta(seconds=60)
    refunded = outages.outage_declare(
        site=cluster.session.resource.site,
        begin=begin,
        end=begin + timedelta(seconds=120),
        reason="network",
        by=officer,
        at=world.now,
    )
    assert [one.of.id for one in refunded] == [
        cluster.pk
    ]  # its session still runs: it is charged without the outage when it ends
    cluster.refresh_from_db()
    assert paid - cluster.charged == refunded[0].amount == pytest.approx(price(240), abs=2)
    adjust = Transfer.objects.get(kind="adjust")
    assert (adjust.by, "network" in adjust.reason) == (f"person:{officer.pk}", True)
    world.books()


def test_what_runs_beyond_a_clusters_hold_is_the_providers_overrun(world: World) -> None:
    session = world.ready(minutes=10)
    cluster = clusters.cluster_grant(launch=session.pk, hub_username=session.user.hub_username, at=world.now)
    clusters.cluster_claim(id=cluster.pk, gateway_name="g1", at=world.now)
    for number in range(9):  # a gateway that starts more workers than it was granted
        world.site.process_start(cluster.pk, f"{cluster.pk}-w{number}", "worker", lease_end=cluster.lease_end.timestamp())
    world.run(700, step=5)
    cluster.refresh_from_db()
    assert cluster.state == "ended"
    assert cluster.charged <= Transfer.objects.get(pk=cluster.pk).amount
    assert sum(r.overrun_seconds for r in UsageRecord.objects.filter(kind="cluster")) > 5 * 500
    world.books()


# --- attacks on the settlement --------------------------------------------------------------------------------------------


def test_a_report_that_is_applied_twice_at_once_settles_once(world: World) -> None:
    session = world.ready(minutes=5)
    world.site.advance(400)
    stale = Session.objects.select_related("user", "allocation", "resource__site__provider", "profile").get(pk=session.pk)
    item = next(item for item in world.site.look(since=0).items if item.id == session.pk)
    assert settling.session_settle(session=stale, item=item, source=Source.JOURNAL, at=world.now)
    assert not settling.session_settle(session=stale, item=item, source=Source.SCHEDULER, at=world.now)
    assert Transfer.objects.filter(settles=session.pk).count() == 1
    assert (world.spent(), UsageRecord.objects.count()) == ("0.5", 1)


def test_a_cluster_is_not_granted_to_a_session_that_was_stopped_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.ready()
    check = clusters._check_no_other

    def stopped_here(row: Session) -> None:
        check(row)
        world.stop(Session.objects.get(pk=session.pk), by=world.colleague)

    monkeypatch.setattr(clusters, "_check_no_other", stopped_here)
    with pytest.raises(Refusal) as refused:
        clusters.cluster_grant(launch=session.pk, hub_username=session.user.hub_username, at=world.now)
    assert refused.value.code == "session_not_running"
    assert not Cluster.objects.exists()
    assert world.balance().held == 6_000_000


def test_a_grant_cannot_be_claimed_once_its_session_was_stopped(world: World) -> None:
    session = world.ready()
    cluster = clusters.cluster_grant(launch=session.pk, hub_username=session.user.hub_username, at=world.now)
    Session.objects.filter(pk=session.pk).update(target_state="ended")  # the stop has not reached the cluster's row
    with pytest.raises(Refusal, match="session has ended"):
        clusters.cluster_claim(id=cluster.pk, gateway_name="g1", at=world.now)
    world.run(200, step=5)
    cluster.refresh_from_db()
    assert (cluster.state, cluster.stop_reason) == ("ended", "not_claimed")


@pytest.mark.parametrize("jump", [timedelta(days=2), timedelta(days=-2)])
def test_a_portal_clock_that_jumps_closes_no_hold_of_what_runs_and_charges_by_the_sites_clock(
    world: World, jump: timedelta
) -> None:
    session = world.ready(minutes=5)
    truly = world.now
    world.now += jump
    world.run(1, step=1)
    assert world.balance().held == 500_000
    world.now = truly
    world.site.advance(400)
    world.now += timedelta(seconds=400)
    world.run(60, step=5)
    session.refresh_from_db()
    assert session.state == "ended"
    assert world.balance().spent <= 500_000
    assert (world.balance().held, UsageRecord.objects.count()) == (0, 1)
    world.books()


def test_a_clock_that_jumps_ahead_starts_nothing_and_returns_everything(world: World) -> None:
    session = world.launch()
    world.now += timedelta(days=1)
    world.run(60, step=5)
    session.refresh_from_db()
    assert (session.is_open, world.site.starts) == (False, 0)
    assert world.balance().available == 100_000_000


def test_nothing_more_can_be_spent_by_extending_while_everything_is_held(world: World) -> None:
    session = world.ready(minutes=60)
    world.launch(user=world.founder, minutes=900)
    for _ in range(3):
        with pytest.raises(Refusal) as refused:
            services.session_extend(session=session, by=world.colleague, minutes=60, at=world.now)
        assert refused.value.code == "exceeds_available"
    assert world.balance().available == 4_000_000
    services.session_extend(session=session, by=world.colleague, minutes=40, at=world.now)
    assert world.balance().available == 0


def test_an_allocation_that_ends_while_a_session_is_extended_pays_what_was_bought_and_returns_the_rest(world: World) -> None:
    session = world.ready(minutes=5)
    services.session_extend(session=session, by=world.colleague, minutes=10, at=world.now)
    projects.allocation_end(allocation=world.allocation, reason="early", by=world.founder, at=world.now)
    session.refresh_from_db()
    with pytest.raises(Refusal) as refused:
        services.session_extend(session=session, by=world.colleague, minutes=10, at=world.now)
    assert refused.value.code == "allocation_not_active"
    world.run(960, step=15)
    assert world.spent() == "1.5"
    assert (world.balance().available, world.balance().held, world.balance().state) == (0, 0, "closed")
    world.books()
