"""
The moves of the ledger. Each brings its own id: asking twice happens once; the same id with other content is refused.
Amounts are micro-credits. Every refusal changes nothing.

Each move is one locked read and two or three writes (`books.py`), in one transaction. What the read says of holds and of other
transfers may be older than the lock, so the writes decide: an insert that meets a taken id, or a settled hold, writes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F

from portal.core.quantities import credits_text

from . import books
from .accounts import account_close, account_open, account_resume, account_suspend, lines_cover
from .checks import (
    already,
    check_amount,
    check_available,
    check_id,
    check_line,
    check_open,
    check_reason,
    exceeds_hold,
    id_reused,
    is_whole,
    lock,
    lock_hold,
    lock_hold_for,
    locked,
    not_active,
    not_open,
    peek,
    pool_of,
)
from .clock import holds_expire, providers_roll_up
from .corrections import adjust
from .models import Account, Hold
from .moving import append, drain_if_closing, hold_write, ledger_move, post_write, return_write, void_write
from .refusals import LedgerRefusal
from .states import AccountKind, AccountState, HoldState, Move, RefusalCode

# The one door for writing: what lies in the files beside this one is part of it.
__all__ = [
    "account_close",
    "account_open",
    "account_resume",
    "account_suspend",
    "adjust",
    "give_back",
    "grant",
    "hold",
    "hold_mark_sent",
    "holds_expire",
    "issue",
    "lines_cover",
    "move",
    "post",
    "providers_roll_up",
    "roll",
    "settle",
    "void",
]


# --- one-phase moves --------------------------------------------------------------------------------------------------


@ledger_move
def issue(*, id: str, pool: str, issuer: str, amount: int, reason: str, by: str, at: datetime) -> None:
    """Fill a pool from its programme's issuer, the only account that may go below zero."""
    check_id(id)
    check_amount(amount)
    check_reason(reason)
    book, done, _ = lock(pool, AccountKind.POOL, transfer=id)
    source = peek(issuer, AccountKind.ISSUER)
    if already(done, kind=Move.ISSUE, account_id=book.id, counter_id=source.id, amount=amount):
        return
    book.available += amount
    append(book, id=id, kind=Move.ISSUE, counter=source, amount=amount, reason=reason, by=by, at=at)
    Account.objects.filter(pk=source.id).update(available=F("available") - amount)


@ledger_move
def grant(
    *,
    id: str,
    allocation: str,
    amount: int,
    reason: str,
    by: str,
    at: datetime,
    subject: str = "",
    explanation: dict[str, Any] | None = None,
) -> None:
    """
    Move credits from the allocation's pool to the allocation: an award or a supplement.

    :raises LedgerRefusal: `exceeds_pool`, `allocation_not_active`, or an amount that is none
    """
    check_id(id)
    check_amount(amount)
    check_reason(reason)
    book, done, _ = lock(allocation, AccountKind.ALLOCATION, transfer=id)
    pool = pool_of(book)
    if already(done, kind=Move.GRANT, account_id=book.id, counter_id=pool.id, amount=amount):
        return
    if book.state not in (AccountState.ACTIVE, AccountState.SUSPENDED):
        raise not_active(book)
    taken = Account.objects.filter(pk=pool.id, available__gte=amount).update(available=F("available") - amount)
    if not taken:
        raise LedgerRefusal(
            RefusalCode.EXCEEDS_POOL,
            f"This grant needs {credits_text(amount)} credits; {credits_text(pool.available)} are left in {pool.code}. "
            "Award less, or fill the pool first.",
            available=pool.available,
        )
    book.available += amount
    book.granted += amount
    append(
        book,
        id=id,
        kind=Move.GRANT,
        counter=pool,
        amount=amount,
        subject=subject,
        explanation=explanation,
        reason=reason,
        by=by,
        at=at,
    )


