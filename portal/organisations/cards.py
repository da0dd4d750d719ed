"""What the dashboard says about a person's enterprise."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from .models import Membership


def first_steps(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """Invite a person without an enterprise to enter one; portal staff have no need of one."""
    user: Any = request.user
    if user.role_set or Membership.objects.filter(user=user, left_at__isnull=True).exists():
        return None
    return "organisations/card_first_steps.html", {}
