"""Promised dates in working days."""

from __future__ import annotations

from datetime import date, timedelta

STEWARD_WORKING_DAYS = 10


def working_days_after(day: date, count: int) -> date:
    """The day `count` working days (Monday to Friday) after `day`."""
    while count:
        day += timedelta(days=1)
        if day.weekday() < 5:
            count -= 1
    return day
