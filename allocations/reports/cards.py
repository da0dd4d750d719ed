"""What other pages say about reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from allocations.projects.models import Allocation
from portal.accounts.models import Role

from . import selectors
from .states import OWED

AHEAD = timedelta(days=30)


def on_dashboard(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """Reports that come due within a month, or are late; for officers those that wait to be read."""
    user: Any = request.user
    today = timezone.now().date()
    if Role.OFFICER in user.role_set:
        rows = list(selectors.reports_handed_in()[:5])
    else:
        rows = list(selectors.report_list_for_user(user=user).filter(state__in=OWED, due_on__lte=today + AHEAD)[:5])
    return ("reports/card_due.html", {"reports": rows, "today": today}) if rows else None


def on_allocation(request: HttpRequest, *, allocation: Allocation) -> tuple[str, dict[str, Any]] | None:
    """The reports this allocation obliges to."""
    user: Any = request.user
    rows = list(selectors.report_list_for_user(user=user).filter(allocation=allocation))
    return ("reports/card_due.html", {"reports": rows, "today": timezone.now().date()}) if rows else None
