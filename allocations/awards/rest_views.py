"""The officer's button that grants the rest of an award given in parts."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from allocations.applications.selectors import application_get_for_user
from portal.core.errors import NotYours
from portal.core.words import text_fitting

from .models import Rest
from .rests import rest_grant


@login_required
@require_POST
def grant(request: HttpRequest, code: str) -> HttpResponse:
    """Grant the rest. A second press finds it granted."""
    user: Any = request.user
    application = application_get_for_user(user=user, code=code)
    rest = Rest.objects.select_related("allocation__organisation").filter(allocation=application.allocation_id or 0).first()
    if rest is None:
        raise NotYours("rest of an award")
    rest_grant(
        rest=rest, reason=text_fitting(request.POST.get("reason", ""), most=1000, field="reason"), by=user, at=timezone.now()
    )
    messages.success(request, "The rest is granted. The team sees it at once.")
    return redirect("applications:detail", code=code)
