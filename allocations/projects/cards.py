"""Allocations on the dashboard."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from portal.threads.selectors import unread_mark

from . import budget, selectors

SHOWN = 4


def balances(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """The person's newest allocations with their balances."""
    user: Any = request.user
    allocations = list(selectors.allocation_list_for_user(user=user)[: SHOWN + 1])
    if not allocations:
        return None
    found = selectors.balances(allocations)
    unread_mark(user=user, rows=allocations, kind="allocation")
    today = timezone.now().date()
    rows = []
    for allocation in allocations[:SHOWN]:
        balance = found[allocation.code]
        rows.append((allocation, balance, budget.standing_notice(allocation=allocation, balance=balance, today=today)))
    return "projects/card_balances.html", {"rows": rows, "more": len(allocations) > SHOWN}
