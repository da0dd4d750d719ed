"""Sessions on the dashboard and on an allocation's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from allocations.projects.models import Allocation
from portal.accounts.models import Role

from . import selectors
from .models import Outage
from .states import OPEN


def running(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """What the person has open now."""
    user: Any = request.user
    sessions = list(selectors.open_sessions_of(user=user)[:5])
    return ("sessions/card_running.html", {"sessions": sessions}) if sessions else None


def on_allocation(request: HttpRequest, *, allocation: Allocation) -> tuple[str, dict[str, Any]] | None:
    """What is open on an allocation, as far as the person may see it."""
    user: Any = request.user
    rows = selectors.session_list_for_user(user=user).filter(allocation=allocation, state__in=OPEN).prefetch_related(None)
    sessions = list(rows[:20])
    return ("sessions/card_running.html", {"sessions": sessions}) if sessions else None


def outages_told(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """For officers: outages that operators told of and nobody declared yet."""
    user: Any = request.user
    if Role.OFFICER not in user.role_set:
        return None
    told = list(Outage.objects.filter(declared_at__isnull=True).select_related("site", "told_by").order_by("begin")[:5])
    return ("sessions/card_outages.html", {"told": told}) if told else None
