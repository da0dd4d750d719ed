"""Dask clusters: grant, claim, roll, end. A worker costs 6 credits per hour, and so does the scheduler."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allocations.ledger import services as ledger
from allocations.ledger.models import Hold, Transfer
from allocations.usage.models import UsageRecord
from notebooks_svc.sessions import clusters
from notebooks_svc.sessions.models import Cluster, Session
from notebooks_svc.sessions.spec import cluster_spec
from portal.core.errors import Refusal

from .conftest import World

HOUR = 3600


def granted(world: World, session: Session) -> Cluster:
    """A granted cluster of the session."""
    return clusters.cluster_grant(launch=session.pk, hub_username=session.user.hub_username, at=world.now)


def running(world: World, session: Session, *, workers: int = 2) -> Cluster:
    """A cluster that was claimed and whose processes run."""
    cluster = granted(world, session)
    clusters.cluster_claim(id=cluster.pk, gateway_name="g1", at=world.now)
    lease_end = cluster.lease_end.timestamp()
    world.site.process_start(cluster.pk, f"{cluster.pk}-scheduler", "scheduler", lease_end=lease_end)
    for number in range(workers):
        world.site.process_start(cluster.pk, f"{cluster.pk}-w{number}", "worker", lease_end=lease_end)
    cluster.refresh_from_db()
    return cluster


def test_a_grant_holds_workers_and_scheduler_until_the_sessions_deadline(world: World) -> None:
    session = world.ready(minutes=60)
    cluster = granted(world, session)
    seconds = int((session.deadline - world.now).total_seconds())
    assert cluster.hold_amount == 3 * 6_000_000 * seconds // HOUR
    assert world.balance().held == 6_000_000 + cluster.hold_amount
    spec = cluster_spec(cluster)
    assert (spec.workers_max, spec.worker_cores, spec.lease_end) == (2, 1, session.deadline.timestamp())


def test_a_grant_is_lowered_to_what_credits_cover_and_refused_below_one_worker(world: World) -> None:
    session = world.ready(minutes=60)
    ledger.give_back(
        id="back", allocation=world.allocation.account, amount=94_000_000 - 13_000_000, reason="x", by="x", at=world.now
    )
    cluster = granted(world, session)
    assert cluster.workers_max == 1
    clusters.clusters_advance_due(at=world.now + timedelta(minutes=3))
    ledger.give_back(id="more", allocation=world.allocation.account, amount=5_000_000, reason="x", by="x", at=world.now)
    with pytest.raises(Refusal) as refused:
        granted(world, session)
    assert refused.value.code == "exceeds_available"


def test_a_grant_that_is_not_claimed_within_two_minutes_is_voided(world: World) -> None:
    session = world.ready()
    cluster = granted(world, session)
    world.run(110, step=5)
    assert Hold.objects.get(pk=cluster.pk).state == "open"
    world.run(30, step=5)
    cluster.refresh_from_db()
    assert (cluster.state, cluster.stop_reason) == ("ended", "not_claimed")
    assert world.balance().held == 6_000_000
    with pytest.raises(Refusal):
        clusters.cluster_claim(id=cluster.pk, gateway_name="g1", at=world.now)


def test_a_cluster_pays_for_workers_and_scheduler_to_the_second(world: World) -> None:
    session = world.ready()
    before = world.balance().spent
    cluster = running(world, session)
    world.run(120)
    clusters.cluster_stop(cluster=cluster, by=world.colleague, reason="person", at=world.now)
    world.run(30)
    cluster.refresh_from_db()
    ran = 3 * 120
    assert (cluster.state, cluster.unit_seconds_posted in range(ran, ran + 12)) == ("ended", True)
    assert world.balance().spent - before == cluster.charged == -(-6_000_000 * cluster.unit_seconds_posted // HOUR)
    assert world.balance().held == 6_000_000
    assert UsageRecord.objects.get(kind="cluster").unit_seconds == cluster.unit_seconds_posted
    world.books()


def test_a_worker_that_was_never_of_use_is_free(world: World) -> None:
    session = world.ready()
    cluster = running(world, session, workers=0)
    world.site.process_start(cluster.pk, f"{cluster.pk}-w9", "worker", lease_end=cluster.lease_end.timestamp(), ready=False)
    world.run(60)
    clusters.cluster_stop(cluster=cluster, by=world.colleague, reason="person", at=world.now)
    world.run(30)
    cluster.refresh_from_db()
    assert cluster.unit_seconds_posted in range(60, 66)


def test_a_roll_frees_what_can_no_longer_be_used_and_the_sum_is_the_same(world: World) -> None:
    session = world.ready(minutes=120)
    cluster = running(world, session, workers=1)
    first = cluster.hold_amount
    world.run(1290, step=5)
    cluster.refresh_from_db()
    assert cluster.hold_number == 2
    assert cluster.hold_amount < first * 0.85
    assert cluster.charged > 0
    clusters.cluster_stop(cluster=cluster, by=world.colleague, reason="person", at=world.now)
    world.run(60)
    cluster.refresh_from_db()
    total = cluster.unit_seconds_posted
    assert total in range(2 * 1285, 2 * 1305)
    # Each of the three holds was rounded once: at most three millionths above one rounding of the whole.
    assert 0 <= cluster.charged - 6_000_000 * total // HOUR <= 3
    assert Transfer.objects.filter(subject=cluster.subject, kind="post").count() == 3
    world.books()


def test_a_cluster_ends_with_its_session(world: World) -> None:
    session = world.ready()
    cluster = running(world, session)
    world.run(60)
    world.stop(session, by=world.colleague)
    world.run(40)
    session.refresh_from_db()
    cluster.refresh_from_db()
    assert (session.state, cluster.state) == ("ended", "ended")
    assert world.balance().held == 0
    world.books()


def test_a_cluster_ends_at_its_lease_even_when_nobody_stops_it(world: World) -> None:
    session = world.ready(minutes=5)
    cluster = running(world, session)
    world.site.hub_up = world.site.gateway_up = False
    world.run(400, step=5)
    session.refresh_from_db()
    cluster.refresh_from_db()
    assert (session.state, cluster.state) == ("ended", "ended")
    assert cluster.charged <= cluster.hold_amount
    assert world.balance().held == 0
    world.books()


def test_a_gateway_that_is_down_is_helped_by_the_agent(world: World) -> None:
    session = world.ready()
    cluster = running(world, session)
    world.run(20)
    world.site.gateway_up = False
    clusters.cluster_stop(cluster=cluster, by=world.colleague, reason="person", at=world.now)
    world.run(60)
    cluster.refresh_from_db()
    assert cluster.state == "ended"


def test_one_live_cluster_per_session(world: World) -> None:
    session = world.ready()
    cluster = running(world, session)
    with pytest.raises(Refusal) as refused:
        granted(world, session)
    assert refused.value.code == "cluster_exists"
    clusters.cluster_stop(cluster=cluster, by=world.colleague, reason="person", at=world.now)
    with pytest.raises(Refusal) as refused:
        granted(world, session)
    assert refused.value.code == "cluster_stopping"
    world.run(40)
    assert granted(world, session).workers_max == 2


def test_no_cluster_without_a_running_session_of_that_person(world: World) -> None:
    session = world.launch()
    with pytest.raises(Refusal) as refused:
        granted(world, session)
    assert refused.value.code == "session_not_running"
    world.run(10)
    with pytest.raises(Refusal) as refused:
        clusters.cluster_grant(launch=session.pk, hub_username=world.rival.hub_username, at=world.now)
    assert refused.value.status == 404
    assert granted(world, session).session_id == session.pk


def test_a_session_launched_without_workers_gets_no_cluster(world: World) -> None:
    session = world.ready(workers_max=0)
    with pytest.raises(Refusal) as refused:
        granted(world, session)
    assert refused.value.code == "no_workers"


def test_a_cluster_of_a_session_that_ends_within_a_minute_is_refused(world: World) -> None:
    session = world.ready(minutes=5)
    world.run(250, step=5)
    with pytest.raises(Refusal) as refused:
        granted(world, session)
    assert refused.value.code == "session_ending"


def test_a_claim_twice_is_once(world: World) -> None:
    session = world.ready()
    cluster = running(world, session)
    clusters.cluster_claim(id=cluster.pk, gateway_name="g1", at=world.now)
    with pytest.raises(Refusal):
        clusters.cluster_claim(id=cluster.pk, gateway_name="g2", at=world.now)


def test_what_an_operator_ends_is_free_for_its_cluster_too(world: World) -> None:
    from portal.accounts.models import Role
    from tests.support import portal

    operator = portal.person("operator", Role.OPERATOR, at=world.now)
    session = world.ready()
    cluster = running(world, session)
    world.run(100)
    world.stop(session, by=operator)
    world.run(40)
    cluster.refresh_from_db()
    assert (cluster.state, cluster.charged, world.spent()) == ("ended", 0, "0")
