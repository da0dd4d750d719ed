"""
Outages of a site: told by operators, declared by officers. What fell into a declared one is not charged; what was charged
already is refunded by adjusting transfers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.module_loading import import_string

from allocations.catalogue.models import Site
from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal

from .models import Cluster, ClusterProcess, ClusterState, Outage, Session
from .states import OVER

AGAIN_AFTER = timedelta(minutes=2)
LENGTH_MAX = timedelta(days=31)


@dataclass(frozen=True)
class Charged:
    """Something that was charged for time at a site: a session, a cluster, or what a room upstairs charges for."""

    id: str
    kind: str
    name: str
    who: str
    allocation: str
    organisation_id: int
    recount: Callable[[Outage, datetime], int]
    """Brings its charge to what counts now, within the caller's transaction; returns the difference in micro-credits."""


@dataclass(frozen=True)
class Refund:
    """What was given back, or would be. The amount in micro-credits."""

    of: Charged
    amount: int


@dataclass(frozen=True)
class Preview:
    """What declaring an outage would do now, to the last micro-credit."""

    refunds: list[Refund]
    running: int

    @property
    def total(self) -> int:
        """Micro-credits."""
        return sum(one.amount for one in self.refunds)

    @property
    def allocations(self) -> int:
        """How many allocations get something back."""
        return len({one.of.allocation for one in self.refunds})


_upstairs: list[str] = []


def outages_touch_more(touched: str) -> None:
    """
    Have a room upstairs give back too what an outage touched.

    :param touched: dotted path of a function (site, begin, end) → iterable of `Charged`, what may still run among them
    """
    if touched not in _upstairs:
        _upstairs.append(touched)


def outage_windows(site_id: int, *, begin: float, end: float) -> list[tuple[float, float]]:
    """The declared outages of a site that touch a stretch of time, in seconds of the site's clock."""
    first, last = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
    rows = Outage.objects.filter(site_id=site_id, begin__lt=last, end__gt=first, declared_at__isnull=False).order_by("begin")
    return [(b.timestamp(), e.timestamp()) for b, e in rows.values_list("begin", "end")]


def outage_list_for_user(*, user: User) -> QuerySet[Outage]:
    """
    All outages, the newest first.

    :raises NotAllowed: unless operator or officer
    """
    check_role(user, Role.OPERATOR, Role.OFFICER)
    return Outage.objects.select_related("site", "told_by", "declared_by").order_by("-begin", "-pk")


def outage_get_for_user(*, user: User, pk: int) -> Outage:
    """
    One outage.

    :raises NotAllowed: unless operator or officer
    :raises NotYours: there is none
    """
    outage = outage_list_for_user(user=user).filter(pk=pk).first()
    if outage is None:
        raise NotYours("outage")
    return outage


def outage_preview(*, site: Site, begin: datetime, end: datetime, by: User, at: datetime) -> Preview:
    """
    What declaring this outage would refund, for operators and officers. It is done and taken back, so that what is shown is
    what would happen; it holds what it touches for as long as that takes.

    :raises NotAllowed: unless operator or officer
    :raises Malformed: an outage that ends before it begins, lies in the future, or is longer than a month
    :raises Refusal: `outage_overlaps` when part of it was declared before
    """
    check_role(by, Role.OPERATOR, Role.OFFICER)
    _check_times(begin, end, at)
    with transaction.atomic():
        _check_alone(site, begin, end)
        tried = Outage.objects.create(site=site, begin=begin, end=end, reason="preview", declared_by=by, declared_at=at)
        refunds = outage_refund(tried, at=at)
        transaction.set_rollback(True)
    running = Session.objects.filter(resource__site=site, ready_at__lt=end).exclude(state__in=OVER).count()
    return Preview(sorted(refunds, key=lambda one: -one.amount), running)


@transaction.atomic
def outage_tell(*, site: Site, begin: datetime, end: datetime, reason: str, by: User, at: datetime) -> Outage:
    """
    An operator tells of an outage; an officer is shown it, and declares it. No charge changes yet.

    :raises NotAllowed: unless the person is an operator
    :raises Malformed: as `outage_declare`
    :raises Refusal: `outage_overlaps` when part of it was told or declared before
    """
    check_role(by, Role.OPERATOR)
    _check_said(reason)
    _check_times(begin, end, at)
    _check_alone(site, begin, end, told=True)
    outage = Outage.objects.create(site=site, begin=begin, end=end, reason=reason.strip(), told_by=by, told_at=at)
    _event("site.outage_told", outage, by=by, at=at)
    return outage


