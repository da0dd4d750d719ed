"""Batch holds on an allocation's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from allocations.projects import policies as projects_policy
from allocations.projects.models import Allocation
from allocations.projects.states import S as AllocationState

from . import selectors
from .states import LIVE

SHOWN = 5


def on_allocation(request: HttpRequest, *, allocation: Allocation) -> tuple[str, dict[str, Any]] | None:
    """What is set aside for batch jobs, as far as the person may see it; nothing where no site takes such jobs."""
    user: Any = request.user
    if not selectors.batch_resources(allocation=allocation):
        return None
    rows = selectors.batch_list_for_user(user=user).filter(allocation=allocation, state__in=LIVE)
    may = allocation.state == AllocationState.ACTIVE and projects_policy.may_use(user=user, allocation=allocation)
    return "batch/card.html", {"holds": list(rows[:SHOWN]), "may_open": may}
