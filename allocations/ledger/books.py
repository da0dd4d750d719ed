"""
The few statements that every move is made of, as plain SQL: one locked read, one insert, one update.

Written out because this is the hot path: through the ORM a move costs several times the database's own work. The same text runs
on PostgreSQL and SQLite; where SQLite has no row locks, its transactions begin IMMEDIATE and are alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections

from .chain import transfer_hash
from .states import HoldState, Move

BALANCES = ("available", "held", "spent", "granted", "returned", "adjusted", "seq", "head_hash", "state")


@dataclass(slots=True)
class Book:
    """An account's row, read under its lock. The caller works out the new balances; `append` writes them."""

    id: int
    code: str
    kind: str
    state: str
    pool_id: int | None
    available: int
    held: int
    spent: int
    granted: int
    returned: int
    adjusted: int
    seq: int
    head_hash: str


@dataclass(slots=True)
class Done:
    """A transfer that exists: what an idempotent call compares."""

    id: str
    kind: str
    account_id: int
    counter_id: int | None
    amount: int
    settles_id: str | None
    resource: str
    subject: str


@dataclass(slots=True)
class OpenLine:
    """A resource line of an allocation."""

    id: int
    cap: int | None
    used: int


@dataclass(slots=True)
class HeldAmount:
    """A hold as it was when its account was locked; only the closing update knows whether it is still open."""

    id: str
    amount: int
    state: str
    resource: str
    subject: str
    capped: bool


def _columns(kind: type, alias: str) -> str:
    return ", ".join(f"{alias}.{field.name}" for field in fields(kind))


_BOOK, _DONE, _LINE, _PROVIDER = _columns(Book, "a"), _columns(Done, "t"), _columns(OpenLine, "l"), _columns(Book, "p")
_BOOK_WIDTH, _DONE_WIDTH = len(fields(Book)), len(fields(Done))


def _locking() -> str:
    return " FOR UPDATE OF a" if connection.features.has_select_for_update else ""


def _is_bare(database: Any) -> bool:
    """Whether statements may go to the server past Django: on PostgreSQL, unless somebody counts or logs them."""
    return database.vendor == "postgresql" and not database.execute_wrappers and not database.queries_logged


@contextmanager
def _cursor() -> Iterator[Any]:
    """
    A cursor whose statements the server keeps prepared. Django's own binds on the client's side and plans each one anew, which
    costs as much as the work itself.
    """
    database = connections[DEFAULT_DB_ALIAS]  # once: `connection` looks it up anew at each use
    if not _is_bare(database):
        with database.cursor() as cursor:
            yield cursor
        return
    import psycopg

    database.ensure_connection()
    with database.wrap_database_errors, psycopg.Cursor(database.connection) as cursor:
        yield cursor


