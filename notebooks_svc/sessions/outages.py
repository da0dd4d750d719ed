"""Declared outages: what fell into one is not charged; what was charged already is refunded by adjusting transfers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q

from allocations.catalogue.models import Site
from portal.accounts.models import Role, User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, Refusal

from .models import Outage

AGAIN_AFTER = timedelta(minutes=2)


def outage_windows(site_id: int, *, begin: float, end: float) -> list[tuple[float, float]]:
    """The declared outages of a site that touch a stretch of time, in seconds of the site's clock."""
    first, last = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
    rows = Outage.objects.filter(site_id=site_id, begin__lt=last, end__gt=first).order_by("begin")
    return [(b.timestamp(), e.timestamp()) for b, e in rows.values_list("begin", "end")]


def outage_declare(*, site: Site, begin: datetime, end: datetime, reason: str, by: User, at: datetime) -> dict[str, int]:
    """
    Declare that a site was not of use: nothing of that time is charged, and what was charged is refunded.

    :return: micro-credits refunded, by launch or cluster id
    :raises NotAllowed: unless the person is an officer
    :raises Malformed: an outage that ends before it begins, lies in the future, or lacks a reason
    :raises Refusal: `outage_overlaps` when part of it was declared before
    """
    if Role.OFFICER not in by.role_set:
        raise NotAllowed("Only an officer may declare an outage: it moves credits.")
    if not reason.strip():
        raise Malformed("Say what happened; it will stand on every statement.", field="reason")
    if end <= begin or end > at:
        raise Malformed("An outage begins before it ends, and is declared once it is over.", field="end")
    with transaction.atomic():
        Site.objects.select_for_update().get(pk=site.pk)
        other = Outage.objects.filter(Q(begin__lt=end) & Q(end__gt=begin), site=site).first()
        if other is not None:
            raise Refusal(
                "outage_overlaps",
                f"An outage from {other.begin:%Y-%m-%d %H:%M} to {other.end:%Y-%m-%d %H:%M} UTC was declared already.",
            )
        outage = Outage.objects.create(site=site, begin=begin, end=end, reason=reason, declared_by=by, declared_at=at)
        audit.event_record(
            kind="site.outage_declared",
            actor=by,
            about=f"site:{site.slug}",
            at=at,
            begin=begin.isoformat(),
            end=end.isoformat(),
            reason=reason,
        )
    return outage_refund(outage, at=at)


def outages_refund_due(*, at: datetime) -> None:
    """Go on with refunds that were interrupted. Counting is repeatable: what was refunded already is not refunded twice."""
    for outage in Outage.objects.filter(refunded_at=None, declared_at__lt=at - AGAIN_AFTER):
        outage_refund(outage, at=at)


def outage_refund(outage: Outage, *, at: datetime) -> dict[str, int]:
    """Count anew everything that touched the outage, each thing in a transaction of its own. Returns refunds by id."""
    from .cluster_books import cluster_recount
    from .models import Cluster, ClusterState, Session
    from .settling import session_recount
    from .states import OVER

    site, begin, end = outage.site, outage.begin, outage.end
    words, ref, refunded = f"declared outage, {outage.reason}", f"person:{outage.declared_by_id}", {}
    sessions = Session.objects.filter(resource__site=site, state__in=OVER, ready_at__lt=end, ended_at__gt=begin)
    for session in sessions.iterator(chunk_size=500):
        if difference := session_recount(session=session, reason=words, by=ref, at=at):
            refunded[session.pk] = -difference
    clusters = Cluster.objects.filter(
        session__resource__site=site, state=ClusterState.ENDED, granted_at__lt=end, ended_at__gt=begin
    )
    for cluster in clusters.iterator(chunk_size=500):
        if difference := cluster_recount(cluster=cluster, reason=words, by=ref, at=at):
            refunded[cluster.pk] = -difference
    Outage.objects.filter(pk=outage.pk).update(refunded_at=at)
    return refunded
