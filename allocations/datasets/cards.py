"""Datasets on the dashboard and on an allocation's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from allocations.projects.models import Allocation
from portal.accounts.models import Role

from . import selectors
from .models import Access
from .states import A, AccessClass


def queue(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """For a steward: what waits, and since when it is late."""
    user: Any = request.user
    if Role.STEWARD not in user.role_set:
        return None
    rows = selectors.queue_for_steward(user=user)
    today = timezone.now().date()
    return "datasets/card_queue.html", {
        "waiting": list(rows[:3]),
        "count": rows.count(),
        "overdue": selectors.overdue_count(user=user, today=today),
    }


def waiting_for_you(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """For an applicant: datasets that need one click."""
    user: Any = request.user
    mine = [allocation.pk for allocation in selectors.usable_allocations(user=user)]
    rows = Access.objects.filter(allocation__in=mine, state=A.AWAITING_TERMS).select_related("dataset", "allocation")
    waiting = list(rows[:5])
    return ("datasets/card_terms.html", {"waiting": waiting}) if waiting else None


def on_allocation(_: HttpRequest, *, allocation: Allocation) -> tuple[str, dict[str, Any]] | None:
    """What the allocation may read, and what it waits for."""
    rows = Access.objects.filter(allocation=allocation).select_related("dataset").order_by("-pk")
    shown = list(rows.exclude(dataset__access_class=AccessClass.OPEN)[:20])
    return "datasets/card_allocation.html", {"accesses": shown}
