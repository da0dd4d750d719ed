"""Datasets on the dashboard and on an allocation's page."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, Window
from django.http import HttpRequest
from django.utils import timezone

from allocations.projects.models import Allocation
from allocations.projects.selectors import allocation_list_for_user
from allocations.projects.states import S as AllocationState
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
    late = Count("pk", filter=Q(due_on__lt=timezone.now().date()))
    waiting: list[Any] = list(rows.annotate(count=Window(Count("pk")), overdue=Window(late))[:3])  # counted before the cut
    return "datasets/card_queue.html", {
        "waiting": waiting,
        "count": waiting[0].count if waiting else 0,
        "overdue": waiting[0].overdue if waiting else 0,
    }


def waiting_for_you(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """For an applicant: datasets that need one click."""
    user: Any = request.user
    mine = allocation_list_for_user(user=user).filter(state=AllocationState.ACTIVE).order_by().values("pk")
    rows = Access.objects.filter(allocation__in=mine, state=A.AWAITING_TERMS).select_related("dataset", "allocation")
    waiting = list(rows[:5])
    return ("datasets/card_terms.html", {"waiting": waiting}) if waiting else None


def on_allocation(_: HttpRequest, *, allocation: Allocation) -> tuple[str, dict[str, Any]] | None:
    """What the allocation may read, and what it waits for."""
    rows = Access.objects.filter(allocation=allocation).select_related("dataset").order_by("-pk")
    shown = list(rows.exclude(dataset__access_class=AccessClass.OPEN)[:20])
    return "datasets/card_allocation.html", {"accesses": shown}
