"""Size class of an enterprise by EU Recommendation 2003/361/EC, Annex, Articles 2 to 6, with the reasoning worked in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Literal

MILLION = 1_000_000
PARTNER_FROM, LINKED_ABOVE = 25, 50  # per cent of capital or votes, Articles 3(2) and 3(3)


class SizeClass(StrEnum):
    """Micro, small, medium, or large."""

    MICRO = "micro"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


# Class, staff below, annual turnover at most, balance sheet total at most (EUR).
CEILINGS = (
    (SizeClass.MICRO, 10, 2 * MILLION, 2 * MILLION),
    (SizeClass.SMALL, 50, 10 * MILLION, 10 * MILLION),
    (SizeClass.MEDIUM, 250, 50 * MILLION, 43 * MILLION),
)


@dataclass(frozen=True)
class Related:
    """
    A firm that holds, or is held by, the enterprise.

    :param share_percent: the larger of capital and votes
    :param dominant: controls the other by contract, appointments or votes, whatever the share (Article 3(3))
    :param public_body: the holder is a state, a town or the like (Article 3(4))
    """

    name: str
    share_percent: Decimal
    headcount: int
    turnover_eur: int
    balance_sheet_eur: int | None = None
    dominant: bool = False
    public_body: bool = False

    @property
    def kind(self) -> Literal["linked", "partner", "autonomous"]:
        """Linked above half or when dominant, partner from a quarter on, else autonomous."""
        if self.dominant or self.share_percent > LINKED_ABOVE:
            return "linked"
        return "partner" if self.share_percent >= PARTNER_FROM else "autonomous"

    @property
    def part(self) -> Decimal:
        """How much of its figures counts: all of a linked firm's, the share of a partner's, none of another's (Article 6)."""
        return {"linked": Decimal(1), "partner": self.share_percent / 100, "autonomous": Decimal(0)}[self.kind]


@dataclass(frozen=True)
class SizeFinding:
    """The class, why in one sentence, and the working line by line."""

    size: SizeClass
    reason: str
    working: list[str] = field(default_factory=list)


def size_class(
    *, headcount: int, turnover_eur: int, balance_sheet_eur: int | None, related: Sequence[Related] = ()
) -> SizeFinding:
    """
    Find the smallest class whose staff ceiling holds and whose turnover or balance sheet ceiling holds.

    :param headcount: annual work units
    :param balance_sheet_eur: None when not known; then turnover alone decides
    :param related: firms that hold it or are held by it; linked ones count in full, partners by their share
    """
    staff, turnover, balance, working = _summed(headcount, turnover_eur, balance_sheet_eur, related)
    holders = [firm.name for firm in related if firm.public_body and firm.share_percent >= PARTNER_FROM]
    if holders:
        reason = f"{holders[0]} is a public body and holds a quarter or more, so this is no SME (Article 3(4))"
        return SizeFinding(SizeClass.LARGE, reason, [*working, reason])
    for size, staff_limit, turnover_limit, balance_limit in CEILINGS:
        if staff >= staff_limit:
            working.append(f"{size}: no, {staff} people are not fewer than {staff_limit}")
            continue
        money = _money_words(turnover, turnover_limit, balance, balance_limit)
        if money is None:
            working.append(f"{size}: no, turnover and balance sheet are both above its limits")
            continue
        reason = f"{staff} people (fewer than {staff_limit}) and {money}" + (
            " with linked and partner firms" if related else ""
        )
        return SizeFinding(size, reason, [*working, f"{size}: yes, {reason}"])
    reason = f"{staff} people and turnover of € {turnover:,} exceed the medium class"
    return SizeFinding(SizeClass.LARGE, reason, [*working, reason])


def _money_words(turnover: int, turnover_limit: int, balance: int | None, balance_limit: int) -> str | None:
    if turnover <= turnover_limit:
        return f"turnover of € {turnover:,} (at most € {turnover_limit:,})"
    if balance is not None and balance <= balance_limit:
        return f"a balance sheet of € {balance:,} (at most € {balance_limit:,})"
    return None


def _summed(
    headcount: int, turnover_eur: int, balance_sheet_eur: int | None, related: Sequence[Related]
) -> tuple[int, int, int | None, list[str]]:
    """Figures with those of related firms; fractions are rounded up, because a limit must not be met by rounding."""
    working = [_line("Own figures", headcount, turnover_eur, balance_sheet_eur)] if related else []
    staff, turnover = Decimal(headcount), Decimal(turnover_eur)
    balance = None if balance_sheet_eur is None else Decimal(balance_sheet_eur)
    for firm in related:
        part = firm.part
        words = {
            "linked": "linked, all of it counts",
            "partner": f"partner, {firm.share_percent.normalize():f} % counts",
            "autonomous": "below a quarter, does not count",
        }[firm.kind]
        working.append(_line(f"{firm.name} ({words})", firm.headcount, firm.turnover_eur, firm.balance_sheet_eur))
        staff, turnover = staff + part * firm.headcount, turnover + part * firm.turnover_eur
        if part and balance is not None:
            balance = None if firm.balance_sheet_eur is None else balance + part * firm.balance_sheet_eur
    sums = (_up(staff), _up(turnover), None if balance is None else _up(balance))
    if related:
        working.append(_line("Together", *sums))
    return (*sums, working)


def _up(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_CEILING))


def _line(name: str, staff: int, turnover: int, balance: int | None) -> str:
    sheet = "" if balance is None else f", balance sheet € {balance:,}"
    return f"{name}: {staff} people, turnover € {turnover:,}{sheet}"
