from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from portal.accounts.models import Role
from portal.organisations.size_class import size_class

from . import selectors
from .editing import changes
from .eligibility import Facts, eligibility
from .estimator import by_model, by_runs
from .forms import CheckForm, ModelForm, RunsForm

VERSIONS = 20


def calls_list(request: HttpRequest) -> HttpResponse:
    """Every published call, for everybody."""
    now = timezone.now()
    calls = [(call, call.rules, call.badge(now)) for call in selectors.call_list_public()]
    calls.sort(key=lambda row: row[0].intake(now).open, reverse=True)
    return render(request, "calls/list.html", {"calls": calls, "staff": _staff(request)})


def _staff(request: HttpRequest) -> bool:
    user: Any = request.user
    return user.is_authenticated and Role.OFFICER in user.role_set


def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """A call as everybody reads it: what it gives, who may apply, how it is decided, and when."""
    now, user = timezone.now(), request.user if request.user.is_authenticated else None
    call: Any = selectors.call_get_for_user(slug=slug, user=user)  # type: ignore[arg-type]
    return render(
        request,
        "calls/detail.html",
        {"call": call, "rules": call.rules, "badge": call.badge(now), "open": call.intake(now).open, "staff": _staff(request)},
    )


def check(request: HttpRequest) -> HttpResponse:
    """For which calls does an enterprise with these facts qualify? Nothing is kept, nobody signs in."""
    form = CheckForm(request.GET or None)
    answers = []
    if request.GET and form.is_valid():
        now, given = timezone.now(), form.cleaned_data
        size = size_class(
            headcount=given["headcount"], turnover_eur=given["turnover_eur"], balance_sheet_eur=given["balance_sheet_eur"]
        )
        facts = Facts(
            today=now.date(),
            country=given["country"],
            size=size.size,
            size_reason=size.reason,
            legal_form=given["legal_form"] or None,
            headcount=given["headcount"],
            founded_on=given["founded_on"],
            subsidies_eur=given["subsidies_eur"],
        )
        for call in selectors.call_list_public():
            found = eligibility(rules=call.rules.who, facts=facts, call=call.slug)
            answers.append((call, call.rules, call.intake(now), found))
    return render(request, "calls/check.html", {"form": form, "answers": answers})


def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """The rules as they stood, each with its reason and what it changed; for everybody."""
    user: Any = request.user if request.user.is_authenticated else None
    call = selectors.call_get_for_user(slug=slug, user=user)
    page = Paginator(call.versions.select_related("created_by").order_by("-number"), VERSIONS).get_page(  # type: ignore[attr-defined]
        request.GET.get("page")
    )
    rows = list(page)
    oldest = rows[-1].number if rows else 0
    before = call.versions.filter(number=oldest - 1).first()  # type: ignore[attr-defined]
    documents = [row.document for row in rows] + [before.document if before else None]
    shown = [
        (row, changes(documents[n + 1], row.document) if documents[n + 1] is not None else []) for n, row in enumerate(rows)
    ]
    return render(request, "calls/versions.html", {"call": call, "rules": call.rules, "shown": shown, "page": page})


def estimate(request: HttpRequest) -> HttpResponse:
    """How much to ask for, with the working shown. Nothing is kept, nobody signs in."""
    by = request.GET.get("by", "")
    runs, model = RunsForm(request.GET if by == "runs" else None), ModelForm(request.GET if by == "model" else None)
    form: RunsForm | ModelForm = model if by == "model" else runs
    found = None
    if form.is_bound and form.is_valid():
        found = by_model(**form.cleaned_data) if by == "model" else by_runs(**form.cleaned_data)
    return render(request, "calls/estimate.html", {"runs": runs, "model": model, "by": by, "found": found})