def outage_declare(*, site: Site, begin: datetime, end: datetime, reason: str, by: User, at: datetime) -> list[Refund]:
    """
    Declare that a site was not of use: nothing of that time is charged, and what was charged is refunded.

    :return: what was refunded
    :raises NotAllowed: unless the person is an officer, and of no enterprise that would get credits back
    :raises Malformed: an outage that ends before it begins, lies in the future, is longer than a month, or lacks a reason
    :raises Refusal: `outage_overlaps` when part of it was declared before
    """
    _check_declares(by, site, begin, end)
    _check_said(reason)
    _check_times(begin, end, at)
    with transaction.atomic():
        _check_alone(site, begin, end)
        outage = Outage.objects.create(site=site, begin=begin, end=end, reason=reason.strip(), declared_by=by, declared_at=at)
        _event("site.outage_declared", outage, by=by, at=at)
    return outage_refund(outage, at=at)


def outage_confirm(*, outage: Outage, by: User, at: datetime) -> list[Refund]:
    """
    Declare an outage that an operator told of. A second press changes nothing more.

    :return: what was refunded
    :raises NotAllowed: unless the person is an officer, and of no enterprise that would get credits back
    :raises Refusal: `outage_overlaps` when part of it was declared meanwhile
    """
    _check_declares(by, outage.site, outage.begin, outage.end)
    with transaction.atomic():
        _check_alone(outage.site, outage.begin, outage.end, without=outage.pk)
        told = Outage.objects.filter(pk=outage.pk, declared_at__isnull=True)
        if not told.update(declared_by=by, declared_at=at):
            return []
        _event("site.outage_declared", outage, by=by, at=at)
    outage.refresh_from_db()
    return outage_refund(outage, at=at)


@transaction.atomic
def outage_drop(*, outage: Outage, reason: str, by: User, at: datetime) -> None:
    """
    Drop what was told: it was none, or its times were wrong. That it was told stays in the record of the site.

    :raises NotAllowed: unless operator or officer
    :raises Malformed: without a reason
    :raises Refusal: `outage_declared`: what was declared stands
    """
    check_role(by, Role.OPERATOR, Role.OFFICER)
    if not reason.strip():
        raise Malformed("Say why it is dropped; it is kept.", field="reason")
    if not Outage.objects.filter(pk=outage.pk, declared_at__isnull=True).delete()[0]:
        raise Refusal("outage_declared", "This outage was declared and its credits were given back. It stands.")
    _event("site.outage_dropped", outage, by=by, at=at, why=reason.strip())


def outages_refund_due(*, at: datetime) -> None:
    """
    Go on with refunds that were interrupted, and count once more what was being settled while the outage was declared: that
    settlement could not see it, nor it that settlement. Counting is repeatable: nothing is refunded twice.
    """
    early = Q(refunded_at=None) | Q(refunded_at__lt=F("declared_at") + AGAIN_AFTER)
    for outage in Outage.objects.filter(early, declared_at__lt=at - AGAIN_AFTER):
        outage_refund(outage, at=at)


def outage_refund(outage: Outage, *, at: datetime) -> list[Refund]:
    """Count anew everything that touched the outage, each thing in a transaction of its own. Returns what was refunded."""
    refunds = []
    for thing in _touched(outage.site, outage.begin, outage.end):
        with transaction.atomic():
            amount = -thing.recount(outage, at)
            if amount:
                counts = {"refunded": F("refunded") + amount, "refunds": F("refunds") + 1}
                Outage.objects.filter(pk=outage.pk).update(**counts)
                refunds.append(Refund(thing, amount))
    Outage.objects.filter(pk=outage.pk).update(refunded_at=at)
    return refunds


