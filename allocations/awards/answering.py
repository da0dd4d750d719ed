"""How long enterprises wait for an answer in their threads, in working days of the call's country, call by call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from allocations.applications.clock import working_days_between
from allocations.applications.models import Application
from portal.threads.selectors import answers_since


class Waited(NamedTuple):
    """One question that was answered: about which thing, and after how many working days; 0 on the day it was asked."""

    about: str
    days: int


def waited_by_call(*, since: datetime) -> Mapping[int, list[Waited]]:
    """What was answered in the threads of applications sent since then and of their allocations, by call; two queries."""
    rows = Application.objects.filter(submitted_at__gte=since).values_list(
        "code", "allocation__code", "call_id", "version__document__holidays_of"
    )
    threads: dict[str, tuple[int, str]] = {}
    for code, allocation, call, country in rows.order_by():
        threads[f"application:{code}"] = (call, country or "")
        if allocation:
            threads[f"allocation:{allocation}"] = (call, country or "")
    found: dict[int, list[Waited]] = {}
    for about, asked, answered in answers_since(since=since):
        if about in threads:
            call, country = threads[about]
            days = working_days_between(asked.date(), answered.date(), country=country)
            found.setdefault(call, []).append(Waited(about, days))
    return found
