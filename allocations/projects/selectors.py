"""Reads of allocations for a person."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from allocations.ledger.selectors import Balance, balance_map
from portal.accounts.models import Role, User
from portal.core.errors import NotAllowed, NotYours, Refusal
from portal.core.remembering import remembered
from portal.organisations.models import OrgRole

from .models import Allocation, AllocationResource, MoreAsked, ReclaimNotice
from .states import S

CODE_MAX = 20  # longer ones are no codes, and no pattern a database would look for


# Whether an allocation has a notice that idle credits return, and a wish that no officer answered.
WAITING = {
    "noticed": Exists(ReclaimNotice.objects.filter(allocation=OuterRef("pk"), state=ReclaimNotice.State.GIVEN)),
    "asking": Exists(MoreAsked.objects.filter(allocation=OuterRef("pk"), answered_at=None)),
}


def _people_of(user: User) -> Q:
    inside = Q(organisation__memberships__user=user, organisation__memberships__left_at__isnull=True)
    leads = inside & Q(organisation__memberships__role__in=[OrgRole.OWNER, OrgRole.MANAGER])
    return leads | (inside & Q(named_people_only=False)) | (inside & Q(members__user=user))


def allocation_list_for_user(*, user: User) -> QuerySet[Allocation]:
    """The allocations a person may use, newest first."""
    return Allocation.objects.filter(_people_of(user)).select_related("organisation").distinct().order_by("-pk")


def allocation_get_for_user(*, user: User, code: str, also: dict[str, Any] | None = None) -> Allocation:
    """
    One allocation: for its people; officers and operators see all.

    :param also: annotations to read with it, such as `WAITING`
    :raises NotYours: otherwise
    """
    rows = Allocation.objects.select_related("organisation").annotate(**(also or {}))
    if not user.role_set & {Role.OFFICER, Role.OPERATOR}:
        rows = rows.filter(_people_of(user)).distinct()
    allocation = rows.filter(code__iexact=code).first() if len(code) <= CODE_MAX else None
    if allocation is None:
        raise NotYours("allocation")
    return allocation


def balances(allocations: list[Allocation]) -> dict[str, Balance]:
    """Balances by allocation code, in one query."""
    found = balance_map(codes=[allocation.account for allocation in allocations])
    return {allocation.code: found[allocation.account] for allocation in allocations}


def covered_resources(*, allocation: Allocation) -> QuerySet[AllocationResource]:
    """The resources an allocation covers, with their frozen rates."""
    return allocation.resources.select_related("resource__site__provider").order_by("resource__slug")


@remembered
def covered_list(*, allocation: Allocation) -> list[AllocationResource]:
    """The same, read once for a page."""
    return list(covered_resources(allocation=allocation))


def covered_get(*, allocation: Allocation, resource: str) -> AllocationResource:
    """
    One covered resource.

    :raises Refusal: `resource_not_covered`, naming those that are
    """
    rows = list(covered_resources(allocation=allocation))
    for row in rows:
        if row.resource.slug == resource:
            return row
    names = ", ".join(row.resource.slug for row in rows) or "none"
    raise Refusal("resource_not_covered", f"{allocation.code} does not cover {resource}. It covers: {names}.")


def not_usable_any_more(codes: list[str]) -> set[str]:
    """Of these allocations, those on which nothing may run any more."""
    usable = Allocation.objects.filter(code__in=codes, state=S.ACTIVE).values_list("code", flat=True)
    return set(codes) - set(usable)


def transfer_targets(*, user: User, source: Allocation) -> QuerySet[Allocation]:
    """Where credits of an allocation may move: the enterprise's others of the same programme whose call allows it."""
    rows = allocation_list_for_user(user=user).filter(
        organisation=source.organisation_id,
        programme=source.programme,
        transfers_allowed=True,
        state__in=[S.ACTIVE, S.SCHEDULED],
    )
    return rows.exclude(pk=source.pk)


def allocation_list_for_officer(*, user: User, words: str = "", state: str = "", asked: bool = False) -> QuerySet[Allocation]:
    """
    All allocations, newest first, for officers and operators.

    :raises NotAllowed: for everybody else
    """
    if not user.role_set & {Role.OFFICER, Role.OPERATOR}:
        raise NotAllowed("Only officers and operators see all allocations.")
    rows = Allocation.objects.select_related("organisation").order_by("-pk")
    if words:
        rows = rows.filter(Q(code__iexact=words) | Q(title__icontains=words) | Q(organisation__name__icontains=words))
    if state:
        rows = rows.filter(state=state)
    if asked:
        rows = rows.filter(pk__in=MoreAsked.objects.filter(answered_at=None).values("allocation_id"))
    return rows
