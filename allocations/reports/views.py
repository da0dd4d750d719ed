from __future__ import annotations

from contextlib import suppress
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.accounts.models import Role
from portal.core.errors import Malformed, Refusal
from portal.core.words import text_fitting, whole_number
from portal.organisations.policies import MAY_APPLY, org_role

from . import selectors, services
from .facts import WORDS, facts_of
from .models import Report
from .states import OWED, S

PAGE = 50


class ReportForm(forms.Form):
    """Three questions."""

    use_required_attribute = False
    done = forms.CharField(label=services.QUESTIONS["done"], max_length=services.TEXT_MAX, widget=forms.Textarea)
    learned = forms.CharField(label=services.QUESTIONS["learned"], max_length=services.TEXT_MAX, widget=forms.Textarea)
    outputs = forms.CharField(
        label=services.QUESTIONS["outputs"],
        max_length=services.TEXT_MAX,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


@login_required
def report_list(request: HttpRequest) -> HttpResponse:
    """What is owed and what was handed in."""
    user: Any = request.user
    rows = selectors.report_list_for_user(user=user)
    if wanted := request.GET.get("state", ""):
        rows = rows.filter(state=wanted)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "reports/list.html", {"page": page, "today": timezone.now().date()})


@login_required
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """A report: what the portal knows already, and the three questions, or what was answered."""
    user: Any = request.user
    report = selectors.report_get_for_user(user=user, pk=pk)
    if request.method != "POST":
        return _page(request, report, ReportForm(initial=report.answers or selectors.known_before(report=report)))
    form, raw = ReportForm(request.POST), _raw(request)
    if report.state not in OWED:
        if any(raw[key].split() != report.answers.get(key, "").split() for key in raw):
            raise Refusal("not_editable", "This report was handed in by now, with other words than these.")
        return redirect("reports:detail", pk=pk)  # a second press
    if not form.is_valid():
        with suppress(Malformed):  # too long to keep: it stays in the form
            services.report_save(report=report, answers=raw, base=None, by=user)
        return _page(request, report, form, status=422)
    services.report_hand_in(report=report, answers=form.cleaned_data, by=user, at=timezone.now())
    messages.success(request, "Handed in. Thank you.")
    return redirect("reports:detail", pk=pk)


def _page(request: HttpRequest, report: Report, form: ReportForm, status: int = 200) -> HttpResponse:
    user: Any = request.user
    role = org_role(user=user, organisation_id=report.allocation.organisation_id)
    facts = report.facts or facts_of(report.allocation)
    return render(
        request,
        "reports/detail.html",
        {
            "report": report,
            "form": form if report.state in OWED and role in MAY_APPLY else None,
            "facts": [(words, facts[key]) for key, words in WORDS.items() if key in facts],
            "answers": [(words, report.answers.get(key, "")) for key, words in services.QUESTIONS.items()],
            "officiates": Role.OFFICER in user.role_set and role is None,
            "today": timezone.now().date(),
        },
        status=status,
    )


@login_required
@require_POST
def autosave(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the draft while it is written."""
    user: Any = request.user
    version = request.POST.get("version", "")
    try:
        report = selectors.report_get_for_user(user=user, pk=pk)
        base = whole_number(version)
        saved = services.report_save(report=report, answers=_raw(request), base=base, by=user)
    except Refusal as refusal:
        return HttpResponse(refusal.message, status=refusal.status, content_type="text/plain; charset=utf-8")
    if not saved:
        words = "Somebody else saved a newer draft. Copy what you wrote and load the page again."
        return HttpResponse(words, status=409, content_type="text/plain")
    answer = HttpResponse(f"Saved at {timezone.now().astimezone(user.zone):%H:%M:%S}.", content_type="text/plain")
    answer["X-Version"] = str(report.revision)
    return answer


@login_required
@require_POST
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """An officer accepts, returns or waives."""
    user: Any = request.user
    report = selectors.report_get_for_user(user=user, pk=pk)
    words, now = text_fitting(request.POST.get("answer", ""), most=5000, field="answer"), timezone.now()
    if "waive" in request.POST:
        services.report_waive(report=report, reason=words, by=user, at=now)
    elif report.state == S.HANDED_IN:
        services.report_answer(report=report, accepted="accept" in request.POST, answer=words, by=user, at=now)
    messages.success(request, "Done; the team was told by mail.")
    return redirect("reports:detail", pk=pk)


def _raw(request: HttpRequest) -> dict[str, str]:
    return {key: request.POST.get(key, "") for key in services.QUESTIONS}
