"""Pages of operators and officers about outages: tell of one, see what it would give back, declare it, read of past ones."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from portal.accounts.models import Role
from portal.core.errors import NotAllowed, Refusal

from . import outages
from .forms import OutageForm
from .models import Outage

PAGE, SHOWN = 25, 100


@login_required
def outage_list(request: HttpRequest) -> HttpResponse:
    """Past outages, and the form: first it is shown what would be given back, then it is told of or declared."""
    user: Any = request.user
    rows = outages.outage_list_for_user(user=user)
    preview: outages.Preview | None = None
    with timezone.override(user.zone):  # times are typed as they are on the person's clock
        form = OutageForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                preview = _previewed(user, form.cleaned_data)
                if "go" in request.POST and form.cleaned_data["shown"] == _key(form.cleaned_data, preview):
                    return _done(request, form.cleaned_data)
            except NotAllowed:
                raise
            except Refusal as refusal:
                field = refusal.facts.get("field")
                form.add_error(field if field in form.fields else None, refusal.message)
        changed = preview is not None and "go" in request.POST
        context = {
            "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
            "form": form,
            "preview": preview,
            "changed": changed,
            "declares": Role.OFFICER in user.role_set,
            "key": _key(form.cleaned_data, preview) if preview else "",
            **_shown(preview),
        }
        return render(request, "sessions/outages.html", context, status=422 if form.errors else 409 if changed else 200)


def _previewed(user: Any, given: dict[str, Any]) -> outages.Preview:
    times = {name: given[name] for name in ("site", "begin", "end")}
    return outages.outage_preview(**times, by=user, at=timezone.now())


def _key(given: dict[str, Any], preview: outages.Preview) -> str:
    """Which preview was looked at: other times or other figures make another."""
    return f"{given['site'].slug} {given['begin'].isoformat()} {given['end'].isoformat()} {preview.total}"


def _done(request: HttpRequest, given: dict[str, Any]) -> HttpResponse:
    user: Any = request.user
    said = {name: given[name] for name in ("site", "begin", "end", "reason")}
    if Role.OFFICER in user.role_set:
        refunded = outages.outage_declare(**said, by=user, at=timezone.now())
        messages.success(request, f"Declared. {len(refunded)} charges were counted anew; each statement says why.")
    else:
        outages.outage_tell(**said, by=user, at=timezone.now())
        messages.success(request, "Told. The officers see it on their start page; credits move once one of them declares it.")
    return redirect("sessions:outages")


@login_required
def outage_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One outage. What was only told of: what declaring it would give back, and the two buttons."""
    user: Any = request.user
    outage = outages.outage_get_for_user(user=user, pk=pk)
    problem = ""
    if request.method == "POST":
        try:
            return _answered(request, outage)
        except NotAllowed:
            raise
        except Refusal as refusal:
            problem = refusal.message
    preview = None
    if outage.declared_at is None:
        try:
            preview = _previewed(user, {"site": outage.site, "begin": outage.begin, "end": outage.end})
        except Refusal as refusal:
            problem = problem or refusal.message
    context = {
        "outage": outage,
        "preview": preview,
        "problem": problem,
        "declares": Role.OFFICER in user.role_set,
        **_shown(preview),
    }
    return render(request, "sessions/outage.html", context, status=422 if problem and request.method == "POST" else 200)


def _answered(request: HttpRequest, outage: Outage) -> HttpResponse:
    user: Any = request.user
    if "drop" in request.POST:
        outages.outage_drop(outage=outage, reason=request.POST.get("reason", "")[:500], by=user, at=timezone.now())
        messages.success(request, "Dropped. No charge was changed.")
        return redirect("sessions:outages")
    outages.outage_confirm(outage=outage, by=user, at=timezone.now())
    messages.success(request, "Declared. The credits are back; each statement says why.")
    return redirect("sessions:outage", pk=outage.pk)


def _shown(preview: outages.Preview | None) -> dict[str, Any]:
    refunds = preview.refunds if preview else []
    return {"refunds": refunds[:SHOWN], "more": max(0, len(refunds) - SHOWN)}
