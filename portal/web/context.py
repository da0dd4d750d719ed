"""What every page needs: the menu for this person and what kind of installation this is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from .registry import registry


def page(request: HttpRequest) -> dict[str, Any]:
    """Context of the base layout."""
    user = getattr(request, "user", None)
    signed_in = bool(user and user.is_authenticated)
    roles = user.role_set if signed_in else frozenset()  # type: ignore[union-attr]
    menu = [entry for entry in registry.menu_entries if entry.public or (signed_in and (not entry.role or entry.role in roles))]
    return {
        "menu": menu,
        "evaluation": settings.EMBEDDED,
        "outbox_shown": settings.OUTBOX_SHOWN,
        "notebooks_url": settings.NOTEBOOKS_URL,
    }
