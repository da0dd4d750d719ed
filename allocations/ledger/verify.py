"""
Recomputes every balance from the transfers and proves that the sum over all accounts is zero.

Streams: memory does not grow with the number of transfers (only pools, issuers and providers are kept, and one chain).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from . import guards
from .chain import transfer_hash
from .models import Account, Hold, Line, Transfer
from .roots import RootWrong, roots_prove, sealed_heads
from .states import AccountKind, HoldState, Move

COLUMNS = (
    "id",
    "kind",
    "amount",
    "resource",
    "subject",
    "explanation",
    "reason",
    "by",
    "at",
    "seq",
    "available_after",
    "held_after",
    "spent_after",
)


class Difference(Exception):
    """The first place where the books do not agree."""


@dataclass
class Report:
    """What was proved."""

    transfers: int = 0
    accounts: int = 0
    total: int = 0
    roots: int = 0


@dataclass
class _Chain:
    """An allocation's or pool's balances, replayed from its own transfers."""

    available: int = 0
    held: int = 0
    spent: int = 0
    granted: int = 0
    returned: int = 0
    adjusted: int = 0
    seq: int = 0
    hash: str = ""
    open_holds: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    corrected: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # settlement → sum of its corrections


def verify(*, chain: bool, copies: Sequence[Path] = (), public_key: str = "") -> Report:
    """
    Replay all transfers as they stood at one moment, while others go on writing.

    :param chain: also recompute every hash and prove every signed root: history was not rewritten, not even consistently
    :param copies: files of roots kept elsewhere, which must be the same
    :param public_key: who must have signed the roots; this installation otherwise
    :raises Difference: at the first balance, hold, line, sequence, hash or root that does not agree
    """
    guards.check_triggers()
    with _one_moment():
        roots = 0
        if chain:
            try:
                roots = roots_prove(copies=copies, public_key=public_key)
            except RootWrong as wrong:
                raise Difference(str(wrong)) from wrong
        report = _verify(chain=chain)
        report.roots = roots
        return report


@contextmanager
def _one_moment() -> Iterator[None]:
    """Read from one snapshot of the database."""
    if connection.in_atomic_block:  # the caller's own transaction
        yield
        return
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
        return
    # atomic() would begin IMMEDIATE and keep writers waiting; a plain BEGIN reads a snapshot and keeps nobody.
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            yield
        finally:
            cursor.execute("COMMIT")


def _verify(*, chain: bool) -> Report:
    report = Report()
    elsewhere: dict[int, int] = defaultdict(int)  # what chains moved into or out of pools, issuers and providers
    rolled: dict[int, int] = defaultdict(int)  # the part of it that providers' balances already contain
    accounts = {account.pk: account for account in Account.objects.exclude(kind=AccountKind.ALLOCATION)}
    own: dict[int, _Chain] = {}

    for account, rows in _chains():
        state = _replay(account, rows, elsewhere, rolled, report, hashes=chain)
        if account.kind == AccountKind.ALLOCATION:
            _compare_allocation(account, state)
            _compare_corrections(account, state)
        else:
            own[account.pk] = state
        report.accounts += 1

    for pk, account in accounts.items():
        _compare_other(account, own.get(pk, _Chain()), elsewhere[pk], rolled[pk])
    report.total = _sum_of_all(elsewhere, accounts)
    if report.total != 0:
        raise Difference(f"the sum over all accounts is {report.total} micro-credits, not 0")
    return report


def _chains() -> Iterator[tuple[Account, Iterator[Any]]]:
    for account in Account.objects.order_by("pk").iterator(chunk_size=500):
        rows = (
            Transfer.objects.filter(account=account)
            .order_by("seq")
            .values(
                *COLUMNS, "account__code", "counter__code", "counter_id", "settles_id", "prev_hash", "hash", "counter__kind"
            )
        )
        yield account, rows.iterator(chunk_size=1000)


def _replay(
    account: Account, rows: Iterator[Any], elsewhere: dict[int, int], rolled: dict[int, int], report: Report, *, hashes: bool
) -> _Chain:
    state = _Chain()
    sealed = sealed_heads(account.pk) if hashes else {}
    for row in rows:
        report.transfers += 1
        state.seq += 1
        if row["seq"] != state.seq:
            raise Difference(f"{account.code}: transfer {state.seq} is missing; found {row['id']} with number {row['seq']}")
        moved = _apply(account, state, row)
        if moved:
            elsewhere[row["counter_id"]] += moved
            if row["seq"] <= account.rolled_seq:
                rolled[row["counter_id"]] += moved
        if account.kind == AccountKind.ALLOCATION:
            after = (row["available_after"], row["held_after"], row["spent_after"])
            if after != (state.available, state.held, state.spent):
                raise Difference(
                    f"{account.code}: after {row['id']} the books say {after}, the transfers say "
                    f"{(state.available, state.held, state.spent)} (available, held, spent)"
                )
        if hashes:
            _check_hash(account, state, row)
            if sealed.pop(state.seq, row["hash"]) != row["hash"]:
                raise Difference(
                    f"{account.code}: {row['id']} is not the transfer that was sealed; history was rewritten there"
                )
        state.hash = row["hash"]
    if (state.seq, state.hash) != (account.seq, account.head_hash):
        raise Difference(f"{account.code}: the chain ends at {state.seq}, the account says {account.seq}")
    if sealed:
        raise Difference(f"{account.code}: the chain ends at {state.seq}, but {max(sealed)} was sealed; history was cut off")
    return state


def _apply(account: Account, state: _Chain, row: dict[str, Any]) -> int:
    """Apply one transfer to the chain's balances; return what it moved into its counter account."""
    amount, kind = row["amount"], row["kind"]
    if kind == Move.ISSUE:
        state.available += amount
        return -amount
    if kind == Move.GRANT:
        state.available += amount
        state.granted += amount
        return -amount
    if kind == Move.RETURN:
        state.available -= amount
        state.returned += amount
        return amount
    if kind == Move.ADJUST:
        state.available += amount
        state.adjusted += amount
        state.used[row["resource"]] -= amount
        state.corrected[row["settles_id"]] += amount
        return -amount
    if kind == Move.HOLD:
        state.available -= amount
        state.held += amount
        state.open_holds[row["id"]] = amount
        state.used[row["resource"]] += amount
        return 0
    held = state.open_holds.pop(row["settles_id"], None)
    if held is None:
        raise Difference(f"{account.code}: {row['id']} settles {row['settles_id']}, which was not open")
    state.held -= held
    charged = amount if kind == Move.POST else 0
    if charged > held:
        raise Difference(f"{account.code}: {row['id']} charges {charged} of a hold of {held}")
    state.available += held - charged
    state.spent += charged
    state.used[row["resource"]] -= held - charged
    return charged


