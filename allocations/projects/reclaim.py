"""Idle credits return to their pool, after notice: others are waiting. Whoever uses the allocation meanwhile keeps them."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from allocations.ledger import selectors as ledger_read
from allocations.ledger import services as ledger
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal
from portal.core.quantities import credits_text

from . import letters, policies
from .models import Allocation, ReclaimNotice
from .states import STORAGE, S

log = logging.getLogger(__name__)
NOTICE_DAYS, NOTICE_DAYS_MIN, NOTICE_DAYS_MAX = 14, 7, 366
GIVEN, TAKEN, DROPPED = ReclaimNotice.State.GIVEN, ReclaimNotice.State.TAKEN, ReclaimNotice.State.DROPPED


def reclaim_announce(
    *, allocation: Allocation, amount: int, reason: str, by: User | None, at: datetime, days: int = NOTICE_DAYS
) -> ReclaimNotice:
    """
    Give notice that idle credits return to the pool.

    :param amount: micro-credits, at most what is available now
    :param by: an officer; None when a rule of its call gives notice
    :raises NotAllowed: unless an officer who does not belong to the enterprise
    :raises Malformed: less than a week's notice or more than a year's, no reason, or an amount that is not there
    :raises Refusal: `reclaim_announced` when a notice stands already
    """
    if by is not None:
        policies.check_officiates(user=by, allocation=allocation, what="reclaim idle credits")
    if not reason.strip():
        raise Malformed("Give a reason: the enterprise reads it.", field="reason")
    if not NOTICE_DAYS_MIN <= days <= NOTICE_DAYS_MAX:
        raise Malformed(f"Give {NOTICE_DAYS_MIN} to {NOTICE_DAYS_MAX} days' notice.", field="days")
    balance = ledger_read.balance(code=allocation.account)
    if allocation.state != S.ACTIVE or not 0 < amount <= balance.available:
        raise Malformed(f"At most {credits_text(balance.available)} credits can return.", field="amount")
    try:
        with transaction.atomic():
            notice = ReclaimNotice.objects.create(
                allocation=allocation,
                amount=amount,
                reason=reason,
                given_by=by,
                given_at=at,
                due_on=at.date() + timedelta(days=days),
                seq=ledger_read.chain_length(code=allocation.account),
            )
            _record(notice, "announced", by=by, at=at)
            letters.reclaim_announced(allocation, amount=amount, due_on=notice.due_on, reason=reason, by_rule=by is None, at=at)
    except IntegrityError:
        raise Refusal("reclaim_announced", f"A notice for {allocation.code} stands already. Drop it first.") from None
    return notice


def reclaim_drop(*, notice: ReclaimNotice, by: User, at: datetime) -> None:
    """
    Take a notice back. Asking twice is harmless.

    :raises NotAllowed: unless an officer who does not belong to the enterprise
    """
    policies.check_officiates(user=by, allocation=notice.allocation, what="drop the notice")
    _drop(notice, why="an officer took it back", by=by, at=at)


def reclaims_due(*, at: datetime) -> None:
    """Drop notices of allocations that are used again or over; return what is due."""
    for notice in ReclaimNotice.objects.filter(state=GIVEN).select_related("allocation__organisation", "given_by"):
        allocation = notice.allocation
        try:
            if allocation.state != S.ACTIVE:
                _drop(notice, why="the allocation is not active any more", by=None, at=at)
            elif ledger_read.held_since(code=allocation.account, seq=notice.seq, besides=STORAGE):
                _drop(notice, why="the allocation is used again", by=None, at=at)
            elif notice.due_on <= at.date():
                _take(notice, at=at)
        except Refusal as refusal:
            log.warning("reclaim of %s: %s", allocation.code, refusal)


@transaction.atomic
def _take(notice: ReclaimNotice, *, at: datetime) -> None:
    if not ReclaimNotice.objects.filter(pk=notice.pk, state=GIVEN).update(state=TAKEN, closed_at=at):
        return
    account = notice.allocation.account
    amount = min(notice.amount, ledger_read.balance(code=account).available)
    if amount:
        ledger.give_back(
            id=f"{notice.allocation.code.lower()}-reclaim-{notice.pk}",
            allocation=account,
            amount=amount,
            reason=f"idle credits, announced on {notice.given_at:%Y-%m-%d}: {notice.reason}",
            by=f"person:{notice.given_by_id}" if notice.given_by_id else "rule",
            at=at,
        )
        letters.reclaimed(notice.allocation, amount=amount, at=at)
    _record(notice, "taken", by=notice.given_by, at=at)


@transaction.atomic
def _drop(notice: ReclaimNotice, *, why: str, by: User | None, at: datetime) -> None:
    if not ReclaimNotice.objects.filter(pk=notice.pk, state=GIVEN).update(state=DROPPED, closed_at=at):
        return
    _record(notice, "dropped", by=by, at=at, why=why)
    letters.reclaim_dropped(notice.allocation, why=why, at=at)


def _record(notice: ReclaimNotice, what: str, *, by: User | None, at: datetime, **facts: str) -> None:
    audit.event_record(
        kind=f"allocation.reclaim_{what}",
        actor=by,
        about=f"allocation:{notice.allocation.code}",
        at=at,
        amount=credits_text(notice.amount),
        due_on=str(notice.due_on),
        **facts,
    )
