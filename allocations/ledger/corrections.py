"""Righting what was settled: by a new transfer, never by an edit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Sum

from portal.core.quantities import credits_text

from . import books
from .checks import already, check_amount, check_available, check_id, check_reason, exceeds_hold, is_whole, lock, peek
from .models import Transfer
from .moving import append, drain_if_closing, ledger_move, use_line
from .refusals import LedgerRefusal
from .states import AccountKind, AccountState, Move, RefusalCode


@ledger_move
def adjust(
    *,
    id: str,
    corrects: str,
    amount: int,
    reason: str,
    by: str,
    at: datetime,
    provider: str = "",
    explanation: dict[str, Any] | None = None,
) -> None:
    """
    Right a settled hold by a new transfer: a positive amount refunds the allocation, a negative one charges it more.

    What a hold has cost in the end lies between nothing and the hold: refunds never exceed what was charged, later charges
    never exceed what was held. On an allocation that has ended a refund goes on to its pool.

    :param corrects: id of the `post` or `void` that was wrong
    :param provider: who earns a charge that corrects a `void`; a `post` names its own
    :raises LedgerRefusal: `exceeds_posted`, `exceeds_hold`, `exceeds_available`, `exceeds_cap`, `reason_missing`
    """
    check_id(id)
    check_amount(abs(amount) if is_whole(amount) else amount)
    check_reason(reason)
    if not by:
        raise LedgerRefusal(RefusalCode.REASON_MISSING, "A correction names the person who makes it.", status=422)
    original = _settlement(corrects)
    counter = peek(original.counter.code if original.counter else provider, AccountKind.PROVIDER)
    book, done, line = lock(original.account.code, AccountKind.ALLOCATION, transfer=id, resource=original.resource)
    content = {"kind": Move.ADJUST, "account_id": book.id, "counter_id": counter.id, "amount": amount, "settles_id": corrects}
    if already(done, **content):
        return
    if amount < 0:
        check_available(book, -amount)
    _check_correction(original, amount)
    if amount < 0:
        use_line(line, original.resource, -amount)
    book.available += amount
    book.adjusted += amount
    if book.state == AccountState.CLOSED:
        book.state = AccountState.CLOSING  # for the moment until what came back has gone on to the pool
    append(
        book,
        id=id,
        kind=Move.ADJUST,
        counter=counter,
        amount=amount,
        settles=corrects,
        subject=original.subject,
        resource=original.resource,
        explanation=explanation,
        reason=reason,
        by=by,
        at=at,
    )
    if amount > 0:
        books.free_line(book, original.resource, amount)
    drain_if_closing(book, at=at, by=by)


def _settlement(id: str) -> Transfer:
    kinds = [Move.POST, Move.VOID]
    found = Transfer.objects.filter(pk=id, kind__in=kinds).select_related("account", "counter", "settles").first()
    if found is None:
        raise LedgerRefusal(RefusalCode.HOLD_UNKNOWN, f"There is no charge {id} to correct.", status=404)
    return found


def _check_correction(original: Transfer, amount: int) -> None:
    """Under the account's lock: what the hold has cost stays between nothing and what was held."""
    before = Transfer.objects.filter(settles=original, kind=Move.ADJUST).aggregate(sum=Sum("amount"))["sum"] or 0
    paid = (original.amount if original.kind == Move.POST else 0) - before
    if amount > paid:
        raise LedgerRefusal(
            RefusalCode.EXCEEDS_POSTED,
            f"{original.pk} has cost {credits_text(paid)} credits in all; {credits_text(amount)} cannot be refunded.",
            paid=paid,
        )
    assert original.settles is not None  # noqa: S101 (a constraint says so)
    if paid - amount > original.settles.amount:
        raise exceeds_hold(original.settles.pk, paid - amount, original.settles.amount)
