"""Batch holds on an allocation's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from allocations.projects import policies as projects_policy
from allocations.projects.models import Allocation
from allocations.projects.states import S as AllocationState

from . import selectors

SHOWN = 5


def on_allocation(request: HttpRequest, *, allocation: Allocation) -> tuple[str, dict[str, Any]] | None:
    """What is set aside for batch jobs, as far as the person may see it; nothing where no site takes such jobs."""
    user: Any = request.user
    if not selectors.batch_resources(allocation=allocation):
        return None
    rows = selectors.live_with_people(user=user, allocation=allocation)
    may = allocation.state == AllocationState.ACTIVE and projects_policy.may_use(user=user, allocation=allocation)
    return "batch/card.html", {"holds": rows[:SHOWN], "may_open": may}
