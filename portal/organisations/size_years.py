"""
The size class over accounting years: it changes only once its ceilings were passed in two years that follow each other
(EU Recommendation 2003/361/EC, Annex, Article 4(2)). Not so when the enterprise was bought: that counts at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from .size_class import ORDER, PARTNER_FROM, Related, SizeClass, SizeFinding, public_percent, size_class, sums_words

CONSECUTIVE_DAYS = 550  # an accounting year may be longer than twelve months; more between two is a gap


@dataclass(frozen=True)
class Year:
    """What an accounting year came to, linked and partner firms of that time included; in euro."""

    ends_on: date
    headcount: int
    turnover_eur: int
    balance_sheet_eur: int | None = None


def size_over_years(
    *,
    years: Sequence[Year],
    ends_on: date | None,
    headcount: int,
    turnover_eur: int,
    balance_sheet_eur: int | None,
    related: Sequence[Related] = (),
) -> SizeFinding:
    """
    The class an enterprise has, by its last accounting year and those before it (Article 4(2)).

    :param years: earlier years, in any order
    :param ends_on: the last day of the newest year; None when it is not said: then the newest year decides alone
    """
    now = size_class(headcount=headcount, turnover_eur=turnover_eur, balance_sheet_eur=balance_sheet_eur, related=related)
    before = _following(years, ends_on)
    if not before or ends_on is None or public_percent(related) >= PARTNER_FROM:
        return now
    classes = [_class_of(year) for year in before]
    lines = [f"Year to {year.ends_on:%-d %B %Y}: {_figures(year)}: {size}" for year, size in zip(before, classes, strict=True)]
    lines.append(f"Year to {ends_on:%-d %B %Y}: {sums_words(now.sums)}: {now.size}")
    kept, bought = _status([*classes, now.size]), _bought_since(before[-1].ends_on, related)
    alone = size_class(
        headcount=headcount,
        turnover_eur=turnover_eur,
        balance_sheet_eur=balance_sheet_eur,
        related=[firm for firm in related if firm not in bought],
    ).size
    if ORDER.index(now.size) > max(ORDER.index(kept), ORDER.index(alone)):
        names = ", ".join(firm.name for firm in bought)
        why = f"{now.reason}; it became so with {names}, and a change of owner counts at once"
        return SizeFinding(now.size, why, [*now.working, *lines, why], now.sums)
    if kept == now.size:
        return SizeFinding(kept, now.reason, [*now.working, *lines, f"{kept}: yes, over the years"], now.sums)
    why = (
        f"{kept} as before: {sums_words(now.sums)} would be {now.size}, but a class changes only after two accounting years "
        "that follow each other (Article 4(2))"
    )
    return SizeFinding(kept, why, [*now.working, *lines, why], now.sums)


def _following(years: Sequence[Year], ends_on: date | None) -> list[Year]:
    """The years before, the oldest first, as far back as each follows the one before it."""
    found: list[Year] = []
    later = ends_on
    for year in sorted(years, key=lambda year: year.ends_on, reverse=True):
        if later is None or year.ends_on >= later:
            continue
        if (later - year.ends_on).days > CONSECUTIVE_DAYS:
            break
        found.insert(0, year)
        later = year.ends_on
    return found


def _status(classes: Sequence[SizeClass]) -> SizeClass:
    """The class after a row of years: it moves only as far as two years in a row both went."""
    ranks = [ORDER.index(size) for size in classes]
    status = ranks[0]
    for last, now in itertools.pairwise(ranks):
        if last > status and now > status:
            status = min(last, now)
        elif last < status and now < status:
            status = max(last, now)
    return ORDER[status]


def _bought_since(day: date, related: Sequence[Related]) -> list[Related]:
    return [firm for firm in related if firm.since is not None and firm.since > day]


def _class_of(year: Year) -> SizeClass:
    return size_class(headcount=year.headcount, turnover_eur=year.turnover_eur, balance_sheet_eur=year.balance_sheet_eur).size


def _figures(year: Year) -> str:
    return sums_words((year.headcount, year.turnover_eur, year.balance_sheet_eur))
