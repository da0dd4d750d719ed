"""What everybody may see: the register of awards, the figures, the rules that decide by themselves, open data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST

from allocations.applications.models import Application
from allocations.applications.policies import check_may_officiate
from allocations.applications.selectors import application_get_for_user
from allocations.calls.afterwards import acts_alone
from allocations.calls.models import Call
from allocations.calls.selectors import call_list_public
from allocations.reviews.models import Draw
from portal.audit import services as audit
from portal.core.errors import Malformed
from portal.core.words import text_fitting

from .figures import SMALL, figures
from .models import Decision, Grown
from .register import LICENCE, entries, register, register_csv

PAGE = 50
OPEN_DATA_MAX = 5_000


def register_page(request: HttpRequest) -> HttpResponse:
    """Every award, with what it is for and how it was decided."""
    today = timezone.now().date()
    call, country, words = (request.GET.get(name, "")[:80] for name in ("call", "country", "q"))
    page = Paginator(register(call=call, country=country, words=words, today=today), PAGE).get_page(request.GET.get("page"))
    given = {"call": call, "country": country, "q": words}
    context = {
        "page": page,
        "rows": entries(page.object_list, today=today),
        "calls": [(c.slug, c.rules.title) for c in call_list_public()],
        "given": given,
        "query": urlencode({name: value for name, value in given.items() if value}),
    }
    return render(request, "awards/register.html", context)


def figures_page(request: HttpRequest) -> HttpResponse:
    """How long decisions take and who succeeds, call by call."""
    now = timezone.now()
    rows: list[tuple[Call | None, Any]] = [(None, figures(call=None, at=now))]
    rows += [(call, figures(call=call, at=now)) for call in call_list_public()[:20]]
    return render(request, "awards/figures.html", {"rows": rows, "small": SMALL})


def rules_page(request: HttpRequest) -> HttpResponse:
    """The register of everything this portal decides or proposes without a person."""
    calls = [(call, call.rules) for call in call_list_public()]
    rules = [(call, found) for call, found in calls if found.automatic]
    afterwards = [(call, found, words) for call, found in calls if (words := acts_alone(found))]
    decided = Decision.objects.filter(automatic=True)
    lots = Draw.objects.filter(call__published=True).select_related("call__current").order_by("-pk")[:20]
    context = {
        "lots": lots,
        "rules": rules,
        "afterwards": afterwards,
        "grown": Grown.objects.exclude(rule_words="").count(),
        "decided": decided.count(),
        "looked_at": decided.filter(appeal__isnull=False).count(),
    }
    return render(request, "awards/rules.html", context)


@cache_control(public=True, max_age=60)
def awards_data(_: HttpRequest, form: str) -> HttpResponse | StreamingHttpResponse:
    """The register as a file."""
    today = timezone.now().date()
    rows = entries(register(today=today)[:OPEN_DATA_MAX], today=today)
    if form == "json":
        return JsonResponse({"licence": LICENCE, "made_on": today, "awards": rows})
    answer = StreamingHttpResponse(register_csv(rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="awards.csv"'
    answer["Link"] = '<https://creativecommons.org/licenses/by/4.0/>; rel="license"'
    return answer


@cache_control(public=True, max_age=60)
def figures_data(_: HttpRequest) -> HttpResponse:
    """The figures for programs."""
    now = timezone.now()
    found = {"all": asdict(figures(call=None, at=now))}
    found |= {call.slug: asdict(figures(call=call, at=now)) for call in call_list_public()[:20]}
    return JsonResponse({"licence": LICENCE, "hidden_below": SMALL, "calls": found})


@cache_control(public=True, max_age=60)
def calls_data(_: HttpRequest) -> HttpResponse:
    """Every published call as its document."""
    rows = [{"slug": c.slug, "version": c.current.number, **c.current.document} for c in call_list_public() if c.current]
    return JsonResponse({"licence": LICENCE, "calls": rows})


@login_required
@require_POST
def embargo(request: HttpRequest, code: str) -> HttpResponse:
    """An officer keeps the names of an award out of the register until a day, with a reason."""
    user: Any = request.user
    application = application_get_for_user(user=user, code=code)
    check_may_officiate(user=user, application=application)
    until, reason = _day(request.POST.get("until", "")), text_fitting(request.POST.get("reason", ""), most=500, field="reason")
    if until is None or not reason:
        raise Malformed("An embargo has a last day and a reason, for example a patent that is being filed.", field="until")
    Application.objects.filter(pk=application.pk).update(embargo_until=until)
    about = f"application:{application.code}"
    audit.event_record(kind="application.embargo", actor=user, about=about, at=timezone.now(), until=str(until), reason=reason)
    messages.success(request, f"Its names stay out of the register until {until:%-d %B %Y}.")
    return redirect("applications:detail", code=code)


def _day(text: str) -> date | None:
    """A day as a browser sends it; None for what is no day of any calendar."""
    try:
        return parse_date(text)
    except ValueError:
        return None
