"""Reads of subsidies: the total over rolling years, line by line. De minimis: Regulation (EU) 2023/2831, Article 3(2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from dateutil.relativedelta import relativedelta

from .models import Organisation, Subsidy

YEARS, CEILING_EUR = 3, 300_000
YEARS_MOST = 10  # that a call may look back


@dataclass(frozen=True)
class AidTotal:
    """What was received within the window, and what that leaves below the ceiling."""

    since: date
    rows: list[Subsidy]
    total_eur: int
    ceiling_eur: int

    @property
    def room_eur(self) -> int:
        return max(0, self.ceiling_eur - self.total_eur)


def aid_by_years(*, organisation: Organisation, today: date, most: int = YEARS_MOST) -> dict[int, int]:
    """Euro received within the last year to the day, the last two, and so on; one query."""
    rows = aid_total(organisation=organisation, today=today, years=most).rows
    starts = {years: today - relativedelta(years=years) for years in range(1, most + 1)}
    return {years: sum(row.amount_eur for row in rows if row.granted_on > since) for years, since in starts.items()}


def aid_total(*, organisation: Organisation, today: date, years: int = YEARS, ceiling_eur: int = CEILING_EUR) -> AidTotal:
    """Subsidies of the last `years` years to the day, in one query."""
    since = today - relativedelta(years=years)
    rows = list(
        Subsidy.objects.filter(
            organisation=organisation, withdrawn_at__isnull=True, granted_on__gt=since, granted_on__lte=today
        )
    )
    return AidTotal(since, rows, sum(row.amount_eur for row in rows), ceiling_eur)
