"""Batch holds as their site is to have them, and what the site answered. Called by the mirror of allocations."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, QuerySet, Sum

from allocations.catalogue.models import Site
from allocations.projects.policies import may_use_among
from notebooks_svc.wire import MirrorAccount, MirrorAnswer

from .models import BatchHold, BatchJob, BatchPerson
from .pricing import billing_minutes
from .selectors import unsettled
from .states import LIVE, S


def _live(site: Site) -> QuerySet[BatchHold]:
    rows = BatchHold.objects.filter(resource__site=site, state__in=LIVE)
    return rows.select_related("allocation", "resource").prefetch_related("people__user").order_by("pk")


def mirror_wanted(*, site: Site) -> list[MirrorAccount]:
    """Every batch hold of the site that is not closed, with the people who may use it today."""
    holds = list(_live(site))
    pairs = {(person.user_id, hold.allocation_id) for hold in holds for person in hold.people.all() if person.left_at is None}
    allowed = may_use_among(pairs) if pairs else set()
    counted = _counted(holds)
    return [
        MirrorAccount(
            account=hold.pk,
            people=_people(hold, allowed),
            budget_minutes=counted.get(hold.pk, 0) + budget_left(hold),
            batch=True,
            team=hold.allocation.code,
            partition=hold.resource.partition,
            accepts=hold.state == S.OPEN,
        )
        for hold in holds
    ]


def _people(hold: BatchHold, allowed: set[tuple[int, int]]) -> list[str]:
    """Site names of those who may have jobs there; nobody once what runs is to be cancelled."""
    if hold.state == S.CLOSING and not hold.let_finish:
        return []
    return sorted(
        person.user.hub_username
        for person in hold.people.all()
        if person.left_at is None and (person.user_id, hold.allocation_id) in allowed
    )


def _counted(holds: list[BatchHold]) -> dict[str, int]:
    """Billing minutes that the scheduler has counted for jobs whose end is known here, free ones too."""
    rows = BatchJob.objects.filter(hold__in=holds, ended__isnull=False).values_list("hold_id")
    sums = rows.annotate(total=Sum(F("billing") * F("elapsed"))).values_list("hold_id", "total")
    return {hold: int(total or 0) // 60 for hold, total in sums}


def budget_left(hold: BatchHold) -> int:
    """Billing minutes that jobs may still use beside those whose end is known here."""
    left = max(0, hold.hold_amount - unsettled(hold=hold))
    return billing_minutes(left, resource=hold.resource, frozen=hold.rate)


def mirror_heard(*, site: Site, wanted: list[MirrorAccount], answer: MirrorAnswer, at: datetime) -> None:
    """The site did as it was asked: people are in, or nothing new is taken any more; and what people are called there."""
    asked = {account.account: account for account in wanted if account.batch and account.account not in answer.failed}
    for hold in _live(site).filter(pk__in=list(asked)):
        changes: dict[str, object] = {}
        if asked[hold.pk].accepts:
            if hold.admitted_at is None and set(asked[hold.pk].people) & set(answer.people):
                changes["admitted_at"] = at
        elif hold.shut_at is None:
            changes["shut_at"] = at
        refused = answer.refused.get(hold.pk, "")[:300]
        if refused != hold.refused:
            changes["refused"] = refused
        if changes:
            BatchHold.objects.filter(pk=hold.pk).update(**changes)
        for person in hold.people.all():
            account = answer.people.get(person.user.hub_username, "")
            if account and account != person.account:
                BatchPerson.objects.filter(pk=person.pk).update(account=account[:40])
