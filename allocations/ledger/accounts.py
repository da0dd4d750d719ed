"""Accounts: opening, what they may be spent on, and their states."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Sum

from portal.core.quantities import credits_text

from . import books
from .books import Book
from .checks import check_amount, locked, not_active, peek
from .models import Account, Hold, Line, Transfer
from .moving import drain
from .refusals import LedgerRefusal
from .states import AccountKind, AccountState, HoldState, Move, RefusalCode


def account_open(*, code: str, kind: AccountKind, pool: str = "") -> None:
    """
    Open an account; one that is there already stays as it is.

    :param pool: for an allocation, the pool it is granted from and returns to
    :raises LedgerRefusal: `account_kind` when the code belongs to an account of another kind, `account_unknown` for the pool
    """
    parent = peek(pool, AccountKind.POOL).id if pool else None
    account, _ = Account.objects.get_or_create(code=code, defaults={"kind": kind, "pool_id": parent})
    if account.kind != kind:
        raise LedgerRefusal(RefusalCode.ACCOUNT_KIND, f"{code} is already a {account.kind}, not a {kind}.")


@transaction.atomic
def lines_cover(*, allocation: str, caps: dict[str, int | None]) -> None:
    """
    Say on which resources an allocation may be spent, each with its cap in micro-credits or None.

    :raises LedgerRefusal: `exceeds_cap` when more than the cap is held and spent there already
    """
    book = locked(allocation, AccountKind.ALLOCATION)
    for resource, cap in caps.items():
        if cap is not None:
            check_amount(cap)
        used = _used_on(book, resource) if cap is not None else 0
        if cap is not None and used > cap:
            raise LedgerRefusal(
                RefusalCode.EXCEEDS_CAP,
                f"{credits_text(used)} credits are held and spent on {resource} already; its limit cannot be lower.",
                used=used,
            )
        Line.objects.update_or_create(account_id=book.id, resource=resource, defaults={"cap": cap, "used": used})


def _used_on(book: Book, resource: str) -> int:
    """What is held and spent on a resource, summed from the transfers: lines without a cap do not count along."""
    moved = dict(
        Transfer.objects.filter(account_id=book.id, resource=resource).values_list("kind").annotate(Sum("amount")).order_by()
    )
    held = Hold.objects.filter(account_id=book.id, state=HoldState.OPEN, transfer__resource=resource).aggregate(s=Sum("amount"))
    return (held["s"] or 0) + moved.get(Move.POST, 0) - moved.get(Move.ADJUST, 0)


@transaction.atomic
def account_suspend(*, allocation: str) -> None:
    """Refuse new holds for a while; what runs is settled as ever."""
    _state_move(allocation, AccountState.ACTIVE, AccountState.SUSPENDED)


@transaction.atomic
def account_resume(*, allocation: str) -> None:
    """Allow holds again."""
    _state_move(allocation, AccountState.SUSPENDED, AccountState.ACTIVE)


@transaction.atomic
def account_close(*, allocation: str, at: datetime, reason: str, by: str = "") -> None:
    """
    End an allocation: no new holds; what is available now, and whatever settlement frees later, returns to its pool.

    Asking again is harmless.
    """
    book = locked(allocation, AccountKind.ALLOCATION)
    if book.state in (AccountState.CLOSING, AccountState.CLOSED):
        return
    book.state = AccountState.CLOSING
    books.save(book)
    drain(book, at=at, reason=reason, by=by)


def _state_move(allocation: str, old: AccountState, new: AccountState) -> None:
    book = locked(allocation, AccountKind.ALLOCATION)
    if book.state == new:
        return
    if book.state != old:
        raise not_active(book)
    book.state = new
    books.save(book)
