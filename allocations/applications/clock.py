"""Working days by country: a promise is kept in days people work. Plain Python over the `holidays` library."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import holidays


@cache
def _calendar(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country) if country in holidays.list_supported_countries() else holidays.HolidayBase()


def is_working_day(day: date, *, country: str) -> bool:
    """Whether offices of the country work on that day (Monday to Friday, no public holiday)."""
    return day.weekday() < 5 and day not in _calendar(country)


def working_day_after(day: date, *, days: int, country: str) -> date:
    """The last day of a promise of so many working days made on `day`; the day itself does not count."""
    while days > 0 or not is_working_day(day, country=country):
        day += timedelta(days=1)
        days -= is_working_day(day, country=country)
    return day


def working_days_between(start: date, end: date, *, country: str) -> int:
    """Working days after `start` up to and including `end`."""
    return sum(is_working_day(start + timedelta(days=n), country=country) for n in range(1, (end - start).days + 1))
