"""Writes about allocations. Credits move in the ledger, in the same transaction."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from django.db import transaction

from allocations.catalogue.models import Resource
from allocations.catalogue.rates import Rate
from allocations.ledger import selectors as ledger_read
from allocations.ledger import services as ledger
from allocations.ledger.states import AccountKind, AccountState, RefusalCode
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.core.quantities import credits_text
from portal.organisations.models import Organisation

from . import giving, letters, policies
from .giving import Gift, Kind
from .models import Allocation, AllocationMember, AllocationResource, MoreAsked
from .policies import address_fits
from .states import Actor, S, check_transition

log = logging.getLogger(__name__)
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
    transfers_allowed: bool = False,
    charged: Callable[[Rate], Rate] | None = None,
    named_people_only: bool = False,
    mail_domains: Sequence[str] = (),
) -> Allocation:
    """
    Grant credits from a pool to an enterprise: the allocation, its account, its resources at today's rates, and the grant.

    :param amount: micro-credits
    :param charged: how the call charges what a machine costs; none: by the machine's own formula
    :param mail_domains: only people with an address there may be named; none: anybody
    :param caps: resource slug → most micro-credits that may be spent there, or None
    :param transfers_allowed: whether the call lets credits move to the enterprise's other allocations
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
        transfers_allowed=transfers_allowed,
        created_at=at,
        named_people_only=named_people_only,
        mail_domains=list(mail_domains),
    )
    allocation.code = f"A-{FIRST_NUMBER + allocation.pk}"
    allocation.save(update_fields=["code"])
    rates = {slug: charged(row.rate) if charged else row.rate for slug, row in resources.items()}
    AllocationResource.objects.bulk_create(
        AllocationResource(allocation=allocation, resource=resources[slug], rate_frozen=rates[slug].as_dict(), cap=cap)
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
def allocation_supplement(
    *,
    allocation: Allocation,
    id: str,
    amount: int,
    reason: str,
    by: User | None,
    at: datetime,
    kind: Kind = Kind.SUPPLEMENT,
    rule_words: str = "",
) -> None:
    """
    Grant more credits to an allocation that has not ended.

    :param id: of the transfer, so that asking twice grants once
    :param by: an officer; None when a rule of the call decided it, whose words are `rule_words`
    :param kind: as what it is given; the rules of its call know limits for each kind
    :raises NotAllowed: unless an officer who does not belong to the enterprise
    :raises Refusal: whatever the rules of its call refuse
    :raises LedgerRefusal: `exceeds_pool`, `allocation_not_active`, `reason_missing`
    """
    if by is not None:
        policies.check_officiates(user=by, allocation=allocation, what="grant more")
    again = ledger_read.transfer_exists(id=id)
    gift = Gift(allocation, kind, reason, by, at, id=id, amount=amount, rule_words=rule_words)
    if not again:
        giving.check(gift)
    ledger.grant(
        id=id,
        allocation=allocation.account,
        amount=amount,
        reason=reason,
        by=_ref(by),
        at=at,
        subject=f"allocation:{allocation.code}",
    )
    if again:
        return
    giving.note(gift)
    asked = MoreAsked.objects.filter(allocation=allocation, answered_at=None)
    asked.exclude(wish=MoreAsked.Wish.EXTENSION).update(answered_at=at)
    facts = {"kind_given": kind, "rule": rule_words} if rule_words else {"kind_given": kind}
    _tell(allocation, "supplemented", by=by, at=at, reason=reason, amount=credits_text(amount), **facts)
    letters.supplemented(allocation, amount=amount, reason=reason, by_rule=bool(rule_words), at=at)


@transaction.atomic
def allocation_extend(
    *,
    allocation: Allocation,
    ends_on: date,
    reason: str,
    by: User | None,
    at: datetime,
    rule_words: str = "",
    kind: Kind = Kind.EXTENSION,
) -> None:
    """
    Move the last day later.

    :param by: an officer; None when a rule of the call decided it, whose words are `rule_words`
    :param kind: `APPEAL` where a second decision awards more months: its limits are those of an award
    :raises NotAllowed: unless an officer who does not belong to the enterprise
    :raises Malformed: a day that is not later, no reason, or an allocation that has ended
    :raises Refusal: whatever the rules of its call refuse
    """
    if by is not None:
        policies.check_officiates(user=by, allocation=allocation, what="extend it")
    _check_reason(reason)
    row = Allocation.objects.select_for_update().get(pk=allocation.pk)
    if ends_on <= row.ends_on:
        raise Malformed(f"The new last day must be after {row.ends_on}.", field="ends_on")
    if row.state in (S.CLOSING, S.CLOSED):
        raise Malformed("An allocation that has ended is not extended; award a new one.", field="ends_on")
    gift = Gift(row, kind, reason, by, at, rule_words=rule_words, ends_before=row.ends_on, ends_on=ends_on)
    giving.check(gift)
    # Compare-and-set: the clock may be ending it at this very moment.
    moved = Allocation.objects.filter(pk=row.pk, ends_on=row.ends_on).exclude(state__in=[S.CLOSING, S.CLOSED])
    if not moved.update(ends_on=ends_on):
        raise changed_meanwhile()
    giving.note(gift)
    allocation.ends_on = ends_on
    MoreAsked.objects.filter(allocation=allocation, wish=MoreAsked.Wish.EXTENSION, answered_at=None).update(answered_at=at)
    facts = {"rule": rule_words} if rule_words else {}
    _tell(allocation, "extended", by=by, at=at, reason=reason, before=str(row.ends_on), after=str(ends_on), **facts)
    letters.extended(allocation, reason=reason, by_rule=bool(rule_words), at=at)


@transaction.atomic
def allocation_transfer(
    *, source: Allocation, target: Allocation, id: str, amount: int, reason: str, by: User, at: datetime
) -> None:
    """
    Move credits between two allocations of one enterprise, where the calls of both allow it.

    :param id: stem of the two transfers' ids, so that asking twice moves once
    :raises NotAllowed: unless an owner or manager of the enterprise
    :raises Refusal: `transfers_not_allowed`, and whatever the ledger refuses
    """
    policies.check_manages(user=by, allocation=source, what="move credits")
    if source.organisation_id != target.organisation_id:
        raise NotYours("allocation")
    for allocation in (source, target):
        if not allocation.transfers_allowed:
            raise Refusal(
                "transfers_not_allowed",
                f"The call of {allocation.code} does not let credits move between allocations. Ask for more instead.",
            )
        if allocation.state not in (S.ACTIVE, S.SCHEDULED):
            raise Refusal(RefusalCode.ALLOCATION_NOT_ACTIVE, f"{allocation.code} is {allocation.badge.label.lower()}.")
    again = ledger_read.transfer_exists(id=f"{id}-out")
    ledger.move(
        id=id,
        source=source.account,
        target=target.account,
        amount=amount,
        reason=reason,
        by=_ref(by),
        at=at,
        subject=f"allocation:{source.code}",
    )
    if again:
        return
    _tell(source, "moved_to", by=by, at=at, reason=reason, amount=credits_text(amount), other=target.code)
    _tell(target, "moved_from", by=by, at=at, reason=reason, amount=credits_text(amount), other=source.code)
    letters.moved(source, target, amount=amount, reason=reason, by=by, at=at)


@transaction.atomic
def allocation_suspend(*, allocation: Allocation, reason: str, by: User, at: datetime) -> None:
    """
    Stop spending for a while; what runs is stopped by the reconciler and charged.

    :raises NotAllowed: unless an officer who does not belong to the enterprise
    """
    policies.check_officiates(user=by, allocation=allocation, what="suspend it")
    _check_reason(reason)
    allocation_move(allocation, S.SUSPENDED, Actor.OFFICER)
    ledger.account_suspend(allocation=allocation.account)
    _tell(allocation, "suspended", by=by, at=at, reason=reason)
    letters.suspended(allocation, reason=reason, at=at)


@transaction.atomic
def allocation_resume(*, allocation: Allocation, by: User, at: datetime) -> None:
    """
    Allow spending again.

    :raises NotAllowed: unless an officer who does not belong to the enterprise
    """
    policies.check_officiates(user=by, allocation=allocation, what="resume it")
    allocation_move(allocation, S.ACTIVE, Actor.OFFICER)
    ledger.account_resume(allocation=allocation.account)
    _tell(allocation, "resumed", by=by, at=at)
    letters.resumed(allocation, at=at)


@transaction.atomic
def allocation_end(*, allocation: Allocation, reason: str, by: User | None, at: datetime) -> None:
    """
    End an allocation: no new holds, what is left returns to the pool, what runs is stopped and charged.

    :param by: its officer or an owner of the enterprise; None for the clock
    :raises NotAllowed: for everybody else
    """
    actor = Actor.CLOCK
    if by is not None:
        if not policies.may_end(user=by, allocation=allocation):
            raise NotAllowed(f"Only an owner of {allocation.organisation} or an officer may end {allocation.code} early.")
        actor = Actor.OFFICER if policies.may_officiate(user=by, allocation=allocation) else Actor.APPLICANT
    _check_reason(reason)
    allocation_move(allocation, S.CLOSING, actor)
    allocation.ended_at = at
    allocation.save(update_fields=["ended_at"])
    ledger.account_close(allocation=allocation.account, at=at, reason=reason, by=_ref(by))
    _tell(allocation, "ended", by=by, at=at, reason=reason)
    letters.ended(allocation, reason=reason, at=at)


@transaction.atomic
def member_add(*, allocation: Allocation, user: User, by: User, at: datetime) -> None:
    """
    Name a person on the allocation.

    :raises NotAllowed: an address outside of the domains the award names
    """
    if not address_fits(user=user, allocation=allocation):
        allowed = " or ".join(allocation.mail_domains)
        raise NotAllowed(f"{allocation.code} is for people with an address at {allowed}; theirs is {user.email}.")
    AllocationMember.objects.get_or_create(allocation=allocation, user=user, defaults={"added_at": at, "added_by": by})


def allocations_by_date(*, at: datetime) -> None:
    """Start what is due to start, end what is over, close what the ledger has emptied."""
    for allocation in Allocation.objects.filter(state=S.SCHEDULED, starts_on__lte=at.date()):
        _by_clock(_start, allocation)
    for allocation in Allocation.objects.filter(state__in=[S.ACTIVE, S.SUSPENDED], ends_on__lt=at.date()):
        _by_clock(partial(allocation_end, reason="its last day has passed", by=None, at=at), allocation=allocation)
    closing = list(Allocation.objects.filter(state=S.CLOSING).select_related("organisation"))
    accounts = ledger_read.balance_map(codes=[allocation.account for allocation in closing])
    for allocation in closing:
        if accounts[allocation.account].state == AccountState.CLOSED:
            _by_clock(partial(_close, at=at), allocation)


@transaction.atomic
def _start(allocation: Allocation) -> None:
    allocation_move(allocation, S.ACTIVE, Actor.CLOCK)
    ledger.account_resume(allocation=allocation.account)


@transaction.atomic
def _close(allocation: Allocation, *, at: datetime) -> None:
    allocation_move(allocation, new=S.CLOSED, actor=Actor.LEDGER)
    giving.closed(allocation, at=at)


def _by_clock(step: Callable[..., None], *args: Allocation, **kwargs: Allocation) -> None:
    """One allocation's trouble is not the others'; what somebody changed meanwhile is looked at again at the next turn."""
    try:
        step(*args, **kwargs)
    except Refusal as refusal:
        log.info("an allocation was left as it is: %s", refusal)


def allocation_move(allocation: Allocation, new: S, actor: Actor) -> None:
    """Compare-and-set an allocation's state, so that two who move at once cannot both succeed."""
    old = S(allocation.state)
    check_transition(old=old, new=new, actor=actor)
    if not Allocation.objects.filter(pk=allocation.pk, state=old).update(state=new):
        raise changed_meanwhile()
    allocation.state = new


def changed_meanwhile() -> Malformed:
    """The refusal for a row that is no longer as it was seen."""
    return Malformed("Somebody else changed this allocation just now. Look at it again.", code="changed_meanwhile")


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Malformed("Give a reason: the enterprise reads it.", field="reason")


def _tell(allocation: Allocation, what: str, *, by: User | None, at: datetime, **facts: Any) -> None:
    audit.event_record(kind=f"allocation.{what}", actor=by, about=f"allocation:{allocation.code}", at=at, **facts)


def _ref(person: User | None) -> str:
    return f"person:{person.pk}" if person else "rule"
