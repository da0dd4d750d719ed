"""A project's files on its page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from allocations.projects.models import Allocation


def on_allocation(request: HttpRequest, *, allocation: Allocation) -> tuple[str, dict[str, Any]] | None:  # noqa: ARG001
    """How much is kept, and the way to the page that says more."""
    return "storage/card_files.html", {"kept": getattr(allocation, "keeping", None)}
