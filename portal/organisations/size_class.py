"""Size class of an enterprise by EU Recommendation 2003/361/EC, Annex, Articles 2 to 6, with the reasoning worked in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
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


ORDER = (*(row[0] for row in CEILINGS), SizeClass.LARGE)


@dataclass(frozen=True)
class Related:
    """
    A firm that holds, or is held by, the enterprise, or another related firm.

    :param share_percent: the larger of capital and votes
    :param dominant: controls the other by contract, appointments or votes, whatever the share (Article 3(3))
    :param public_body: the holder is a state, a town or the like (Article 3(4))
    :param exempt: a university, an investor, a small town that controls nothing (Article 3(2)): up to half does not count
    :param through: the related firm it holds or is held by, where that is not the enterprise itself
    :param since: the day it became so; None for always
    """

    name: str
    share_percent: Decimal
    headcount: int
    turnover_eur: int
    balance_sheet_eur: int | None = None
    dominant: bool = False
    public_body: bool = False
    exempt: bool = False
    through: str = ""
    since: date | None = None

    @property
    def kind(self) -> Literal["linked", "partner", "autonomous"]:
        """To whom it is related: linked above half or when dominant, partner from a quarter on, else autonomous."""
        if self.dominant or self.share_percent > LINKED_ABOVE:
            return "linked"
        return "partner" if self.share_percent >= PARTNER_FROM and not self.exempt else "autonomous"


@dataclass(frozen=True)
class Counted:
    """How much of a related firm's figures counts, and why."""

    part: Decimal
    words: str


NONE, ALL = Decimal(0), Decimal(1)


def counted(firm: Related, firms: Sequence[Related]) -> Counted:
    """
    How much of a firm counts (Article 6).

    All of a linked firm, and of firms linked to it; the share of a partner, of partners of linked firms, and of firms linked to
    a partner; nothing of a partner's partners, nor of a firm that is named in a circle.
    """
    return _counted(firm, {one.name: one for one in firms}, ())


def _counted(firm: Related, firms: Mapping[str, Related], seen: tuple[str, ...]) -> Counted:
    if firm.name in seen:
        return Counted(NONE, "named in a circle, does not count")
    if firm.kind == "autonomous":
        exempt = firm.exempt and firm.share_percent >= PARTNER_FROM
        return Counted(NONE, "an exempt holder, does not count" if exempt else "below a quarter, does not count")
    if firm.through:
        above = firms.get(firm.through)
        return Counted(NONE, "") if above is None else _further(firm, above, _counted(above, firms, (*seen, firm.name)))
    if firm.kind == "linked":
        return Counted(ALL, "linked, all of it counts")
    return Counted(firm.share_percent / 100, f"partner, {_percent(firm.share_percent / 100)} counts")


def _further(firm: Related, above: Related, over: Counted) -> Counted:
    """A firm that is related through another one, of which `over` counts."""
    if not over.part:
        return Counted(NONE, f"through {above.name}, which does not count")
    if firm.kind == "linked":
        return Counted(over.part, f"linked to {above.name}, counts as that does: {_percent(over.part)}")
    if over.part == ALL:
        return Counted(
            firm.share_percent / 100, f"partner of {above.name}, which is linked: {_percent(firm.share_percent / 100)} counts"
        )
    return Counted(NONE, f"partner of the partner {above.name}, does not count")


def _percent(part: Decimal) -> str:
    return f"{(part * 100).normalize():f} %"


@dataclass(frozen=True)
class SizeFinding:
    """
    The class, why in one sentence, and the working line by line.

    :param sums: people, turnover and balance sheet with related firms; in euro
    """

    size: SizeClass
    reason: str
    working: list[str] = field(default_factory=list)
    sums: tuple[int, int, int | None] = (0, 0, None)


def public_percent(related: Sequence[Related]) -> Decimal:
    """What public bodies hold of the enterprise itself, jointly."""
    return sum((firm.share_percent for firm in related if firm.public_body and not firm.through and not firm.exempt), NONE)


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
    sums = (staff, turnover, balance)
    if public_percent(related) >= PARTNER_FROM:
        holders = [firm.name for firm in related if firm.public_body and not firm.through and not firm.exempt]
        verb = "is a public body and holds" if len(holders) == 1 else "are public bodies and together hold"
        reason = f"{', '.join(holders)} {verb} a quarter or more, so this is no SME (Article 3(4))"
        return SizeFinding(SizeClass.LARGE, reason, [*working, reason], sums)
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
        return SizeFinding(size, reason, [*working, f"{size}: yes, {reason}"], sums)
    reason = f"{staff} people and turnover of € {turnover:,} exceed the medium class"
    return SizeFinding(SizeClass.LARGE, reason, [*working, reason], sums)


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
        found = counted(firm, related)
        part = found.part
        working.append(_line(f"{firm.name} ({found.words})", firm.headcount, firm.turnover_eur, firm.balance_sheet_eur))
        staff, turnover = staff + part * firm.headcount, turnover + part * firm.turnover_eur
        if part and balance is not None:
            balance = None if firm.balance_sheet_eur is None else balance + part * firm.balance_sheet_eur
    sums = (_up(staff), _up(turnover), None if balance is None else _up(balance))
    if related:
        working.append(_line("Together", *sums))
    return (*sums, working)


def _up(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_CEILING))


def sums_words(sums: tuple[int, int, int | None]) -> str:
    """People, turnover and balance sheet in words."""
    staff, turnover, balance = sums
    sheet = "" if balance is None else f", balance sheet € {balance:,}"
    return f"{staff} people, turnover € {turnover:,}{sheet}"


def _line(name: str, staff: int, turnover: int, balance: int | None) -> str:
    return f"{name}: {sums_words((staff, turnover, balance))}"
