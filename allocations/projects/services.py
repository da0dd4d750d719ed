"""Writes about allocations. Credits move in the ledger, in the same transaction."""

from __future__ import annotations

import secrets
from datetime import date, datetime

from django.db import transaction

from allocations.catalogue.models import Resource
from allocations.ledger import selectors as ledger_read
from allocations.ledger import services as ledger
from allocations.ledger.states import AccountKind, AccountState
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed
from portal.organisations.models import Organisation

from .models import Allocation, AllocationMember, AllocationResource
from .states import Actor, S, check_transition

FIRST_NUMBER = 2000


@transaction.atomic
def allocation_create(
    *,
    title: str,
    organisation: Organisation,
    pool: str,
    amount: int,
    caps: dict[str, int | None],
    starts_on: date,
    ends_on: date,
    reason: str,
    by: User | None,
    at: datetime,
    subject: str = "",
) -> Allocation:
    """
    Grant credits from a pool to an enterprise: the allocation, its account, its resources at today's rates, and the grant.

    :param amount: micro-credits
    :param caps: resource slug → most micro-credits that may be spent there, or None
    :raises LedgerRefusal: `exceeds_pool`; then nothing was made
    :raises Malformed: no resource, or dates that end before they start
    """
    if not caps:
        raise Malformed("An allocation covers at least one resource.", field="resources")
    if ends_on < starts_on:
        raise Malformed("The last day is before the first.", field="ends_on")
    resources = {r.slug: r for r in Resource.objects.filter(slug__in=caps)}
    if missing := sorted(set(caps) - set(resources)):
        raise Malformed(f"There is no resource {missing[0]}.", field="resources")

    starts_later = starts_on > at.date()
    allocation = Allocation.objects.create(
        code=secrets.token_hex(8),
        title=title,
        organisation=organisation,
        programme=pool,
        starts_on=starts_on,
        ends_on=ends_on,
        state=S.SCHEDULED if starts_later else S.ACTIVE,
        created_at=at,
    )
    allocation.code = f"A-{FIRST_NUMBER + allocation.pk}"
    allocation.save(update_fields=["code"])
    AllocationResource.objects.bulk_create(
        AllocationResource(allocation=allocation, resource=resources[slug], rate_frozen=resources[slug].rate.as_dict(), cap=cap)
        for slug, cap in caps.items()
    )
    ledger.account_open(code=allocation.account, kind=AccountKind.ALLOCATION, pool=pool)
    ledger.lines_cover(allocation=allocation.account, caps=caps)
    ledger.grant(
        id=f"{allocation.code.lower()}-grant",
        allocation=allocation.account,
        amount=amount,
        reason=reason,
        by=_ref(by),
        at=at,
        subject=subject or f"allocation:{allocation.code}",
    )
    if starts_later:
        ledger.account_suspend(allocation=allocation.account)
    audit.event_record(kind="allocation.created", actor=by, about=f"allocation:{allocation.code}", at=at, amount=amount)
    return allocation


@transaction.atomic
def allocation_supplement(*, allocation: Allocation, id: str, amount: int, reason: str, by: User, at: datetime) -> None:
    """Grant more credits to an allocation that has not ended."""
    ledger.grant(
        id=id,
        allocation=allocation.account,
        amount=amount,
        reason=reason,
        by=_ref(by),
        at=at,
        subject=f"allocation:{allocation.code}",
    )
    audit.event_record(kind="allocation.supplemented", actor=by, about=f"allocation:{allocation.code}", at=at, amount=amount)


@transaction.atomic
def allocation_extend(*, allocation: Allocation, ends_on: date, reason: str, by: User, at: datetime) -> None:
    """Move the last day later."""
    if ends_on <= allocation.ends_on:
        raise Malformed(f"The new last day must be after {allocation.ends_on}.", field="ends_on")
    if allocation.state in (S.CLOSING, S.CLOSED):
        raise Malformed("An allocation that has ended is not extended; award a new one.", field="ends_on")
    before, allocation.ends_on = allocation.ends_on, ends_on
    allocation.save(update_fields=["ends_on"])
    about = f"allocation:{allocation.code}"
    audit.event_record(
        kind="allocation.extended", actor=by, about=about, at=at, before=str(before), after=str(ends_on), reason=reason
    )


@transaction.atomic
def allocation_suspend(*, allocation: Allocation, reason: str, by: User, at: datetime) -> None:
    """Stop spending for a while; what runs is stopped by the reconciler and charged."""
    _move(allocation, S.SUSPENDED, Actor.OFFICER)
    ledger.account_suspend(allocation=allocation.account)
    audit.event_record(kind="allocation.suspended", actor=by, about=f"allocation:{allocation.code}", at=at, reason=reason)


@transaction.atomic
def allocation_resume(*, allocation: Allocation, by: User, at: datetime) -> None:
    """Allow spending again."""
    _move(allocation, S.ACTIVE, Actor.OFFICER)
    ledger.account_resume(allocation=allocation.account)
    audit.event_record(kind="allocation.resumed", actor=by, about=f"allocation:{allocation.code}", at=at)


@transaction.atomic
def allocation_end(*, allocation: Allocation, reason: str, by: User | None, at: datetime) -> None:
    """End an allocation: no new holds, what is left returns to the pool, what runs is stopped and charged."""
    _move(allocation, S.CLOSING, Actor.OFFICER if by else Actor.CLOCK)
    allocation.ended_at = at
    allocation.save(update_fields=["ended_at"])
    ledger.account_close(allocation=allocation.account, at=at, reason=reason, by=_ref(by))
    audit.event_record(kind="allocation.ended", actor=by, about=f"allocation:{allocation.code}", at=at, reason=reason)


@transaction.atomic
def member_add(*, allocation: Allocation, user: User, by: User, at: datetime) -> None:
    """Name a person on the allocation."""
    AllocationMember.objects.get_or_create(allocation=allocation, user=user, defaults={"added_at": at, "added_by": by})


def allocations_by_date(*, at: datetime) -> None:
    """Start what is due to start, end what is over, close what the ledger has emptied."""
    for allocation in Allocation.objects.filter(state=S.SCHEDULED, starts_on__lte=at.date()):
        with transaction.atomic():
            _move(allocation, S.ACTIVE, Actor.CLOCK)
            ledger.account_resume(allocation=allocation.account)
    for allocation in Allocation.objects.filter(state__in=[S.ACTIVE, S.SUSPENDED], ends_on__lt=at.date()):
        allocation_end(allocation=allocation, reason="its last day has passed", by=None, at=at)
    for allocation in Allocation.objects.filter(state=S.CLOSING):
        if ledger_read.balance(code=allocation.account).state == AccountState.CLOSED:
            _move(allocation, S.CLOSED, Actor.LEDGER)


def _move(allocation: Allocation, new: S, actor: Actor) -> None:
    """Compare-and-set, so that two who move at once cannot both succeed."""
    old = S(allocation.state)
    check_transition(old=old, new=new, actor=actor)
    if not Allocation.objects.filter(pk=allocation.pk, state=old).update(state=new):
        raise Malformed("Somebody else changed this allocation just now. Look at it again.", code="changed_meanwhile")
    allocation.state = new


def _ref(person: User | None) -> str:
    return f"person:{person.pk}" if person else "rule"
