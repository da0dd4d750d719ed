"""Size class of an enterprise by EU Recommendation 2003/361/EC, Annex, Article 2, with the reasoning in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MILLION = 1_000_000


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
class SizeFinding:
    """The class and why."""

    size: SizeClass
    reason: str


def size_class(*, headcount: int, turnover_eur: int, balance_sheet_eur: int | None) -> SizeFinding:
    """
    Find the smallest class whose staff ceiling holds and whose turnover or balance sheet ceiling holds.

    :param headcount: annual work units
    :param balance_sheet_eur: None when not known; then turnover alone decides
    """
    for size, staff, turnover, balance in CEILINGS:
        if headcount >= staff:
            continue
        if turnover_eur <= turnover:
            return SizeFinding(
                size, f"{headcount} people (fewer than {staff}) and turnover of € {turnover_eur:,} (at most € {turnover:,})"
            )
        if balance_sheet_eur is not None and balance_sheet_eur <= balance:
            return SizeFinding(
                size,
                f"{headcount} people (fewer than {staff}) and a balance sheet of € {balance_sheet_eur:,} "
                f"(at most € {balance:,})",
            )
    return SizeFinding(SizeClass.LARGE, f"{headcount} people and turnover of € {turnover_eur:,} exceed the medium class")
