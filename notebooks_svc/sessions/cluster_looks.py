"""What a look says of Dask clusters: their processes are written down, what ended is settled, what was settled is corrected."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from allocations.catalogue.models import Site
from allocations.usage.sources import Source
from notebooks_svc.wire import Look, LookItem

from .cluster_books import cluster_recount, cluster_settle, source_of
from .clusters import cluster_stop
from .models import Cluster, ClusterProcess, ClusterState
from .settling import CORRECTED_FOR, SOURCE_WORDS
from .states import Target

log = logging.getLogger(__name__)
ABSENT_LOOKS = 2


def look_apply(*, site: Site, look: Look, at: datetime) -> None:
    """Write down the processes of every open cluster of the site, and settle those that have ended."""
    by_parent: dict[str, list[LookItem]] = {}
    for item in look.items:
        if item.parent:
            by_parent.setdefault(item.parent, []).append(item)
    rows = list(
        Cluster.objects.filter(session__resource__site=site)
        .exclude(state__in=[ClusterState.ENDED, ClusterState.GRANTED])
        .select_related("session__user", "session__allocation", "session__resource__site__provider")
    )
    _processes_write({cluster.pk: by_parent.get(cluster.pk, []) for cluster in rows})
    _late_reports(by_parent, at=at)
    for cluster in rows:
        try:
            _apply(cluster, by_parent.get(cluster.pk, []), look, at=at)
        except Exception:
            log.exception("look could not be applied to cluster %s", cluster.pk)


def _late_reports(by_parent: dict[str, list[LookItem]], *, at: datetime) -> None:
    """
    What the site says now of clusters that were settled: what differs corrects them. It is kept together with what it
    corrects, or it would be no news to the next look after a crash between the two.
    """
    ended = {
        cluster.pk: cluster
        for cluster in Cluster.objects.filter(
            pk__in=sorted(by_parent), state=ClusterState.ENDED, claimed_at__isnull=False, ended_at__gt=at - CORRECTED_FOR
        )
    }
    gone = {pk: [i for i in by_parent[pk] if i.state == "gone" and i.ended is not None] for pk in ended}
    for pk in _news(gone).clusters():
        try:
            with transaction.atomic():
                _processes_write({pk: gone[pk]})
                cluster_recount(cluster=ended[pk], reason=f"corrected by the {SOURCE_WORDS[source_of(ended[pk])]}", at=at)
        except Exception:
            log.exception("a late report could not be applied to cluster %s", pk)


@dataclass(frozen=True)
class News:
    """Schedulers and workers that are not written down yet, or not so."""

    made: list[ClusterProcess]
    changed: list[ClusterProcess]

    def clusters(self) -> list[str]:
        """Whose they are."""
        return sorted({process.cluster_id for process in [*self.made, *self.changed]})


def _processes_write(by_cluster: Mapping[str, Sequence[LookItem]]) -> None:
    """Keep what is new of schedulers and workers: one read and at most two writes, however many there are."""
    news = _news(by_cluster)
    ClusterProcess.objects.bulk_create(news.made, ignore_conflicts=True)
    ClusterProcess.objects.bulk_update(news.changed, ["ready_at", "ended", "reason", "source", "record"], batch_size=200)


def _news(by_cluster: Mapping[str, Sequence[LookItem]]) -> News:
    """What is new in a report. Of a process that has ended a weaker source than the one that was believed is not news."""
    known = {process.name: process for process in ClusterProcess.objects.filter(cluster__in=sorted(by_cluster))}
    news = News([], [])
    for cluster, items in by_cluster.items():
        for item in items:
            if item.state == "unknown":
                continue
            process, facts = known.get(item.id), _facts(item)
            if process is None:
                news.made.append(ClusterProcess(cluster_id=cluster, name=item.id, kind=item.kind, **facts))
                continue
            if process.ended is not None and Source(item.source).rank > Source(process.source).rank:
                continue
            if item.ready_at is None:
                facts["ready_at"] = process.ready_at  # accounting knows no "ready": what the site saw stands
            if any(getattr(process, name) != value for name, value in facts.items()):
                for name, value in facts.items():
                    setattr(process, name, value)
                news.changed.append(process)
    return news


def _facts(item: LookItem) -> dict[str, Any]:
    return {
        "ready_at": item.ready_at,
        "ended": item.ended,
        "reason": item.reason[:80],
        "source": item.source,
        "record": item.record,
    }


def _apply(cluster: Cluster, items: list[LookItem], look: Look, *, at: datetime) -> None:
    if not look.complete:
        return
    if any(item.state == "alive" for item in items):
        if cluster.absent_looks:
            Cluster.objects.filter(pk=cluster.pk).update(absent_looks=0)
        return
    # Nothing of it lives. Before the books are closed the gateway is told, so that it starts nothing more.
    Cluster.objects.filter(pk=cluster.pk).update(absent_looks=F("absent_looks") + 1)
    scheduler_ended = any(item.kind == "scheduler" for item in items)
    if cluster.target_state == Target.READY:
        if scheduler_ended or cluster.absent_looks + 1 >= 2 * ABSENT_LOOKS:
            reason = "lease_over" if at >= cluster.lease_end else "exited"
            cluster_stop(cluster=cluster, by=None, reason=reason, at=at)
        return
    if scheduler_ended or cluster.absent_looks + 1 >= ABSENT_LOOKS:
        cluster_settle(cluster=cluster, at=at)
