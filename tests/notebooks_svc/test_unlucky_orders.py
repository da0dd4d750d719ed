"""Outages, corrections and crashes in an unlucky order: the charge is the same in the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notebooks_svc.sessions import cluster_looks, outages
from notebooks_svc.sessions.models import ClusterProcess, Outage
from portal.accounts.models import Role
from tests.support import portal

from .conftest import World
from .test_metering import ended_cluster


def test_an_outage_counts_from_where_a_slow_clock_of_the_site_had_the_cluster_begin(world: World) -> None:
    world.site.now -= 1.5  # within what a site's clock may be off
    cluster = ended_cluster(world, ran=300)
    first = ClusterProcess.objects.order_by("ready_at").first()
    assert first is not None
    assert first.ready_at < cluster.granted_at.timestamp() - 1
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    asked: dict[str, Any] = {"site": cluster.session.resource.site, "reason": "power", "by": officer, "at": world.now}
    end = datetime.fromtimestamp(first.ready_at + 1.2, UTC)
    assert end < cluster.granted_at
    refunded = outages.outage_declare(begin=end - timedelta(minutes=5), end=end, **asked)
    before = cluster.unit_seconds_posted
    cluster.refresh_from_db()
    assert before - cluster.unit_seconds_posted == 4  # 1.2 s of the scheduler and of the worker, each in whole seconds
    assert [one.of.id for one in refunded] == [cluster.pk]
    world.books()


def test_an_outage_refunds_what_a_late_record_added_to_a_cluster(world: World) -> None:
    cluster = ended_cluster(world, ran=300)
    for process in cluster.processes.all():
        world.site.servers[process.name].ended -= 60  # what the journal says at first
    world.run(30, step=5)
    cluster.refresh_from_db()
    first_said = cluster.ended_at
    for process in cluster.processes.all():
        world.site.servers[process.name].ended += 60
    world.run(30, step=5)
    cluster.refresh_from_db()
    assert cluster.ended_at == first_said + timedelta(seconds=60)
    charged = cluster.unit_seconds_posted
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    outages.outage_declare(
        site=cluster.session.resource.site,
        begin=first_said + timedelta(seconds=10),
        end=first_said + timedelta(seconds=40),
        reason="power",
        by=officer,
        at=world.now,
    )
    cluster.refresh_from_db()
    assert cluster.unit_seconds_posted == charged - 60
    world.books()


def test_a_correction_that_was_cut_off_is_made_by_the_next_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = ended_cluster(world, ran=300)
    before = cluster.unit_seconds_posted
    worker = world.site.servers[f"{cluster.pk}-w0"]
    worker.ended -= 50

    def killed(**asked: Any) -> int:
        raise RuntimeError("the worker was killed")

    with monkeypatch.context() as patch:
        patch.setattr(cluster_looks, "cluster_recount", killed)
        world.run(30, step=5)
    world.run(30, step=5)
    cluster.refresh_from_db()
    assert cluster.unit_seconds_posted == before - 50
    world.books()


def test_what_was_settled_while_an_outage_was_declared_is_counted_once_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.ready()
    world.run(600, step=5)
    world.stop(session)
    world.run(60, step=5)
    session.refresh_from_db()
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    begin = session.ready_at + timedelta(seconds=100)
    with monkeypatch.context() as patch:
        # Its settlement had begun before the outage was declared, and was committed after: neither saw the other.
        patch.setattr(outages, "_touched", lambda *asked: iter([]))
        asked: dict[str, Any] = {"begin": begin, "end": begin + timedelta(seconds=200), "reason": "power", "by": officer}
        assert outages.outage_declare(site=session.resource.site, at=world.now, **asked) == []
    outages.outages_refund_due(at=world.now + timedelta(minutes=1))
    assert world.balance().adjusted == 0
    for minutes in (3, 4):
        outages.outages_refund_due(at=world.now + timedelta(minutes=minutes))
        assert world.balance().adjusted == Outage.objects.get().refunded > 0
    world.books()