def _check_hash(account: Account, state: _Chain, row: dict[str, Any]) -> None:
    content = {name: row[name] for name in COLUMNS}
    content |= {"account": account.code, "counter": row["counter__code"] or "", "settles": row["settles_id"] or ""}
    if row["prev_hash"] != state.hash or transfer_hash(content, state.hash) != row["hash"]:
        raise Difference(f"{account.code}: the hash of {row['id']} does not fit; history was rewritten there")


def _compare_allocation(account: Account, state: _Chain) -> None:
    for name in ("available", "held", "spent", "granted", "returned", "adjusted"):
        if getattr(account, name) != getattr(state, name):
            raise Difference(f"{account.code}: {name} is {getattr(account, name)}, the transfers give {getattr(state, name)}")
    rows = dict(Hold.objects.filter(account=account, state=HoldState.OPEN).values_list("pk", "amount"))
    if rows != state.open_holds:
        odd = sorted(set(rows) ^ set(state.open_holds))[:1]
        raise Difference(f"{account.code}: open holds do not agree, first at {odd[0] if odd else 'an amount'}")
    for line in Line.objects.filter(account=account, cap__isnull=False):
        if line.used != state.used[line.resource]:
            raise Difference(
                f"{account.code}: {line.resource} counts {line.used} used, the transfers {state.used[line.resource]}"
            )


def _compare_corrections(account: Account, state: _Chain) -> None:
    """What a hold has cost in the end lies between nothing and the hold."""
    ids = sorted(state.corrected)
    for start in range(0, len(ids), 500):
        rows = Transfer.objects.filter(pk__in=ids[start : start + 500])
        for pk, kind, amount, held in rows.values_list("pk", "kind", "amount", "settles__amount"):
            cost = (amount if kind == Move.POST else 0) - state.corrected[pk]
            if not 0 <= cost <= held:
                raise Difference(f"{account.code}: {pk} has cost {cost} with its corrections, of a hold of {held}")


def _compare_other(account: Account, own: _Chain, moved: int, rolled: int) -> None:
    # A provider's balance contains only what was rolled up; pools and issuers move at once.
    expected = own.available + (rolled if account.kind == AccountKind.PROVIDER else moved)
    if account.available != expected:
        raise Difference(f"{account.code}: available is {account.available}, the transfers give {expected}")


def _sum_of_all(elsewhere: dict[int, int], accounts: dict[int, Account]) -> int:
    """Value of all accounts: available and held, with what providers earned but is not rolled up yet."""
    total = 0
    for available, held in Account.objects.filter(kind=AccountKind.ALLOCATION).values_list("available", "held").iterator():
        total += available + held
    for pk, account in accounts.items():
        total += elsewhere[pk] if account.kind == AccountKind.PROVIDER else account.available
    return total
