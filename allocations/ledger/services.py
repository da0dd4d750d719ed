"""
The moves of the ledger. Each brings its own id: asking twice happens once; the same id with other content is refused.
Amounts are micro-credits. Every refusal changes nothing.

Each move is one locked read and two or three writes (`books.py`), in one transaction. What the read says of holds and of other
transfers may be older than the lock, so the writes decide: an insert that meets a taken id, or a settled hold, writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec

from django.db import transaction
from django.db.models import F, Q, Sum

from portal.core.quantities import AMOUNT_MAX, credits_text

from . import books
from .books import Book, Done, HeldAmount, OpenLine
from .models import Account, Hold, Line, Transfer
from .refusals import LedgerRefusal
from .states import AccountKind, AccountState, HoldState, Move, RefusalCode

ID_FORM = re.compile(r"[a-z0-9][a-z0-9._:-]{2,79}")
EXPIRED = "The launch was not sent to a site in time; the credits returned."
OVER = "the allocation has ended"


class _Overtaken(Exception):
    """Another took the id, or settled the hold, between our read and our write; read again, it answers for itself."""


P = ParamSpec("P")


def _move(function: Callable[P, None]) -> Callable[P, None]:
    """Run a move in a transaction, and once more when it was overtaken: then it is found as done, or is refused."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with transaction.atomic():
                return function(*args, **kwargs)
        except _Overtaken:
            with transaction.atomic():
                return function(*args, **kwargs)

    return run


# --- accounts ---------------------------------------------------------------------------------------------------------


def account_open(*, code: str, kind: AccountKind, pool: str = "") -> None:
    """
    Open an account; one that is there already stays as it is.

    :param pool: for an allocation, the pool it is granted from and returns to
    :raises LedgerRefusal: `account_kind` when the code belongs to an account of another kind, `account_unknown` for the pool
    """
    parent = _peek(pool, AccountKind.POOL).id if pool else None
    account, _ = Account.objects.get_or_create(code=code, defaults={"kind": kind, "pool_id": parent})
    if account.kind != kind:
        raise LedgerRefusal(RefusalCode.ACCOUNT_KIND, f"{code} is already a {account.kind}, not a {kind}.")


@transaction.atomic
def lines_cover(*, allocation: str, caps: dict[str, int | None]) -> None:
    """
    Say on which resources an allocation may be spent, each with its cap in micro-credits or None.

    :raises LedgerRefusal: `exceeds_cap` when more than the cap is held and spent there already
    """
    book = _locked(allocation, AccountKind.ALLOCATION)
    for resource, cap in caps.items():
        if cap is not None:
            _check_amount(cap)
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
    book = _locked(allocation, AccountKind.ALLOCATION)
    if book.state in (AccountState.CLOSING, AccountState.CLOSED):
        return
    book.state = AccountState.CLOSING
    books.save(book)
    _drain(book, at=at, reason=reason, by=by)


# --- one-phase moves --------------------------------------------------------------------------------------------------


@_move
def issue(*, id: str, pool: str, issuer: str, amount: int, reason: str, by: str, at: datetime) -> None:
    """Fill a pool from its programme's issuer, the only account that may go below zero."""
    _check_id(id)
    _check_amount(amount)
    _check_reason(reason)
    book, done, _ = _lock(pool, AccountKind.POOL, transfer=id)
    source = _peek(issuer, AccountKind.ISSUER)
    if _already(done, kind=Move.ISSUE, account_id=book.id, counter_id=source.id, amount=amount):
        return
    book.available += amount
    _append(book, id=id, kind=Move.ISSUE, counter=source, amount=amount, reason=reason, by=by, at=at)
    Account.objects.filter(pk=source.id).update(available=F("available") - amount)


