"""What every move looks at first: ids, amounts, accounts under their lock, what was done before. Each no has its code."""

from __future__ import annotations

import re
from typing import Any

from portal.core.quantities import AMOUNT_MAX, credits_text

from . import books
from .books import Book, Done, HeldAmount, OpenLine
from .models import Account, Line
from .refusals import LedgerRefusal
from .states import AccountKind, AccountState, HoldState, RefusalCode

ID_FORM = re.compile(r"[a-z0-9][a-z0-9._:-]{2,79}")


def lock(code: str, kind: AccountKind, *, transfer: str = "", resource: str = "") -> tuple[Book, Done | None, OpenLine | None]:
    """Lock an account of that kind; with it the transfer of that id and the line of that resource, where they exist."""
    book, done, line = books.lock(code, transfer=transfer, resource=resource)
    return _checked_kind(book, code, kind), done, line


def locked(code: str, kind: AccountKind) -> Book:
    """Lock an account of that kind."""
    return lock(code, kind)[0]


def peek(code: str, kind: AccountKind) -> Book:
    """An account of that kind, without its lock."""
    return _checked_kind(books.peek(code), code, kind)


def _checked_kind(book: Book | None, code: str, kind: AccountKind) -> Book:
    if book is None:
        raise LedgerRefusal(RefusalCode.ACCOUNT_UNKNOWN, f"There is no account {code}.", status=404)
    if book.kind != kind:
        raise LedgerRefusal(RefusalCode.ACCOUNT_KIND, f"{code} is a {book.kind}; this move needs a {kind}.")
    return book


def pool_of(book: Book) -> Book:
    """The pool an allocation is granted from and returns to."""
    code = Account.objects.filter(allocations=book.id).values_list("code", flat=True).first()
    if code is None:
        raise LedgerRefusal(RefusalCode.ACCOUNT_KIND, f"{book.code} has no pool.")
    return peek(code, AccountKind.POOL)


def lock_hold(hold: str, *, transfer: str) -> tuple[Book, HeldAmount, Done | None]:
    """Lock the account of a hold; with it the transfer of that id, where it exists.

    :raises LedgerRefusal: `hold_unknown`
    """
    return _found_hold(hold, transfer, "")[:3]


def lock_hold_for(provider: str, hold: str, *, transfer: str) -> tuple[Book, HeldAmount, Done | None, Book]:
    """As `lock_hold`, with the provider who is to be paid.

    :raises LedgerRefusal: `hold_unknown`, `account_unknown`, `account_kind`
    """
    book, held, done, earner = _found_hold(hold, transfer, provider)
    return book, held, done, _checked_kind(earner, provider, AccountKind.PROVIDER)


def _found_hold(hold: str, transfer: str, provider: str) -> tuple[Book, HeldAmount, Done | None, Book | None]:
    found = books.lock_hold(hold, transfer=transfer, provider=provider)
    if found is None:
        raise LedgerRefusal(RefusalCode.HOLD_UNKNOWN, f"There is no hold {hold}.", status=404)
    return found


def check_open(held: HeldAmount) -> None:
    """Let an open hold pass."""
    if held.state != HoldState.OPEN:
        raise not_open(held.id)


def already(done: Done | None, **content: Any) -> bool:
    """
    Whether the move was made before with the same content.

    :raises LedgerRefusal: `id_reused` when its content differs
    """
    if done is None:
        return False
    if any(getattr(done, name) != value for name, value in content.items()):
        raise id_reused(done.id)
    return True


def check_id(id: str) -> None:
    """Let a transfer's id pass."""
    if not ID_FORM.fullmatch(id):
        raise LedgerRefusal(
            RefusalCode.ID_MALFORMED,
            f"{id!r} is no transfer id: 3 to 80 of a-z, 0-9, dot, colon, dash, underscore.",
            status=422,
        )


def is_whole(amount: Any) -> bool:
    """Whether it is a whole number; True and False are none."""
    return isinstance(amount, int) and not isinstance(amount, bool)


def check_amount(amount: Any) -> None:
    """Let a whole, positive number of micro-credits pass that any account may hold."""
    if not is_whole(amount):
        raise LedgerRefusal(RefusalCode.AMOUNT_NOT_WHOLE, f"{amount!r} is no whole number of micro-credits.", status=422)
    if amount <= 0:
        raise LedgerRefusal(RefusalCode.AMOUNT_NOT_POSITIVE, "An amount is more than zero.", status=422)
    if amount > AMOUNT_MAX:
        raise LedgerRefusal(
            RefusalCode.AMOUNT_TOO_LARGE, f"{credits_text(amount)} credits is more than any account may hold.", status=422
        )


def check_reason(reason: str) -> None:
    """Let a reason pass that says something."""
    if not reason.strip():
        raise LedgerRefusal(RefusalCode.REASON_MISSING, "This move needs a reason in words.", status=422)


def check_available(book: Book, amount: int) -> None:
    """Let an amount pass that the account has."""
    if amount > book.available:
        raise LedgerRefusal(
            RefusalCode.EXCEEDS_AVAILABLE,
            f"This needs {credits_text(amount)} credits; {credits_text(book.available)} are left. "
            "Choose fewer minutes or a smaller profile, or ask for more credits.",
            needed=amount,
            available=book.available,
        )


def check_line(book: Book, line: OpenLine | None, resource: str) -> None:
    """Let a resource pass that the allocation covers."""
    if line is None:
        covered = ", ".join(Line.objects.filter(account_id=book.id).order_by("resource").values_list("resource", flat=True))
        raise LedgerRefusal(
            RefusalCode.RESOURCE_NOT_COVERED,
            f"This allocation does not cover the resource {resource}. It covers: {covered or 'none'}.",
        )


def not_active(book: Book) -> LedgerRefusal:
    """The refusal for an allocation that takes nothing now."""
    words = {
        AccountState.SUSPENDED: "is suspended; ask the officer named on its page",
        AccountState.CLOSING: "has ended; ask for a new one",
        AccountState.CLOSED: "has ended; ask for a new one",
    }
    return LedgerRefusal(
        RefusalCode.ALLOCATION_NOT_ACTIVE,
        f"This allocation {words.get(AccountState(book.state), 'is active')}.",
        state=book.state,
    )


def not_open(hold_id: str) -> LedgerRefusal:
    """The refusal for a hold that is over."""
    return LedgerRefusal(RefusalCode.HOLD_NOT_OPEN, f"The hold {hold_id} is not open: it was settled or has lapsed.")


def exceeds_hold(hold_id: str, wanted: int, amount: int) -> LedgerRefusal:
    """The refusal for more than was held."""
    return LedgerRefusal(
        RefusalCode.EXCEEDS_HOLD, f"{credits_text(wanted)} credits is more than the {credits_text(amount)} held as {hold_id}."
    )


def id_reused(id: str) -> LedgerRefusal:
    """The refusal for an id that names something else."""
    return LedgerRefusal(RefusalCode.ID_REUSED, f"The id {id} was used before for another transfer.")
