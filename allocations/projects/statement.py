"""A statement: every line says what moved, who and what caused it, and by which formula."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from allocations.ledger.models import Transfer
from allocations.ledger.selectors import transfer_page
from allocations.ledger.states import Move
from portal.accounts.models import User
from portal.core.quantities import credits_text

from .models import Allocation

WORDS = {
    Move.GRANT: "Granted",
    Move.HOLD: "Held",
    Move.POST: "Charged",
    Move.VOID: "Returned, not charged",
    Move.RETURN: "Returned to the pool",
    Move.ADJUST: "Corrected",
    Move.ISSUE: "Issued",
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
    who: str
    formula: str
    reason: str
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
            "who": self.who,
            "formula": self.formula,
            "reason": self.reason,
            "available": credits_text(self.available_after),
            "held": credits_text(self.held_after),
            "spent": credits_text(self.spent_after),
            "facts": self.facts,
        }


def statement(*, allocation: Allocation, before_seq: int | None = None, limit: int = 50) -> list[StatementLine]:
    """A page of an allocation's statement, newest first."""
    rows = transfer_page(account=allocation.account, before_seq=before_seq, limit=limit)
    people = _people(rows)
    return [_line(row, people) for row in rows]


def _line(row: Transfer, people: dict[str, str]) -> StatementLine:
    returned = 0
    if row.kind == Move.VOID:
        returned = row.amount
    elif row.kind == Move.POST and row.settles is not None:
        returned = row.settles.amount - row.amount
    facts = {k: v for k, v in row.explanation.items() if k not in ("formula", "who")}
    who = row.explanation.get("who") or people.get(row.by, "by rule" if row.by == "rule" else "")
    return StatementLine(
        id=row.pk,
        at=row.at,
        kind=row.kind,
        words=WORDS[Move(row.kind)],
        amount=row.amount,
        returned=returned,
        subject=row.subject,
        who=who,
        formula=row.explanation.get("formula", ""),
        reason=row.reason,
        available_after=row.available_after,
        held_after=row.held_after,
        spent_after=row.spent_after,
        seq=row.seq,
        facts=facts,
    )


def _people(rows: list[Transfer]) -> dict[str, str]:
    ids = {row.by.removeprefix("person:") for row in rows if row.by.startswith("person:")}
    return {f"person:{user.pk}": str(user) for user in User.objects.filter(pk__in=ids)} if ids else {}
