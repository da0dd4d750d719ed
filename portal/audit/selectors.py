"""Reads about what happened."""

from __future__ import annotations

from django.db.models import QuerySet

from .models import Event


def event_list_about(*, about: str) -> QuerySet[Event]:
    """What happened to one thing, oldest first."""
    return Event.objects.filter(about=about).select_related("actor").order_by("pk")
