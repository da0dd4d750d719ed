"""
What a programme may be judged by: time to decision, success by kind of enterprise. Counts below five are never told, neither
directly nor by subtraction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import caches

from allocations.applications.models import Application
from allocations.applications.states import Outcome, S
from allocations.calls.models import Call
from portal.organisations.size_class import size_class

SMALL = 5
MONTHS_BACK = 24
KEPT_S = 300


@dataclass(frozen=True)
class Cell:
    """How many of one kind were decided and awarded; None where telling would point at somebody."""

    kind: str
    decided: int | None
    awarded: int | None

    @property
    def percent(self) -> int | None:
        """The success rate."""
        return None if not self.decided or self.awarded is None else round(100 * self.awarded / self.decided)


@dataclass(frozen=True)
class Figures:
    """The figures of one call, or of all."""

    submitted: int
    decided: int
    awarded: int | None
    by_rule: int | None
    days_p50: float | None
    days_p90: float | None
    by_size: list[Cell]
    by_country: list[Cell]
    at: datetime


def figures(*, call: Call | None, at: datetime) -> Figures:
    """The figures of the last two years; kept for five minutes, because anybody may ask."""
    key = f"figures:{call.pk if call else 'all'}"
    kept = caches["local"].get(key)
    if isinstance(kept, Figures):
        return kept
    found = _figures(call, at)
    caches["local"].set(key, found, KEPT_S)
    return found


def _figures(call: Call | None, at: datetime) -> Figures:
    rows = Application.objects.filter(submitted_at__gte=at - timedelta(days=30 * MONTHS_BACK), submitted_at__isnull=False)
    if call is not None:
        rows = rows.filter(call=call)
    decided = list(
        rows.filter(state=S.DECIDED, published_at__isnull=False).values_list(
            "outcome",
            "submitted_at",
            "decided_at",
            "organisation__country",
            "organisation__headcount",
            "organisation__turnover_eur",
            "organisation__balance_sheet_eur",
        )
    )
    rule = rows.filter(decisions__automatic=True, published_at__isnull=False).count()
    awarded = sum(1 for row in decided if row[0] == Outcome.AWARDED)
    days = sorted((row[2] - row[1]).total_seconds() / 86_400 for row in decided if row[1] and row[2])
    enough = len(decided) >= SMALL
    return Figures(
        submitted=rows.count(),
        decided=len(decided),
        awarded=awarded if enough else None,
        by_rule=rule if enough else None,
        days_p50=_percentile(days, 50) if enough else None,
        days_p90=_percentile(days, 90) if enough else None,
        by_size=_cells((_size(row), row[0]) for row in decided),
        by_country=_cells((row[3], row[0]) for row in decided),
        at=at,
    )


def _size(row: Sequence[Any]) -> str:
    return str(size_class(headcount=row[4], turnover_eur=row[5], balance_sheet_eur=row[6]).size)


def _cells(pairs: Iterable[tuple[str, str]]) -> list[Cell]:
    decided: Counter[str] = Counter()
    awarded: Counter[str] = Counter()
    for kind, outcome in pairs:
        decided[kind] += 1
        awarded[kind] += outcome == Outcome.AWARDED
    told = told_kinds(decided)
    return [
        Cell(kind, decided[kind] if kind in told else None, awarded[kind] if kind in told else None)
        for kind in sorted(decided, key=lambda kind: (-decided[kind], kind))
    ]


def told_kinds(counts: Mapping[str, int]) -> set[str]:
    """
    The kinds whose counts may be told.

    One hidden count alone could be found from the total, so then the next smallest is hidden with it.
    """
    hidden = {kind for kind, count in counts.items() if count < SMALL}
    rest = sorted((count, kind) for kind, count in counts.items() if kind not in hidden)
    if hidden and sum(counts[kind] for kind in hidden) < SMALL and rest:
        hidden.add(rest[0][1])
    return set(counts) - hidden


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile of an ordered list."""
    if not ordered:
        return None
    rank = max(1, -(-percent * len(ordered) // 100))
    return round(ordered[rank - 1], 1)