@_move
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
    _check_id(id)
    _check_amount(amount)
    _check_reason(reason)
    book, done, _ = _lock(allocation, AccountKind.ALLOCATION, transfer=id)
    pool = _pool_of(book)
    if _already(done, kind=Move.GRANT, account_id=book.id, counter_id=pool.id, amount=amount):
        return
    if book.state not in (AccountState.ACTIVE, AccountState.SUSPENDED):
        raise _not_active(book)
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
    _append(
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


@_move
def give_back(*, id: str, allocation: str, amount: int, reason: str, by: str, at: datetime) -> None:
    """
    Return available credits from an allocation to its pool.

    :raises LedgerRefusal: `exceeds_available`
    """
    _check_id(id)
    _check_amount(amount)
    _check_reason(reason)
    book, done, _ = _lock(allocation, AccountKind.ALLOCATION, transfer=id)
    pool = _pool_of(book)
    if _already(done, kind=Move.RETURN, account_id=book.id, counter_id=pool.id, amount=amount):
        return
    _check_available(book, amount)
    _return(book, pool, id=id, amount=amount, reason=reason, by=by, at=at)


@_move
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
    _check_id(id)
    _check_amount(abs(amount) if _is_whole(amount) else amount)
    _check_reason(reason)
    if not by:
        raise LedgerRefusal(RefusalCode.REASON_MISSING, "A correction names the person who makes it.", status=422)
    original = _settlement(corrects)
    counter = _peek(original.counter.code if original.counter else provider, AccountKind.PROVIDER)
    book, done, line = _lock(original.account.code, AccountKind.ALLOCATION, transfer=id, resource=original.resource)
    content = {"kind": Move.ADJUST, "account_id": book.id, "counter_id": counter.id, "amount": amount, "settles_id": corrects}
    if _already(done, **content):
        return
    if amount < 0:
        _check_available(book, -amount)
    _check_correction(original, amount)
    if amount < 0:
        _use_line(line, original.resource, -amount)
    book.available += amount
    book.adjusted += amount
    if book.state == AccountState.CLOSED:
        book.state = AccountState.CLOSING  # for the moment until what came back has gone on to the pool
    _append(
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
    _drain_if_closing(book, at=at, by=by)


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
        raise _exceeds_hold(original.settles.pk, paid - amount, original.settles.amount)


# --- two-phase moves --------------------------------------------------------------------------------------------------


@_move
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
    _check_id(id)
    _check_amount(amount)
    if expires_at is not None and expires_at <= at:
        raise LedgerRefusal(RefusalCode.EXPIRY_PASSED, "The hold would have lapsed before it was placed.")
    book, done, line = _lock(allocation, AccountKind.ALLOCATION, transfer=id, resource=resource)
    content = {"kind": Move.HOLD, "account_id": book.id, "amount": amount, "resource": resource, "subject": subject}
    if _already(done, **content):
        return
    if book.state != AccountState.ACTIVE:
        raise _not_active(book)
    _check_line(book, line, resource)
    _hold(
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
    )


def hold_mark_sent(*, id: str) -> None:
    """
    Say that the hold's launch is about to be sent to a site: from here on no clock closes it, only settlement.

    Commit this before the first byte leaves. Asking twice is harmless.

    :raises LedgerRefusal: `hold_not_open` when the hold has lapsed or was settled: then nothing may be sent
    """
    marked = Hold.objects.filter(pk=id, state=HoldState.OPEN).update(expires_at=None)
    if not marked:
        raise _not_open(id)


@_move
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
    _check_id(id)
    _check_amount(amount)
    target = _peek(provider, AccountKind.PROVIDER)
    book, held, done = _lock_hold(hold, transfer=id)
    content = {"kind": Move.POST, "account_id": book.id, "counter_id": target.id, "amount": amount, "settles_id": hold}
    if _already(done, **content):
        return
    _check_open(held)
    _post(book, held, id=id, amount=amount, provider=target, at=at, explanation=explanation, by=by, reason=reason)
    _drain_if_closing(book, at=at, by=by)


@_move
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
    _check_id(id)
    _check_reason(reason)
    book, held, done = _lock_hold(hold, transfer=id)
    content = {"kind": Move.VOID, "account_id": book.id, "settles_id": hold}
    if _already(done, **content):
        return
    _check_open(held)
    _void(book, held, id=id, at=at, reason=reason, explanation=explanation, by=by)
    _drain_if_closing(book, at=at, by=by)


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


@_move
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
    _check_id(id)
    _check_id(new_hold)
    _check_amount(keep)
    if used != 0 or not _is_whole(used):
        _check_amount(used)
    book, held, done = _lock_hold(hold, transfer=new_hold)
    if _already(done, kind=Move.HOLD, account_id=book.id, amount=keep, subject=held.subject):
        settled = Move.POST if used else Move.VOID
        if not _already(books.find(id), kind=settled, settles_id=hold, amount=used or held.amount):
            raise _id_reused(new_hold)
        return
    _check_open(held)
    if used + keep > held.amount:
        raise _exceeds_hold(hold, used + keep, held.amount)
    if used:
        target = _peek(provider, AccountKind.PROVIDER)
        _post(book, held, id=id, amount=used, provider=target, at=at, explanation=explanation, by=by, reason="")
    else:
        _void(book, held, id=id, at=at, reason="nothing was used", explanation=explanation, by=by)
    _, _, line = _lock(book.code, AccountKind.ALLOCATION, resource=held.resource)
    _hold(
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
    _drain_if_closing(book, at=at, by=by)


# --- what happens by the clock ----------------------------------------------------------------------------------------


def holds_expire(*, at: datetime) -> int:
    """Void open holds that were never sent and whose time has passed. Returns how many."""
    lapsed = 0
    for hold_id in Hold.objects.filter(state=HoldState.OPEN, expires_at__lte=at).values_list("pk", flat=True)[:500]:
        try:
            with transaction.atomic():
                lapsed += _expire(hold_id, at=at)
        except _Overtaken:
            continue  # it was settled at this very moment
    return lapsed


def _expire(hold_id: str, *, at: datetime) -> int:
    book, held, _ = _lock_hold(hold_id, transfer="")
    # Looked at again under the lock: it may have been sent or settled meanwhile.
    if not Hold.objects.filter(pk=hold_id, state=HoldState.OPEN, expires_at__lte=at).exists():
        return 0
    _void(book, held, id=f"{hold_id}:expired", at=at, reason=EXPIRED, explanation=None, by="")
    _drain_if_closing(book, at=at, by="")
    return 1


def providers_roll_up(*, at: datetime) -> int:  # noqa: ARG001 (every sweep is given the time)
    """
    Add to the providers' balances what chains have grown since the last look. Returns how many chains were read.

    Providers are not touched when a charge is posted, so that a popular provider is no hot row.
    """
    grown = Account.objects.filter(kind=AccountKind.ALLOCATION, rolled_seq__lt=F("seq"))
    chains = 0
    for pk in grown.values_list("pk", flat=True)[:2000]:
        _roll_up_chain(pk)
        chains += 1
    return chains


@transaction.atomic
def _roll_up_chain(pk: int) -> None:
    account = Account.objects.select_for_update().get(pk=pk)
    sums = (
        Transfer.objects.filter(account=account, seq__gt=account.rolled_seq, seq__lte=account.seq)
        .filter(kind__in=[Move.POST, Move.ADJUST])
        .values("counter_id")
        .annotate(
            posted=Sum("amount", filter=Q(kind=Move.POST), default=0),
            adjusted=Sum("amount", filter=Q(kind=Move.ADJUST), default=0),
        )
        .order_by("counter_id")
    )
    for row in sums:
        change = row["posted"] - row["adjusted"]
        Account.objects.filter(pk=row["counter_id"]).update(available=F("available") + change)
    Account.objects.filter(pk=pk).update(rolled_seq=account.seq)


# --- the parts of a move ----------------------------------------------------------------------------------------------


def _hold(
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
) -> None:
    _check_available(book, amount)
    _use_line(line, resource, amount)
    book.available -= amount
    book.held += amount
    _append(
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
    )


def _use_line(line: OpenLine | None, resource: str, amount: int) -> None:
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


def _post(
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
) -> None:
    if amount > held.amount:
        raise _exceeds_hold(held.id, amount, held.amount)
    rest = held.amount - amount
    book.held -= held.amount
    book.available += rest
    book.spent += amount
    _append(
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
    )
    if rest and held.capped:
        books.free_line(book, held.resource, rest)


def _void(
    book: Book,
    held: HeldAmount,
    *,
    id: str,
    at: datetime,
    reason: str,
    explanation: dict[str, Any] | None,
    by: str,
) -> None:
    book.held -= held.amount
    book.available += held.amount
    _append(
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
    )
    if held.capped:
        books.free_line(book, held.resource, held.amount)


def _return(book: Book, pool: Book, *, id: str, amount: int, reason: str, by: str, at: datetime) -> None:
    book.available -= amount
    book.returned += amount
    _append(book, id=id, kind=Move.RETURN, counter=pool, amount=amount, reason=reason, by=by, at=at)
    Account.objects.filter(pk=pool.id).update(available=F("available") + amount)


def _drain_if_closing(book: Book, *, at: datetime, by: str) -> None:
    if book.state == AccountState.CLOSING:
        _drain(book, at=at, reason=OVER, by=by)


def _drain(book: Book, *, at: datetime, reason: str, by: str) -> None:
    """Return what a closing account has available; close it when nothing is held any more."""
    if book.available:
        id = f"{book.code}:return-{book.seq + 1}"
        _return(book, _pool_of(book), id=id, amount=book.available, reason=reason, by=by, at=at)
    if book.held == 0 and book.available == 0:
        book.state = AccountState.CLOSED
        books.save(book)


def _append(book: Book, *, id: str, **values: Any) -> None:
    if not books.append(book, id=id, **values):
        raise _Overtaken


# --- locks and checks -------------------------------------------------------------------------------------------------


def _lock(code: str, kind: AccountKind, *, transfer: str = "", resource: str = "") -> tuple[Book, Done | None, OpenLine | None]:
    book, done, line = books.lock(code, transfer=transfer, resource=resource)
    return _checked_kind(book, code, kind), done, line


def _locked(code: str, kind: AccountKind) -> Book:
    return _lock(code, kind)[0]


def _peek(code: str, kind: AccountKind) -> Book:
    return _checked_kind(books.peek(code), code, kind)


def _checked_kind(book: Book | None, code: str, kind: AccountKind) -> Book:
    if book is None:
        raise LedgerRefusal(RefusalCode.ACCOUNT_UNKNOWN, f"There is no account {code}.", status=404)
    if book.kind != kind:
        raise LedgerRefusal(RefusalCode.ACCOUNT_KIND, f"{code} is a {book.kind}; this move needs a {kind}.")
    return book


def _pool_of(book: Book) -> Book:
    code = Account.objects.filter(allocations=book.id).values_list("code", flat=True).first()
    if code is None:
        raise LedgerRefusal(RefusalCode.ACCOUNT_KIND, f"{book.code} has no pool.")
    return _peek(code, AccountKind.POOL)


def _lock_hold(hold: str, *, transfer: str) -> tuple[Book, HeldAmount, Done | None]:
    found = books.lock_hold(hold, transfer=transfer)
    if found is None:
        raise LedgerRefusal(RefusalCode.HOLD_UNKNOWN, f"There is no hold {hold}.", status=404)
    return found


def _check_open(held: HeldAmount) -> None:
    if held.state != HoldState.OPEN:
        raise _not_open(held.id)


def _state_move(allocation: str, old: AccountState, new: AccountState) -> None:
    book = _locked(allocation, AccountKind.ALLOCATION)
    if book.state == new:
        return
    if book.state != old:
        raise _not_active(book)
    book.state = new
    books.save(book)


def _already(done: Done | None, **content: Any) -> bool:
    """
    Whether the move was made before with the same content.

    :raises LedgerRefusal: `id_reused` when its content differs
    """
    if done is None:
        return False
    if any(getattr(done, name) != value for name, value in content.items()):
        raise _id_reused(done.id)
    return True


def _check_id(id: str) -> None:
    if not ID_FORM.fullmatch(id):
        raise LedgerRefusal(
            RefusalCode.ID_MALFORMED,
            f"{id!r} is no transfer id: 3 to 80 of a-z, 0-9, dot, colon, dash, underscore.",
            status=422,
        )


def _is_whole(amount: Any) -> bool:
    return isinstance(amount, int) and not isinstance(amount, bool)


def _check_amount(amount: Any) -> None:
    if not _is_whole(amount):
        raise LedgerRefusal(RefusalCode.AMOUNT_NOT_WHOLE, f"{amount!r} is no whole number of micro-credits.", status=422)
    if amount <= 0:
        raise LedgerRefusal(RefusalCode.AMOUNT_NOT_POSITIVE, "An amount is more than zero.", status=422)
    if amount > AMOUNT_MAX:
        raise LedgerRefusal(
            RefusalCode.AMOUNT_TOO_LARGE, f"{credits_text(amount)} credits is more than any account may hold.", status=422
        )


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise LedgerRefusal(RefusalCode.REASON_MISSING, "This move needs a reason in words.", status=422)


def _check_available(book: Book, amount: int) -> None:
    if amount > book.available:
        raise LedgerRefusal(
            RefusalCode.EXCEEDS_AVAILABLE,
            f"This needs {credits_text(amount)} credits; {credits_text(book.available)} are left. "
            "Choose fewer minutes or a smaller profile, or ask for more credits.",
            needed=amount,
            available=book.available,
        )


def _check_line(book: Book, line: OpenLine | None, resource: str) -> None:
    if line is None:
        covered = ", ".join(Line.objects.filter(account_id=book.id).order_by("resource").values_list("resource", flat=True))
        raise LedgerRefusal(
            RefusalCode.RESOURCE_NOT_COVERED,
            f"This allocation does not cover the resource {resource}. It covers: {covered or 'none'}.",
        )


def _not_active(book: Book) -> LedgerRefusal:
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


def _not_open(hold_id: str) -> LedgerRefusal:
    return LedgerRefusal(RefusalCode.HOLD_NOT_OPEN, f"The hold {hold_id} is not open: it was settled or has lapsed.")


def _exceeds_hold(hold_id: str, wanted: int, amount: int) -> LedgerRefusal:
    return LedgerRefusal(
        RefusalCode.EXCEEDS_HOLD, f"{credits_text(wanted)} credits is more than the {credits_text(amount)} held as {hold_id}."
    )


def _id_reused(id: str) -> LedgerRefusal:
    return LedgerRefusal(RefusalCode.ID_REUSED, f"The id {id} was used before for another transfer.")
