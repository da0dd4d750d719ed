"""What a site tells: hints that make things quick. They may come late, twice, in any order or never; the look is the truth."""

from __future__ import annotations

from datetime import datetime

from notebooks_svc.wire import SiteEvent

from . import clusters, services
from .looking import session_ready, site_look_soon
from .models import Cluster, ClusterState, Session
from .services import note_add
from .states import OPEN


def event_take(event: SiteEvent, *, at: datetime) -> None:
    """Take one event. What it says of things that are over, or says twice, changes nothing."""
    if event.kind.startswith("cluster."):
        rows = Cluster.objects.exclude(state=ClusterState.ENDED).select_related("session__resource__site")
        cluster = rows.filter(pk=event.subject).first()
        if cluster is not None and event.kind == "cluster.ended":
            clusters.cluster_stop(cluster=cluster, by=None, reason="shut_down", at=at)
        if cluster is not None:
            site_look_soon(cluster.session.resource.site.slug)
        return
    session = Session.objects.select_related("resource__site").filter(pk=event.subject, state__in=OPEN).first()
    if session is None:
        return
    if event.kind == "session.ready" and event.ready_at is not None:
        session_ready(session, event.ready_at, at=at)
        return
    if event.kind == "session.failed":
        Session.objects.filter(pk=session.pk).update(failure_detail=event.message)
        note_add(session, f"The site says: {event.message}", at=at)
        services.session_stop(session=session, by=None, reason="failed", at=at)
    site_look_soon(session.resource.site.slug)
