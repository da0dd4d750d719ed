"""
Seconds become credits: holds are filled in the order they were bought, each settled once, each rounded once.

What turns out later becomes an adjusting transfer: down always, up at most to the hold and to what is left; never an edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allocations.ledger import selectors as ledger_read
from allocations.ledger import services as ledger
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.states import RefusalCode
from portal.core.quantities import charge, credits_text

BY_RULE = "rule"
TOO_MUCH = (RefusalCode.EXCEEDS_AVAILABLE, RefusalCode.EXCEEDS_CAP)


@dataclass(frozen=True)
class Bought:
    """A hold and the seconds it bought."""

    hold: str
    seconds: int


@dataclass(frozen=True)
class Bill:
    """What the lines of a statement say besides the figures."""

    text: str
    who: str
    rate_words: str
    rate_per_hour: int
    provider: str
    facts: dict[str, Any]


def explain(bill: Bill, *, seconds: int, amount: int) -> dict[str, Any]:
    """The explanation that is kept with a transfer: who, what, the formula with its figures."""
    return {
        "text": bill.text,
        "who": bill.who,
        "formula": f"{bill.rate_words} × {seconds} s = {credits_text(amount)}",
        "seconds": seconds,
        "rate_per_hour": credits_text(bill.rate_per_hour),
        **bill.facts,
    }


def shares(bought: Sequence[Bought], seconds: int, *, rate_per_hour: int) -> list[tuple[Bought, int, int]]:
    """Fill the holds in order: each with its seconds and their price, rounded once per hold."""
    filled = []
    for one in bought:
        part = min(seconds, one.seconds)
        seconds -= part
        filled.append((one, part, charge(rate_per_hour=rate_per_hour, unit_seconds=part)))
    return filled


def holds_settle(bought: Sequence[Bought], *, seconds: int, bill: Bill, reason: str, at: datetime) -> int:
    """Settle every hold once: post what was used, return the rest. Returns the sum charged, in micro-credits."""
    total = 0
    for one, part, amount in shares(bought, seconds, rate_per_hour=bill.rate_per_hour):
        ledger.settle(
            id=f"{one.hold}-post",
            hold=one.hold,
            amount=amount,
            provider=bill.provider,
            at=at,
            reason=reason,
            explanation=explain(bill, seconds=part, amount=amount),
        )
        total += amount
    return total


def holds_correct(
    parts: Sequence[tuple[str, int]], *, bill: Bill, reason: str, number: int, by: str = BY_RULE, at: datetime
) -> int:
    """
    Bring settled holds to what they should have been, by adjusting transfers.

    :param parts: each hold with the seconds it should have paid for
    :param number: how many corrections of these holds there were before, plus one
    :return: the difference that was charged (below zero: refunded); what no credits cover any more stays uncharged
    """
    total = 0
    for hold, seconds in parts:
        amount = charge(rate_per_hour=bill.rate_per_hour, unit_seconds=seconds)
        paid = ledger_read.paid_for(hold=hold)
        if paid is None:
            continue
        wanted = min(amount, paid.held) - paid.net
        if wanted > 0:
            wanted = min(wanted, paid.available)
        if wanted == 0:
            continue
        try:
            ledger.adjust(
                id=f"{hold}-corr-{number}",
                corrects=paid.settlement,
                amount=-wanted,
                provider=bill.provider,
                reason=reason,
                by=by,
                at=at,
                explanation=explain(bill, seconds=seconds, amount=amount),
            )
        except LedgerRefusal as refusal:
            if refusal.code not in TOO_MUCH:
                raise
            continue
        total += wanted
    return total