def _row(sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
    with _cursor() as cursor:
        cursor.execute(sql, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _execute(sql: str, parameters: Sequence[Any]) -> int:
    """Run a statement; returns how many rows it touched."""
    with _cursor() as cursor:
        cursor.execute(sql, parameters)
        touched: int = cursor.rowcount
    return touched


def _execute_last(sql: str, parameters: Sequence[Any]) -> int:
    """
    Run the last statement of a move and send its COMMIT along with it: on an account that many wait for, the lock is held for
    one exchange with the server less. Inside a caller's own transaction, the commit stays the caller's.

    A statement that touches nothing has nothing committed.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if len(database.atomic_blocks) != 1 or not _is_bare(database):
        return _execute(sql, parameters)
    with _cursor() as cursor:
        with cursor.connection.pipeline():
            cursor.execute(sql, parameters)
            cursor.connection.commit()
        touched: int = cursor.rowcount
    return touched


def peek(code: str) -> Book | None:
    """An account without its lock: for the side of a move that is not checked."""
    row = _row(f"SELECT {_BOOK} FROM ledger_account a WHERE a.code = %s", [code])
    return Book(*row) if row else None


def lock(code: str, *, transfer: str = "", resource: str = "") -> tuple[Book | None, Done | None, OpenLine | None]:
    """Lock an account; in the same read, the transfer of that id and the line of that resource, where they exist."""
    row = _row(
        f"SELECT {_BOOK}, {_DONE}, {_LINE} FROM ledger_account a LEFT JOIN ledger_transfer t ON t.id = %s"
        f" LEFT JOIN ledger_line l ON l.account_id = a.id AND l.resource = %s WHERE a.code = %s{_locking()}",
        [transfer, resource, code],
    )
    if row is None:
        return None, None, None
    book, done, line = row[:_BOOK_WIDTH], row[_BOOK_WIDTH : _BOOK_WIDTH + _DONE_WIDTH], row[_BOOK_WIDTH + _DONE_WIDTH :]
    return Book(*book), Done(*done) if done[0] is not None else None, OpenLine(*line) if line[0] is not None else None


def lock_hold(hold: str, *, transfer: str, provider: str) -> tuple[Book, HeldAmount, Done | None, Book | None] | None:
    """
    Lock the account of a hold; in the same read, the hold, whether its line has a cap, the transfer of that id, and the
    provider, without its lock.
    """
    row = _row(
        f"SELECT {_BOOK}, {_DONE}, {_PROVIDER}, h.transfer_id, h.amount, h.state, ht.resource, ht.subject, l.cap IS NOT NULL"
        " FROM ledger_hold h JOIN ledger_account a ON a.id = h.account_id JOIN ledger_transfer ht ON ht.id = h.transfer_id"
        " LEFT JOIN ledger_line l ON l.account_id = a.id AND l.resource = ht.resource"
        f" LEFT JOIN ledger_transfer t ON t.id = %s LEFT JOIN ledger_account p ON p.code = %s"
        f" WHERE h.transfer_id = %s{_locking()}",
        [transfer, provider, hold],
    )
    if row is None:
        return None
    book, row = row[:_BOOK_WIDTH], row[_BOOK_WIDTH:]
    done, row = row[:_DONE_WIDTH], row[_DONE_WIDTH:]
    earner, held = row[:_BOOK_WIDTH], row[_BOOK_WIDTH:]
    return (
        Book(*book),
        HeldAmount(*held),
        Done(*done) if done[0] is not None else None,
        Book(*earner) if earner[0] is not None else None,
    )


def find(transfer: str) -> Done | None:
    """The transfer of that id, read anew: another's commit may be younger than the read that locked."""
    row = _row(f"SELECT {_DONE} FROM ledger_transfer t WHERE t.id = %s", [transfer])
    return Done(*row) if row else None


def append(
    book: Book,
    *,
    id: str,
    kind: Move,
    amount: int,
    at: datetime,
    counter: Book | None = None,
    settles: str | None = None,
    resource: str = "",
    subject: str = "",
    explanation: dict[str, Any] | None = None,
    reason: str = "",
    by: str = "",
    hold_until: datetime | None = None,
    last: bool = False,
) -> bool:
    """
    Add a transfer to the account's chain and write the account's balances; open the hold it makes, close the one it settles.

    :param hold_until: for a hold, when it lapses unless it is sent
    :param last: the transaction has written nothing before and will write nothing after
    :return: False when the id is taken, or the hold it settles is not open any more: then the caller undoes its transaction
    """
    seq, prev_hash = book.seq + 1, book.head_hash
    values = {
        "id": id,
        "kind": str(kind),
        "amount": amount,
        "resource": resource,
        "subject": subject,
        "explanation": explanation or {},
        "reason": reason,
        "by": by,
        "at": at,
        "seq": seq,
        "available_after": book.available,
        "held_after": book.held,
        "spent_after": book.spent,
    }
    digest = transfer_hash(
        {**values, "account": book.code, "counter": counter.code if counter else "", "settles": settles or ""}, prev_hash
    )
    transfer = [
        *(values[name] for name in ("id", "kind", "amount", "resource", "subject", "reason", "by", "seq")),
        *(values[name] for name in ("available_after", "held_after", "spent_after")),
        json.dumps(values["explanation"]),
        _moment(at),
        book.id,
        counter.id if counter else None,
        settles,
        prev_hash,
        digest,
    ]
    book.seq, book.head_hash = seq, digest
    account = [*(getattr(book, name) for name in BALANCES), book.id]
    if connection.vendor == "postgresql":
        run = _execute_last if last else _execute
        return run(*_at_once(kind, transfer, _hold_values(kind, values, book, hold_until), settles, account)) == 1
    return _append_in_steps(kind, transfer, _hold_values(kind, values, book, hold_until), settles, account)


TRANSFER_COLUMNS = (
    'id, kind, amount, resource, subject, reason, "by", seq, available_after, held_after, spent_after, explanation, at,'
    " account_id, counter_id, settles_id, prev_hash, hash"
)
MARKS = ", ".join(["%s"] * 18)
HOLD_COLUMNS = "transfer_id, account_id, amount, state, expires_at"
CLOSES = {Move.POST: HoldState.POSTED, Move.VOID: HoldState.VOIDED}
CLOSE_HOLD = "UPDATE ledger_hold SET state = %s, expires_at = NULL WHERE transfer_id = %s AND state = 'open'"
INSERT_TRANSFER = f"INSERT INTO ledger_transfer ({TRANSFER_COLUMNS}) VALUES ({MARKS}) ON CONFLICT DO NOTHING"
UPDATE_ACCOUNT = "UPDATE ledger_account SET " + ", ".join(f"{name} = %s" for name in BALANCES)
# The writes of a move as one statement: the account's lock is held for one exchange with the server instead of three.
TYPED_MARKS = (
    "%s, %s, %s::bigint, %s, %s, %s, %s, %s::bigint, %s::bigint, %s::bigint, %s::bigint, %s::jsonb, %s::timestamptz,"
    " %s::bigint, %s::bigint, %s, %s, %s"
)
AT_ONCE = f"WITH made AS ({INSERT_TRANSFER} RETURNING 1) {UPDATE_ACCOUNT} FROM made WHERE id = %s"
AT_ONCE_HOLDING = (
    f"WITH made AS ({INSERT_TRANSFER} RETURNING 1), held AS (INSERT INTO ledger_hold ({HOLD_COLUMNS})"
    f" SELECT %s, %s, %s, %s, %s::timestamptz FROM made) {UPDATE_ACCOUNT} FROM made WHERE id = %s"
)
AT_ONCE_CLOSING = (
    f"WITH closed AS ({CLOSE_HOLD} RETURNING 1), made AS (INSERT INTO ledger_transfer ({TRANSFER_COLUMNS})"
    f" SELECT {TYPED_MARKS} FROM closed ON CONFLICT DO NOTHING RETURNING 1) {UPDATE_ACCOUNT} FROM made WHERE id = %s"
)


def _hold_values(kind: Move, values: dict[str, Any], book: Book, until: datetime | None) -> list[Any]:
    return [values["id"], book.id, values["amount"], str(HoldState.OPEN), _moment(until)] if kind == Move.HOLD else []


def _at_once(
    kind: Move, transfer: list[Any], hold: list[Any], settles: str | None, account: list[Any]
) -> tuple[str, Sequence[Any]]:
    if kind == Move.HOLD:
        return AT_ONCE_HOLDING, [*transfer, *hold, *account]
    if kind in CLOSES:
        return AT_ONCE_CLOSING, [str(CLOSES[kind]), settles, *transfer, *account]
    return AT_ONCE, [*transfer, *account]


def _append_in_steps(kind: Move, transfer: list[Any], hold: list[Any], settles: str | None, account: list[Any]) -> bool:
    if kind in CLOSES and _execute(CLOSE_HOLD, [str(CLOSES[kind]), settles]) == 0:
        return False
    if _execute(INSERT_TRANSFER, transfer) == 0:
        return False
    if hold:
        _execute(f"INSERT INTO ledger_hold ({HOLD_COLUMNS}) VALUES (%s, %s, %s, %s, %s)", hold)
    return _execute(f"{UPDATE_ACCOUNT} WHERE id = %s", account) == 1


def _moment(at: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def save(book: Book) -> None:
    """Write an account's balances and state."""
    _execute(f"{UPDATE_ACCOUNT} WHERE id = %s", [*(getattr(book, name) for name in BALANCES), book.id])


def use_line(line: OpenLine, amount: int) -> bool:
    """Count an amount on a capped line; False when the cap does not allow it."""
    return (
        _execute("UPDATE ledger_line SET used = used + %s WHERE id = %s AND used + %s <= cap", [amount, line.id, amount]) == 1
    )


def free_line(book: Book, resource: str, amount: int) -> None:
    """Take an amount off a line, where it counts."""
    _execute(
        "UPDATE ledger_line SET used = used - %s WHERE account_id = %s AND resource = %s AND cap IS NOT NULL",
        [amount, book.id, resource],
    )
