"""Reads of batch holds for a person."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from django.db.models import Prefetch, Q, QuerySet

from allocations.projects.models import Allocation, AllocationResource
from allocations.projects.policies import may_manage, may_use_among
from allocations.projects.selectors import covered_list
from portal.accounts.models import Role, User
from portal.core.errors import NotYours
from portal.core.quantities import charge
from portal.organisations.models import OrgRole

from .models import BatchHold, BatchJob, BatchPerson
from .states import LIVE

PEOPLE_SHOWN = 100


def _visible(user: User) -> Q:
    if user.role_set & {Role.OFFICER, Role.OPERATOR}:
        return Q()
    managed = Q(
        allocation__organisation__memberships__user=user,
        allocation__organisation__memberships__left_at__isnull=True,
        allocation__organisation__memberships__role__in=[OrgRole.OWNER, OrgRole.MANAGER],
    )
    return Q(opened_by=user) | Q(people__user=user) | managed


def batch_list_for_user(*, user: User) -> QuerySet[BatchHold]:
    """Batch holds a person may see: those they opened or belong to, those of allocations they manage; all for staff."""
    rows = BatchHold.objects.filter(_visible(user)).select_related("allocation__organisation", "resource__site", "opened_by")
    return rows.prefetch_related(Prefetch("people", BatchPerson.objects.select_related("user"))).distinct().order_by("-pk")


def live_with_people(*, user: User, allocation: Allocation) -> list[tuple[BatchHold, list[User]]]:
    """An allocation's batch holds that are not closed, as far as a person may see them, with their people; one query."""
    visible = BatchHold.objects.filter(_visible(user), allocation=allocation, state__in=LIVE).values("pk")
    rows = BatchPerson.objects.filter(hold__in=visible).select_related("hold__resource", "user").order_by("-hold", "pk")
    return [(hold, [row.user for row in of]) for hold, of in groupby(rows, key=attrgetter("hold"))]


def batch_get_for_user(*, user: User, id: str) -> BatchHold:
    """
    One batch hold.

    :raises NotYours: for one that is not there or not theirs to see
    """
    hold = batch_list_for_user(user=user).filter(pk=id).first()
    if hold is None:
        raise NotYours("batch hold")
    return hold


def live_on(*, allocation: Allocation) -> int:
    """How many batch holds of an allocation are not closed."""
    return BatchHold.objects.filter(allocation=allocation, state__in=LIVE).count()


def batch_resources(*, allocation: Allocation) -> list[AllocationResource]:
    """What an allocation covers at sites with a batch scheduler."""
    return [row for row in covered_list(allocation=allocation) if row.resource.site.engine != "local"]


def behind(*, hold: BatchHold) -> QuerySet[BatchJob]:
    """Jobs whose seconds are not in the books yet, in the order they ended."""
    return hold.jobs.filter(is_behind=True, ended__isnull=False).order_by("ended", "pk")


def unsettled(*, hold: BatchHold) -> int:
    """What jobs that have ended cost and is not charged yet, in micro-credits; more than is left when it ran beyond."""
    total = 0
    for seconds, overrun, rate, charged in behind(hold=hold).values_list(
        "seconds", "overrun_seconds", "rate_per_hour", "charge"
    ):
        due = charge(rate_per_hour=rate, unit_seconds=max(0, seconds - overrun))
        total += max(0, due - charged)
    return total


def people_to_choose(*, user: User, allocation: Allocation) -> list[User]:
    """Whom the person may set credits aside for: themselves; owners and managers also for everybody who may use it."""
    if not may_manage(user=user, allocation=allocation):
        return [user]
    inside = User.objects.filter(
        memberships__organisation=allocation.organisation_id, memberships__left_at__isnull=True, is_active=True
    )
    people = list(inside.distinct().order_by("full_name", "pk")[:PEOPLE_SHOWN])
    allowed = may_use_among({(person.pk, allocation.pk) for person in people})
    return [person for person in people if (person.pk, allocation.pk) in allowed]
