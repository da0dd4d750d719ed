"""
What the store must refuse by now, worked out from the rows.

A credential lives for an hour whatever happens; what ended within the last hour is therefore denied by name until the last
credential that could still reach it has run out. Asking again changes nothing, so it runs at every change and every few
seconds.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from allocations.datasets import prefixes
from allocations.projects.models import Allocation
from notebooks_svc.sessions.models import Cluster, Session
from notebooks_svc.sessions.states import OVER, S
from portal.objects.credentials import Denial
from portal.objects.door import vendor
from portal.objects.s3_connection import DATASETS, SCRATCH
from portal.organisations.models import Membership

from .models import Keeping

log = logging.getLogger(__name__)
ROUNDS = 5
MAKING = timedelta(minutes=5)  # longest between reading the rows and the store's answer: a credential that was under way


def denials_now() -> None:
    """Tell the store at once; when it does not answer, the sweep tells it within seconds."""
    try:
        denials_sync(at=timezone.now())
    except (ClientError, BotoCoreError):
        log.exception("the store could not be told what to refuse; the next sweep tells it")


def denials_sync(*, at: datetime) -> None:
    """
    Make the store refuse what the rows say. Two of these may run at once: whoever wrote last has read the rows afterwards.

    :raises ClientError, BotoCoreError: when the store does not answer
    """
    hands_out = vendor()
    if hands_out is None:
        return
    for _ in range(ROUNDS):
        wanted = denials(at=at)
        teams = {denial.prefix.split("/")[1] for denial in wanted if denial.prefix.startswith(f"{SCRATCH}/")}
        Keeping.objects.filter(allocation__code__in=teams, has_denials=False).update(has_denials=True)
        looked = Keeping.objects.filter(has_denials=True, has_bucket=True, deleted_at=None).values_list(
            "allocation__code", flat=True
        )
        if not hands_out.deny(wanted, teams=list(looked)):
            Keeping.objects.filter(has_denials=True, allocation__code__in=looked).exclude(allocation__code__in=teams).update(
                has_denials=False
            )
            return


def denials(*, at: datetime) -> list[Denial]:
    """Ended access first: what was revoked matters most should there be no room for all."""
    since = at - timedelta(seconds=settings.OBJECTS_CREDENTIAL_S) - MAKING
    return [*_ended_access(at=at, since=since), *_ended_sessions(since=since), *_ended_people(since=since)]


def _ended_access(*, at: datetime, since: datetime) -> list[Denial]:
    names: dict[str, set[str]] = defaultdict(set)
    for row in prefixes.ended_prefixes(since=since, at=at):
        if row.allocation is None and row.readers:  # closed: what runs for others, and every link of a person
            names[row.prefix].update(_names_beside(row.readers, since=since))
        elif row.allocation is None:  # withdrawn from everybody, or closed and nobody has asked yet
            names[row.prefix].add("*")
        else:
            names[row.prefix].update(_names_of(row.allocation, since=since))
    return [Denial(prefix, tuple(sorted(names[prefix]))) for prefix in sorted(names)]


def _ended_sessions(*, since: datetime) -> list[Denial]:
    """Whoever copied a credential out of a session loses it with the session: for every dataset, and for its team's bucket."""
    never_ran = Q(ended_at__isnull=True, requested_at__gte=since)
    over = Q(state=S.STOPPING) | Q(state__in=OVER) & (Q(ended_at__gte=since) | never_ran)
    sessions = Session.objects.filter(over).order_by("-ended_at").values_list("allocation", "pk")
    clusters = Cluster.objects.filter(ended_at__gte=since).order_by("-ended_at").values_list("session__allocation", "pk")
    by_team: dict[int, list[str]] = defaultdict(list)
    for allocation, pk in [*sessions, *clusters]:
        by_team[allocation].extend(_names(pk))
    if not by_team:
        return []
    buckets = Keeping.objects.filter(allocation__in=by_team, has_bucket=True, deleted_at__isnull=True).order_by("pk")
    teams = [
        Denial(f"{SCRATCH}/{code}/", tuple(by_team[pk])) for pk, code in buckets.values_list("allocation", "allocation__code")
    ]
    return [Denial(f"{DATASETS}/", tuple(name for names in by_team.values() for name in names)), *teams]


def _ended_people(*, since: datetime) -> list[Denial]:
    """Links of who has left an enterprise, or was shut out, die with that: those of datasets, and of the team's bucket."""
    names: list[str] = []
    teams: list[Denial] = []
    here = Membership.objects.filter(user=OuterRef("user"), organisation=OuterRef("organisation"), left_at__isnull=True)
    rows = Membership.objects.filter(Q(left_at__gte=since) | Q(user__is_active=False, user__deactivated_at__gte=since))
    rows = rows.exclude(Exists(here.filter(user__is_active=True)))
    left: dict[int, list[int]] = defaultdict(list)
    for user, organisation in rows.order_by("pk").values_list("user", "organisation"):
        left[organisation].append(user)
    allocations = Allocation.objects.filter(organisation__in=left).select_related("keeping").order_by("pk")
    for allocation in allocations:
        theirs = [f"p.{user}-{allocation.pk}" for user in left[allocation.organisation_id]]
        names += theirs
        kept = getattr(allocation, "keeping", None)
        if kept is not None and kept.has_bucket and kept.deleted_at is None:
            teams.append(Denial(f"{SCRATCH}/{allocation.code}/", tuple(theirs)))
    return [Denial(f"{DATASETS}/", tuple(names)), *teams] if names else []


def _names_of(allocation_pk: int, *, since: datetime) -> list[str]:
    """
    Names at the store of everything that ran on an allocation lately: sessions, clusters, and links made for them (whose
    tickets hold the id) or for the allocation's people.
    """
    ran = _ran(Q(allocation_id=allocation_pk), Q(session__allocation_id=allocation_pk), since=since)
    return [*ran, f"p.*-{allocation_pk}"]


def _names_beside(readers: frozenset[int], *, since: datetime) -> list[str]:
    """Names of everything that ran lately on other allocations, and of all links made for people: they ask for a new one."""
    return [*_ran(~Q(allocation__in=readers), ~Q(session__allocation__in=readers), since=since), "p.*"]


def _ran(session: Q, cluster: Q, *, since: datetime) -> list[str]:
    lately = Q(ended_at__isnull=True) | Q(ended_at__gte=since)
    sessions = Session.objects.filter(lately, session).values_list("pk", flat=True)
    clusters = Cluster.objects.filter(lately, cluster).values_list("pk", flat=True)
    return [name for pk in [*sessions, *clusters] for name in _names(pk)]


def _names(pk: str) -> tuple[str, str]:
    """A credential's name, and those of its links. Ceph's `*` does not look back: what follows it must not occur before."""
    return pk, f"s.{pk}-*"
