"""What the dashboard says about a person's enterprise."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from portal.accounts.models import Role

from .models import Membership
from .selectors import facts_to_verify

SHOWN = 5


def first_steps(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """Invite a person without an enterprise to enter one; portal staff have no need of one."""
    user: Any = request.user
    if user.role_set or Membership.objects.filter(user=user, left_at__isnull=True).exists():
        return None
    return "organisations/card_first_steps.html", {}


def to_verify(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """For officers: registry numbers that a person must look at."""
    user: Any = request.user
    if Role.OFFICER not in user.role_set:
        return None
    rows = list(facts_to_verify()[: SHOWN + 1])
    return ("organisations/card_verify.html", {"rows": rows[:SHOWN], "more": len(rows) > SHOWN}) if rows else None