@ledger_move
def give_back(*, id: str, allocation: str, amount: int, reason: str, by: str, at: datetime) -> None:
    """
    Return available credits from an allocation to its pool.

    :raises LedgerRefusal: `exceeds_available`
    """
    check_id(id)
    check_amount(amount)
    check_reason(reason)
    book, done, _ = lock(allocation, AccountKind.ALLOCATION, transfer=id)
    pool = pool_of(book)
    if already(done, kind=Move.RETURN, account_id=book.id, counter_id=pool.id, amount=amount):
        return
    check_available(book, amount)
    return_write(book, pool, id=id, amount=amount, reason=reason, by=by, at=at)


@ledger_move
def move(*, id: str, source: str, target: str, amount: int, reason: str, by: str, at: datetime, subject: str = "") -> None:
    """
    Move available credits from one allocation to another of the same pool: a return and a grant, in one transaction.

    The two transfers are `<id>-out` and `<id>-in`. Whether the enterprise and its call allow it is for the caller to know.

    :raises LedgerRefusal: `exceeds_available`, `pools_differ`, `allocation_not_active`
    """
    check_id(f"{id}-out")
    check_amount(amount)
    check_reason(reason)
    # Locked in one order whichever way credits go, so that two who move against each other never wait for each other.
    for code in sorted({source, target}):
        locked(code, AccountKind.ALLOCATION)
    giving, taking = (locked(code, AccountKind.ALLOCATION) for code in (source, target))
    if giving.pool_id != taking.pool_id or giving.id == taking.id:
        raise LedgerRefusal(
            RefusalCode.POOLS_DIFFER, "Credits move only between two allocations of one programme: their pools differ."
        )
    give_back(id=f"{id}-out", allocation=source, amount=amount, reason=reason, by=by, at=at)
    grant(id=f"{id}-in", allocation=target, amount=amount, reason=reason, by=by, at=at, subject=subject)


# --- two-phase moves --------------------------------------------------------------------------------------------------


@ledger_move
def hold(
    *,
    id: str,
    allocation: str,
    amount: int,
    resource: str,
    subject: str,
    at: datetime,
    expires_at: datetime | None,
    explanation: dict[str, Any] | None = None,
    by: str = "",
) -> None:
    """
    Set credits aside before anything starts.

    :param expires_at: when the hold lapses unless its launch has been sent by then; None for one that is sent already
    :raises LedgerRefusal: `exceeds_available`, `allocation_not_active`, `resource_not_covered`, `exceeds_cap`, `id_reused`
    """
    check_id(id)
    check_amount(amount)
    book, done, line = lock(allocation, AccountKind.ALLOCATION, transfer=id, resource=resource)
    content = {"kind": Move.HOLD, "account_id": book.id, "amount": amount, "resource": resource, "subject": subject}
    if already(done, **content):
        return  # sent again, perhaps long after: what became of it since does not matter
    if expires_at is not None and expires_at <= at:
        raise LedgerRefusal(RefusalCode.EXPIRY_PASSED, "The hold would have lapsed before it was placed.", status=422)
    if book.state != AccountState.ACTIVE:
        raise not_active(book)
    check_line(book, line, resource)
    hold_write(
        book,
        line,
        id=id,
        amount=amount,
        resource=resource,
        subject=subject,
        at=at,
        expires_at=expires_at,
        explanation=explanation,
        by=by,
        alone=True,
    )


def hold_mark_sent(*, id: str) -> None:
    """
    Say that the hold's launch is about to be sent to a site: from here on no clock closes it, only settlement.

    Commit this before the first byte leaves. Asking twice is harmless.

    :raises LedgerRefusal: `hold_not_open` when the hold has lapsed or was settled: then nothing may be sent
    """
    marked = Hold.objects.filter(pk=id, state=HoldState.OPEN).update(expires_at=None)
    if not marked:
        raise not_open(id)


