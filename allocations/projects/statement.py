"""A statement: every line says what moved, who and what caused it, and by which formula."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import BigIntegerField, Case, CharField, OuterRef, Subquery, Value, When
from django.db.models.functions import Cast, Coalesce, NullIf, Substr

from allocations.ledger.models import Transfer
from allocations.ledger.selectors import Balance, balance_with, transfer_page, transfers_from
from allocations.ledger.states import Move
from portal.accounts.models import User
from portal.core.quantities import credits_text

from .models import Allocation

WORDS = {
    Move.GRANT: "Granted",
    Move.HOLD: "Set aside",
    Move.POST: "Charged",
    Move.VOID: "Not charged",
    Move.RETURN: "Returned to the programme",
    Move.ADJUST: "Corrected",
    Move.ISSUE: "Issued",
}
RULE = "by rule"
# The name of the person a transfer was made by, read along with it; the ledger itself knows no people.
_PERSON: Any = Case(When(by__regex=r"^person:[0-9]{1,15}$", then=Cast(Substr("by", 8), BigIntegerField())))
WHO = {
    "by_person": _PERSON,
    "by_name": Subquery(
        User.objects.filter(pk=OuterRef("by_person")).values_list(
            Coalesce(NullIf("full_name", Value("")), "email", output_field=CharField())
        )[:1]
    ),
}


@dataclass(frozen=True)
class StatementLine:
    """One transfer, explained. Amounts in micro-credits."""

    id: str
    at: datetime
    kind: str
    words: str
    amount: int
    returned: int
    subject: str
    resource: str
    who: str
    text: str
    formula: str
    seconds: int | None
    rate_per_hour: str
    reason: str
    settles: str
    hash: str
    available_after: int
    held_after: int
    spent_after: int
    seq: int
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For the API: credits as decimal strings."""
        return {
            "id": self.id,
            "at": self.at,
            "kind": self.kind,
            "amount": credits_text(self.amount),
            "returned": credits_text(self.returned),
            "subject": self.subject,
            "resource": self.resource,
            "who": self.who,
            "text": self.text,
            "formula": self.formula,
            "seconds": self.seconds,
            "rate_per_hour": self.rate_per_hour,
            "reason": self.reason,
            "settles": self.settles,
            "available": credits_text(self.available_after),
            "held": credits_text(self.held_after),
            "spent": credits_text(self.spent_after),
            "facts": self.facts,
            "number": self.seq,
            "hash": self.hash,
        }

    @property
    def change(self) -> int:
        """By how much the credits left changed."""
        signs = {Move.GRANT: 1, Move.ISSUE: 1, Move.ADJUST: 1, Move.HOLD: -1, Move.RETURN: -1}
        return self.returned if self.kind in (Move.POST, Move.VOID) else signs[Move(self.kind)] * self.amount


def statement(*, allocation: Allocation, before_seq: int | None = None, limit: int = 50) -> list[StatementLine]:
    """A page of an allocation's statement, newest first."""
    rows = transfer_page(account=allocation.account, before_seq=before_seq, limit=limit, also=WHO)
    return [_line(row, _named(row)) for row in rows]


def statement_newest(*, allocation: Allocation, limit: int) -> tuple[Balance, list[StatementLine]]:
    """The balance and the newest lines, read at the same moment and in one query."""
    rows = transfer_page(account=allocation.account, before_seq=None, limit=limit, also=WHO)
    return balance_with(rows, code=allocation.account), [_line(row, _named(row)) for row in rows]


def statement_all(*, allocation: Allocation) -> Iterator[StatementLine]:
    """Every line, oldest first, for exports; memory does not grow with the statement."""
    people: dict[str, str] = {}
    for row in transfers_from(account=allocation.account):
        if row.by.startswith("person:") and row.by not in people:
            people |= _people([row])
        yield _line(row, people)


def _line(row: Transfer, people: dict[str, str]) -> StatementLine:
    returned = 0
    if row.kind == Move.VOID:
        returned = row.amount
    elif row.kind == Move.POST and row.settles is not None:
        returned = row.settles.amount - row.amount
    told = dict(row.explanation)
    who = told.pop("who", "") or people.get(row.by, "") or RULE
    return StatementLine(
        id=row.pk,
        at=row.at,
        kind=row.kind,
        words=WORDS[Move(row.kind)],
        amount=row.amount,
        returned=returned,
        subject=row.subject,
        resource=row.resource,
        who=who,
        text=told.pop("text", ""),
        formula=told.pop("formula", ""),
        seconds=told.pop("seconds", None),
        rate_per_hour=told.pop("rate_per_hour", ""),
        reason=row.reason,
        settles=row.settles_id or "",
        hash=row.hash,
        available_after=row.available_after,
        held_after=row.held_after,
        spent_after=row.spent_after,
        seq=row.seq,
        facts=told,
    )


def _named(row: Any) -> dict[str, str]:
    return {row.by: row.by_name} if row.by_name else {}


def _people(rows: list[Transfer]) -> dict[str, str]:
    ids = {row.by.removeprefix("person:") for row in rows if row.by.startswith("person:")}
    return {f"person:{user.pk}": str(user) for user in User.objects.filter(pk__in=ids)} if ids else {}
