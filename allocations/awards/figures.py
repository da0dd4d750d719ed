"""
What a programme may be judged by: time to decision, time to an answer, success by kind of enterprise. Counts below five are
never told, neither directly nor by subtraction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.core.cache import caches
from django.db.models import Count

from allocations.applications.models import Application
from allocations.applications.states import Outcome, S
from allocations.calls.models import Call
from portal.organisations.models import SIZE_FROM, Organisation

from .answering import Waited, waited_by_call

SMALL = 5
MONTHS_BACK = 24
KEPT_S, KEPT_AS = 300, "figures"


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
    answer_days_p50: float | None
    answer_days_p90: float | None
    by_size: list[Cell]
    by_country: list[Cell]
    by_sector: list[Cell]
    by_region: list[Cell]
    at: datetime


def figures(*, call: Call | None, at: datetime) -> Figures:
    """The figures of the last two years, of one call or of all."""
    found = figures_all(at=at)
    return found.get(call.pk if call else None) or _figures([], {}, 0, 0, waited=[], at=at)


@dataclass(frozen=True)
class Pace:
    """How long decisions of a call took, in days; None while they are too few to tell."""

    days_p50: float | None
    days_p90: float | None


def pace_of(*, call: Call, at: datetime) -> Pace:
    """Of the last two years, as in the figures; one query, kept for five minutes."""
    key = f"{KEPT_AS}-pace-{call.pk}"
    kept = caches["local"].get(key)
    if isinstance(kept, Pace):
        return kept
    since = at - timedelta(days=30 * MONTHS_BACK)
    rows = Application.objects.filter(call=call, submitted_at__gte=since, state=S.DECIDED, published_at__isnull=False)
    days = _days(rows.order_by().values_list("submitted_at", "decided_at"))
    pace = Pace(_percentile(days, 50), _percentile(days, 90)) if len(days) >= SMALL else Pace(None, None)
    caches["local"].set(key, pace, KEPT_S)
    return pace


def _days(pairs: Iterable[tuple[datetime | None, datetime | None]]) -> list[float]:
    """From sent to decided, in days, the shortest first."""
    return sorted((decided - sent).total_seconds() / 86_400 for sent, decided in pairs if sent and decided)


def figures_all(*, at: datetime) -> dict[int | None, Figures]:
    """The figures by call, None for all together, in seven queries; kept for five minutes, because anybody may ask."""
    kept = caches["local"].get(KEPT_AS)
    if isinstance(kept, dict):
        return kept
    since = at - timedelta(days=30 * MONTHS_BACK)
    rows, waited = Application.objects.filter(submitted_at__gte=since).order_by(), waited_by_call(since=since)
    published = rows.filter(state=S.DECIDED, published_at__isnull=False)
    columns = ("call_id", "outcome", "submitted_at", "decided_at", "organisation_id")
    decided = [Row(*values) for values in published.values_list(*columns)]
    submitted = Counter(dict(rows.values_list("call_id").annotate(n=Count("pk"))))
    by_rule = Counter(dict(published.filter(decisions__automatic=True).values_list("call_id").annotate(n=Count("pk"))))
    firms = Organisation.objects.filter(pk__in={row.organisation_id for row in decided}).prefetch_related(*SIZE_FROM)
    kinds = {firm.pk: _kinds(firm) for firm in firms}
    all_waited = [one for of_call in waited.values() for one in of_call]
    found: dict[int | None, Figures] = {
        None: _figures(decided, kinds, submitted.total(), by_rule.total(), waited=all_waited, at=at)
    }
    for call in submitted:
        of_call = [row for row in decided if row.call_id == call]
        found[call] = _figures(of_call, kinds, submitted[call], by_rule[call], waited=waited.get(call, []), at=at)
    caches["local"].set(KEPT_AS, found, KEPT_S)
    return found


class Kinds(NamedTuple):
    """What an enterprise is counted under."""

    country: str
    size: str
    sector: str
    region: str


def _kinds(firm: Organisation) -> Kinds:
    region = f"{firm.region_name} ({firm.region})" if firm.region else f"{firm.country}, not said"
    return Kinds(firm.country, str(firm.size.size), firm.get_sector_display() or "not said", region)


class Row(NamedTuple):
    """A published decision, as far as figures look at it."""

    call_id: int
    outcome: str
    submitted_at: datetime | None
    decided_at: datetime | None
    organisation_id: int


def _figures(
    rows: Sequence[Row], kinds: Mapping[int, Kinds], submitted: int, by_rule: int, *, waited: Sequence[Waited], at: datetime
) -> Figures:
    awarded = sum(row.outcome == Outcome.AWARDED for row in rows)
    days = _days((row.submitted_at, row.decided_at) for row in rows)
    enough = len(rows) >= SMALL
    answers = sorted(one.days for one in waited) if len({one.about for one in waited}) >= SMALL else []
    return Figures(
        submitted=submitted,
        decided=len(rows),
        awarded=awarded if enough else None,
        by_rule=by_rule if enough else None,
        days_p50=_percentile(days, 50) if enough else None,
        days_p90=_percentile(days, 90) if enough else None,
        answer_days_p50=_percentile(answers, 50),
        answer_days_p90=_percentile(answers, 90),
        by_size=_cells((kinds[row.organisation_id].size, row.outcome) for row in rows),
        by_country=_cells((kinds[row.organisation_id].country, row.outcome) for row in rows),
        by_sector=_cells((kinds[row.organisation_id].sector, row.outcome) for row in rows),
        by_region=region_cells(rows, kinds),
        at=at,
    )


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


def region_cells(rows: Sequence[Row], kinds: Mapping[int, Kinds]) -> list[Cell]:
    """Regions, country by country: what the country's own figures tell must not give a region away that is hidden."""
    by_country: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        kind = kinds[row.organisation_id]
        by_country.setdefault(kind.country, []).append((kind.region, row.outcome))
    told = told_kinds({country: len(pairs) for country, pairs in by_country.items()})
    found: list[Cell] = []
    for country in sorted(by_country):
        cells = _cells(by_country[country])
        found += cells if country in told else [Cell(cell.kind, None, None) for cell in cells]
    return found


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