@ledger_move
def post(
    *,
    id: str,
    hold: str,
    amount: int,
    provider: str,
    at: datetime,
    explanation: dict[str, Any] | None = None,
    by: str = "",
    reason: str = "",
) -> None:
    """
    Settle a hold: charge `amount` of it for the provider, return the rest.

    :raises LedgerRefusal: `hold_not_open`, `exceeds_hold`, `hold_unknown`
    """
    check_id(id)
    check_amount(amount)
    book, held, done, target = lock_hold_for(provider, hold, transfer=id)
    content = {"kind": Move.POST, "account_id": book.id, "counter_id": target.id, "amount": amount, "settles_id": hold}
    if already(done, **content):
        return
    check_open(held)
    post_write(
        book, held, id=id, amount=amount, provider=target, at=at, explanation=explanation, by=by, reason=reason, alone=True
    )
    drain_if_closing(book, at=at, by=by)


@ledger_move
def void(
    *,
    id: str,
    hold: str,
    at: datetime,
    reason: str,
    explanation: dict[str, Any] | None = None,
    by: str = "",
) -> None:
    """
    Settle a hold by returning all of it.

    :raises LedgerRefusal: `hold_not_open`, `hold_unknown`
    """
    check_id(id)
    check_reason(reason)
    book, held, done = lock_hold(hold, transfer=id)
    content = {"kind": Move.VOID, "account_id": book.id, "settles_id": hold}
    if already(done, **content):
        return
    check_open(held)
    void_write(book, held, id=id, at=at, reason=reason, explanation=explanation, by=by, alone=True)
    drain_if_closing(book, at=at, by=by)


def settle(
    *,
    id: str,
    hold: str,
    amount: int,
    provider: str,
    at: datetime,
    reason: str,
    explanation: dict[str, Any] | None = None,
    by: str = "",
) -> None:
    """Close a hold with what was used: `post` when that is something, `void` when it is nothing."""
    if amount == 0:
        void(id=id, hold=hold, at=at, reason=reason, explanation=explanation, by=by)
    else:
        post(id=id, hold=hold, amount=amount, provider=provider, at=at, explanation=explanation, by=by, reason=reason)


@ledger_move
def roll(
    *,
    id: str,
    hold: str,
    used: int,
    new_hold: str,
    keep: int,
    provider: str,
    at: datetime,
    explanation: dict[str, Any] | None = None,
    kept: dict[str, Any] | None = None,
    by: str = "",
) -> None:
    """
    Post what was used of a hold and hold `keep` anew, in one transaction: what can no longer be used is freed.

    Allowed while the allocation is closing, because nothing new begins: `used` and `keep` come out of the same hold.

    :param explanation: of what was used; `kept` is that of the new hold
    :raises LedgerRefusal: `exceeds_hold` when used + keep is more than was held, `hold_not_open`
    """
    check_id(id)
    check_id(new_hold)
    check_amount(keep)
    if used != 0 or not is_whole(used):
        check_amount(used)
    book, held, done = lock_hold(hold, transfer=new_hold)
    if already(done, kind=Move.HOLD, account_id=book.id, amount=keep, subject=held.subject):
        settled = Move.POST if used else Move.VOID
        if not already(books.find(id), kind=settled, settles_id=hold, amount=used or held.amount):
            raise id_reused(new_hold)
        return
    check_open(held)
    if used + keep > held.amount:
        raise exceeds_hold(hold, used + keep, held.amount)
    if used:
        target = peek(provider, AccountKind.PROVIDER)
        post_write(book, held, id=id, amount=used, provider=target, at=at, explanation=explanation, by=by, reason="")
    else:
        void_write(book, held, id=id, at=at, reason="nothing was used", explanation=explanation, by=by)
    _, _, line = lock(book.code, AccountKind.ALLOCATION, resource=held.resource)
    hold_write(
        book,
        line,
        id=new_hold,
        amount=keep,
        resource=held.resource,
        subject=held.subject,
        at=at,
        expires_at=None,
        explanation=kept,
        by=by,
    )
    drain_if_closing(book, at=at, by=by)
