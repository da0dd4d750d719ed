"""Allocations on the dashboard."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from portal.threads.selectors import unread_of

from . import budget, selectors

SHOWN = 4


def balances(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """The person's newest allocations with their balances."""
    user: Any = request.user
    rows = selectors.allocation_list_for_user(user=user).annotate(unread=unread_of(user=user, kind="allocation"))
    allocations = list(rows[: SHOWN + 1])
    if not allocations:
        return None
    found = selectors.balances(allocations)
    today = timezone.now().date()
    lines = []
    for allocation in allocations[:SHOWN]:
        balance = found[allocation.code]
        lines.append((allocation, balance, budget.standing_notice(allocation=allocation, balance=balance, today=today)))
    return "projects/card_balances.html", {"rows": lines, "more": len(allocations) > SHOWN}
