"""Reads of allocations for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, QuerySet, Subquery

from allocations.ledger.selectors import Balance, balance_map
from portal.accounts.models import Role, User
from portal.core.errors import NotAllowed, NotYours, Refusal
from portal.core.remembering import remembered
from portal.organisations.models import OrgRole

from . import budget
from .models import Allocation, AllocationResource, MoreAsked, ReclaimNotice
from .states import S

CODE_MAX = 20  # longer ones are no codes, and no pattern a database would look for


def page_facts(*, today: date) -> dict[str, Any]:
    """
    What an allocation's page says of the allocation, read along with it: the notice that idle credits return, whether a wish
    waits for an officer, and where its use is looked back to.
    """
    noticed = FilteredRelation("reclaim_notices", condition=Q(reclaim_notices__state=ReclaimNotice.State.GIVEN))
    used = budget.use_looked_back(today=today).filter(allocation=OuterRef("pk"))
    return {
        "notice": noticed,
        "reclaim_amount": F("notice__amount"),
        "reclaim_due_on": F("notice__due_on"),
        "asking": Exists(MoreAsked.objects.filter(allocation=OuterRef("pk"), answered_at=None)),
        "use_day": Subquery(used.values("day")[:1]),
        "use_then": Subquery(used.values("used")[:1]),
    }


def _people_of(user: User) -> Q:
    inside = Q(organisation__memberships__user=user, organisation__memberships__left_at__isnull=True)
    leads = inside & Q(organisation__memberships__role__in=[OrgRole.OWNER, OrgRole.MANAGER])
    return leads | (inside & Q(named_people_only=False)) | (inside & Q(members__user=user))


def allocation_list_for_user(*, user: User) -> QuerySet[Allocation]:
    """The allocations a person may use, newest first."""
    return Allocation.objects.filter(_people_of(user)).select_related("organisation").distinct().order_by("-pk")


def allocation_get_for_user(
    *, user: User, code: str, also: dict[str, Any] | None = None, along: Sequence[str] = ()
) -> Allocation:
    """
    One allocation: for its people; officers and operators see all.

    :param also: annotations to read with it, such as `page_facts`
    :param along: rows that belong to it one to one, to be read with it
    :raises NotYours: otherwise
    """
    rows = Allocation.objects.select_related("organisation", *along).annotate(**(also or {}))
    if not user.role_set & {Role.OFFICER, Role.OPERATOR}:
        rows = rows.filter(_people_of(user)).distinct()
    allocation = rows.filter(code__iexact=code).first() if len(code) <= CODE_MAX else None
    if allocation is None:
        raise NotYours("allocation")
    return allocation


def balances(allocations: Sequence[Allocation]) -> dict[str, Balance]:
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
