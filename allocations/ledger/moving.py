"""The parts that moves are made of: run in one transaction, write a transfer and the balances it leaves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec

from django.db import transaction
from django.db.models import F

from portal.core.quantities import credits_text

from . import books
from .books import Book, HeldAmount, OpenLine
from .checks import check_available, exceeds_hold, pool_of
from .models import Account
from .refusals import LedgerRefusal
from .states import AccountState, Move, RefusalCode

OVER = "the allocation has ended"


class Overtaken(Exception):
    """Another took the id, or settled the hold, between our read and our write; read again, it answers for itself."""


P = ParamSpec("P")


def ledger_move(function: Callable[P, None]) -> Callable[P, None]:
    """Run a move in a transaction, and once more when it was overtaken: then it is found as done, or is refused."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with transaction.atomic():
                return function(*args, **kwargs)
        except Overtaken:
            with transaction.atomic():
                return function(*args, **kwargs)

    return run


def hold_write(
    book: Book,
    line: OpenLine | None,
    *,
    id: str,
    amount: int,
    resource: str,
    subject: str,
    at: datetime,
    expires_at: datetime | None,
    explanation: dict[str, Any] | None,
    by: str,
    alone: bool = False,
) -> None:
    """
    Hold an amount, under the lock and after the checks that are not about amounts.

    :param alone: the move writes nothing else; so for the two below
    """
    check_available(book, amount)
    use_line(line, resource, amount)
    book.available -= amount
    book.held += amount
    append(
        book,
        id=id,
        kind=Move.HOLD,
        amount=amount,
        resource=resource,
        subject=subject,
        explanation=explanation,
        by=by,
        at=at,
        hold_until=expires_at,
        last=alone and (line is None or line.cap is None),
    )


def use_line(line: OpenLine | None, resource: str, amount: int) -> None:
    """Count an amount on its line, where the line has a cap."""
    if line is None or line.cap is None or books.use_line(line, amount):
        return
    left = line.cap - line.used
    raise LedgerRefusal(
        RefusalCode.EXCEEDS_CAP,
        f"This needs {credits_text(amount)} credits on {resource}; its limit leaves {credits_text(left)}.",
        needed=amount,
        available=left,
    )


def post_write(
    book: Book,
    held: HeldAmount,
    *,
    id: str,
    amount: int,
    provider: Book,
    at: datetime,
    explanation: dict[str, Any] | None,
    by: str,
    reason: str,
    alone: bool = False,
) -> None:
    """Post a part of a hold and return the rest."""
    if amount > held.amount:
        raise exceeds_hold(held.id, amount, held.amount)
    rest = held.amount - amount
    book.held -= held.amount
    book.available += rest
    book.spent += amount
    append(
        book,
        id=id,
        kind=Move.POST,
        counter=provider,
        amount=amount,
        settles=held.id,
        resource=held.resource,
        subject=held.subject,
        explanation=explanation,
        reason=reason,
        by=by,
        at=at,
        last=alone and _leaves_nothing_to_do(book, held),
    )
    if rest and held.capped:
        books.free_line(book, held.resource, rest)


def void_write(
    book: Book,
    held: HeldAmount,
    *,
    id: str,
    at: datetime,
    reason: str,
    explanation: dict[str, Any] | None,
    by: str,
    alone: bool = False,
) -> None:
    """Return all of a hold."""
    book.held -= held.amount
    book.available += held.amount
    append(
        book,
        id=id,
        kind=Move.VOID,
        amount=held.amount,
        settles=held.id,
        resource=held.resource,
        subject=held.subject,
        explanation=explanation,
        reason=reason,
        by=by,
        at=at,
        last=alone and _leaves_nothing_to_do(book, held),
    )
    if held.capped:
        books.free_line(book, held.resource, held.amount)


def _leaves_nothing_to_do(book: Book, held: HeldAmount) -> bool:
    """Whether no line has to be freed and nothing goes on to the pool once the hold is closed."""
    return not held.capped and book.state != AccountState.CLOSING


def return_write(book: Book, pool: Book, *, id: str, amount: int, reason: str, by: str, at: datetime) -> None:
    """Move an amount from an allocation to its pool."""
    book.available -= amount
    book.returned += amount
    append(book, id=id, kind=Move.RETURN, counter=pool, amount=amount, reason=reason, by=by, at=at)
    Account.objects.filter(pk=pool.id).update(available=F("available") + amount)


def drain_if_closing(book: Book, *, at: datetime, by: str) -> None:
    """On an account that is ending, let what has become available go on to the pool."""
    if book.state == AccountState.CLOSING:
        drain(book, at=at, reason=OVER, by=by)


def drain(book: Book, *, at: datetime, reason: str, by: str) -> None:
    """Return what a closing account has available; close it when nothing is held any more."""
    if book.available:
        id = f"{book.code}:return-{book.seq + 1}"
        return_write(book, pool_of(book), id=id, amount=book.available, reason=reason, by=by, at=at)
    if book.held == 0 and book.available == 0:
        book.state = AccountState.CLOSED
        books.save(book)


def append(book: Book, *, id: str, at: datetime, **values: Any) -> None:
    """
    Write a transfer and the balances its book holds now.

    :raises Overtaken: when the id is taken, or the hold it settles is not open any more
    """
    if at.utcoffset() is None:
        raise LedgerRefusal(RefusalCode.TIME_WITHOUT_ZONE, f"{at} is no moment: it names no time zone.", status=422)
    if not books.append(book, id=id, at=at, **values):
        raise Overtaken