def _touched(site: Site, begin: datetime, end: datetime) -> Iterator[Charged]:
    sessions = Session.objects.filter(resource__site=site, state__in=OVER, ready_at__lt=end, ended_at__gt=begin)
    for session in sessions.select_related("user", "allocation").iterator(chunk_size=500):
        yield _charged(session, "notebook", session, partial(_session_recount, session))
    # By the clock of its processes, the site's: that of its grant is the portal's.
    ran = ClusterProcess.objects.filter(cluster=OuterRef("pk"), ready_at__lt=end.timestamp(), ended__gt=begin.timestamp())
    clusters = Cluster.objects.filter(Exists(ran), session__resource__site=site, state=ClusterState.ENDED)
    for cluster in clusters.select_related("session__user", "session__allocation").iterator(chunk_size=500):
        yield _charged(cluster, "cluster", cluster.session, partial(_cluster_recount, cluster))
    for path in _upstairs:
        yield from import_string(path)(site, begin, end)


def _charged(thing: Session | Cluster, kind: str, session: Session, recount: Callable[[Outage, datetime], int]) -> Charged:
    allocation = session.allocation
    return Charged(thing.pk, kind, session.pk, str(session.user), allocation.code, allocation.organisation_id, recount)


def _session_recount(session: Session, outage: Outage, at: datetime) -> int:
    from .settling import session_recount  # it asks this room for outages

    return session_recount(session=session, reason=outage_words(outage), by=f"person:{outage.declared_by_id}", at=at)


def _cluster_recount(cluster: Cluster, outage: Outage, at: datetime) -> int:
    from .cluster_books import cluster_recount  # it asks this room for outages

    return cluster_recount(cluster=cluster, reason=outage_words(outage), by=f"person:{outage.declared_by_id}", at=at)


def outage_words(outage: Outage) -> str:
    """What a statement says of it."""
    return f"declared outage, {outage.reason}"


def _check_declares(by: User, site: Site, begin: datetime, end: datetime) -> None:
    if Role.OFFICER not in by.role_set:
        raise NotAllowed("Only an officer may declare an outage: it moves credits. An operator tells of it.")
    own = by.memberships.filter(left_at__isnull=True).values("organisation_id")  # type: ignore[attr-defined]
    rows = Session.objects.filter(resource__site=site, ready_at__lt=end, allocation__organisation__in=own)
    theirs = set(own.values_list("organisation_id", flat=True))
    upstairs = (one for path in _upstairs for one in import_string(path)(site, begin, end))
    if (
        rows.filter(Q(ended_at__gt=begin) | Q(ended_at__isnull=True)).exists()
        or any(one.organisation_id in theirs for one in upstairs)
    ):  # fmt: skip
        raise NotAllowed("Your own enterprise would get credits back, so another officer must declare this outage.")


def _check_said(reason: str) -> None:
    if not reason.strip():
        raise Malformed("Say what happened; it will stand on every statement.", field="reason")


def _check_times(begin: datetime, end: datetime, at: datetime) -> None:
    if end <= begin or end > at:
        raise Malformed("An outage begins before it ends, and is declared once it is over.", field="end")
    if end - begin > LENGTH_MAX:
        raise Malformed(f"An outage lasts at most {LENGTH_MAX.days} days here; tell of it in parts.", field="end")


def _check_alone(site: Site, begin: datetime, end: datetime, *, told: bool = False, without: int = 0) -> None:
    Site.objects.select_for_update().get(pk=site.pk)
    rows = Outage.objects.filter(Q(begin__lt=end) & Q(end__gt=begin), site=site).exclude(pk=without)
    other = (rows if told else rows.filter(declared_at__isnull=False)).first()
    if other is not None:
        done = "declared" if other.declared_at else "told of"
        raise Refusal(
            "outage_overlaps",
            f"An outage from {other.begin:%Y-%m-%d %H:%M} to {other.end:%Y-%m-%d %H:%M} UTC was {done} already.",
        )


def _event(kind: str, outage: Outage, *, by: User, at: datetime, **more: Any) -> None:
    audit.event_record(
        kind=kind,
        actor=by,
        about=f"site:{outage.site.slug}",
        at=at,
        begin=outage.begin.isoformat(),
        end=outage.end.isoformat(),
        reason=outage.reason,
        **more,
    )
