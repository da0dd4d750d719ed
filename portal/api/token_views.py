"""A person's page of tokens for programs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from portal.core.errors import Refusal

from . import tokens
from .forms import TokenForm


@login_required
@never_cache
def token_list(request: HttpRequest) -> HttpResponse:
    """One's tokens, and the form of a new one. A new one is shown on the answer to the form and never again."""
    user: Any = request.user
    made, form = "", TokenForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = tokens.token_make(by=user, at=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            field = refusal.facts.get("field")
            form.add_error(field if field in form.fields else None, refusal.message)
    context = {
        "tokens": list(tokens.tokens_of(user=user)[:100]),
        "now": timezone.now(),
        "made": made,
        "url": settings.PORTAL_URL,
        "form": TokenForm() if made else form,
    }
    return render(request, "api/tokens.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a token back at once."""
    user: Any = request.user
    name = tokens.token_revoke(by=user, pk=pk, at=timezone.now())
    messages.success(request, f"“{name}” is revoked; programs that show it are refused from now on.")
    return redirect("api_tokens")
