"""Pages of the panel."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from allocations.applications.models import Application
from allocations.applications.selectors import application_get_for_user
from allocations.applications.states import Outcome
from allocations.calls.models import Call
from allocations.calls.selectors import call_get_for_user
from allocations.reviews.lots import lot_announce, lot_draw, lots_of, place_of
from allocations.reviews.ranking import tier_of
from allocations.reviews.reciprocal import reciprocal_assign
from portal.accounts.models import Role
from portal.accounts.policies import check_role
from portal.core.errors import Malformed, NotYours
from portal.core.quantities import BadQuantity, credits_parse, credits_text
from portal.core.words import text_fitting

from . import appeals, panel, publishing
from .forms import PanelReasonsForm
from .panel import PanelAsk

PAGE = 100
SCORE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?")


@login_required
def panel_page(request: HttpRequest, slug: str) -> HttpResponse:
    """A call's applications side by side. Ticks and amounts in the address are added up against the pool."""
    user, call = _officer(request, slug)
    ask = _ask(request)
    page = Paginator(panel.panel_for_user(user=user, call=call, ask=ask), PAGE).get_page(request.GET.get("page"))
    return render(request, "awards/panel.html", _context(request, user, call, ask, page))


def _context(request: HttpRequest, user: Any, call: Call, ask: PanelAsk, page: Any, **more: Any) -> dict[str, Any]:
    given = request.POST if request.method == "POST" else request.GET
    ticked = set(given.getlist("take"))
    draws, rules = lots_of(call=call), call.rules.review
    rows = [_row(row, row.code in ticked, given.get(f"credits-{row.code}")) for row in page]
    for row, *_ in rows:
        row.tier = tier_of(rules, row.score) if rules else None
        row.lot = place_of(draws, row.code)
    amounts = [_amount(given.get(f"credits-{row.code}"), row) for row in page if row.code in ticked]
    filters = {"state": ask.state, "score": ask.score_from, "country": ask.country, "q": ask.words, "sort": ask.sort}
    return {
        "call": call,
        "rules": call.rules,
        "ask": ask,
        "page": page,
        "rows": rows,
        "simulation": panel.simulate(call=call, amounts=[a for a in amounts if a]),
        "countries": panel.countries_of(user=user, call=call),
        "held": len(panel.held_for_user(user=user, call=call)) if ask.state != "held" else page.paginator.count,
        "reasons": PanelReasonsForm(request.POST if "simulate" in request.POST else None),
        "sorts": panel.SORT_WORDS,
        "draws": draws,
        "lottery": bool(rules and rules.lottery),
        "reciprocal": bool(rules and rules.reciprocal),
        "query": urlencode({name: value for name, value in filters.items() if value}),
        **more,
    }


def _row(row: Any, taken: bool, written: str | None) -> tuple[Any, bool, str | None, str]:
    row.apart = row.score is not None and row.score_high - row.score_low >= panel.DIVERGENCE
    row.advised = None if row.recommended is None else int(row.recommended)
    return row, taken, written, credits_text(panel.suggested(row))


@login_required
@require_POST
def panel_decide(request: HttpRequest, slug: str) -> HttpResponse:
    """Only add up, or decide all that are ticked; each stands or falls alone."""
    user, call = _officer(request, slug)
    ask = PanelAsk(state="open", sort="score")
    chosen = panel.panel_for_user(user=user, call=call, ask=ask).filter(code__in=request.POST.getlist("take")[:PAGE])
    rows = list(chosen.select_related("version__call", "call__current", "organisation", "submitted_by", "allocation"))
    if "simulate" in request.POST:
        page = Paginator(panel.panel_for_user(user=user, call=call, ask=ask), PAGE).get_page(request.POST.get("page"))
        return render(request, "awards/panel.html", _context(request, user, call, ask, page))
    if not rows:
        raise Malformed("Tick the applications to decide first.", field="take")
    outcome = Outcome.AWARDED if request.POST.get("outcome") == "award" else Outcome.REJECTED
    reason = "reason" if outcome == Outcome.AWARDED else "reason_reject"
    results = panel.decide_many(
        applications=rows,
        outcome=outcome,
        amounts={row.pk: _amount(request.POST.get(f"credits-{row.code}"), row) for row in rows},
        template=text_fitting(request.POST.get(reason, ""), most=10_000, field=reason),
        hold="hold" in request.POST,
        by=user,
        at=timezone.now(),
    )
    return render(request, "awards/panel_results.html", {"call": call, "rules": call.rules, "results": results})


@login_required
@require_POST
def panel_publish(request: HttpRequest, slug: str) -> HttpResponse:
    """Publish every held decision of the call."""
    user, call = _officer(request, slug)
    results = panel.publish_many(decisions=panel.held_for_user(user=user, call=call), by=user, at=timezone.now())
    return render(request, "awards/panel_results.html", {"call": call, "rules": call.rules, "results": results})


@login_required
@require_POST
def panel_lot(request: HttpRequest, slug: str) -> HttpResponse:
    """Announce a lot with a sealed seed, or draw the one that was announced."""
    user, call = _officer(request, slug)
    draw = lot_announce(call=call, by=user, at=timezone.now())
    if "draw" in request.POST:
        lot_draw(draw=draw, by=user, at=timezone.now())
    return redirect("awards:panel", slug=slug)


@login_required
@require_POST
def panel_reciprocal(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask the applicants of a closed call to review each other."""
    user, call = _officer(request, slug)
    made = reciprocal_assign(call=call, by=user, at=timezone.now())
    messages.success(request, f"{len(made)} reviews were asked for.")
    return redirect("awards:panel", slug=slug)


@login_required
@require_POST
def take_back(request: HttpRequest, code: str) -> HttpResponse:
    """Open an application again whose decision was not published."""
    user: Any = request.user
    check_role(user, Role.OFFICER)
    application = application_get_for_user(user=user, code=code)
    decision = appeals.decision_of(application)
    if decision is None:
        raise NotYours("decision")
    publishing.decision_take_back(
        decision=decision,
        reason=text_fitting(request.POST.get("reason", ""), most=5000, field="reason"),
        by=user,
        at=timezone.now(),
    )
    messages.success(request, f"{application.code} is open again; its credits are back in the pool.")
    return redirect("applications:detail", code=code)


def _officer(request: HttpRequest, slug: str) -> tuple[Any, Call]:
    user: Any = request.user
    check_role(user, Role.OFFICER)
    return user, call_get_for_user(slug=slug, user=user)


def _ask(request: HttpRequest) -> PanelAsk:
    score = request.GET.get("score", "")
    return PanelAsk(
        state=request.GET.get("state", "open"),
        score_from=float(score) if SCORE.fullmatch(score) else None,
        country=request.GET.get("country", "")[:2],
        words=request.GET.get("q", "")[:80],
        sort=request.GET.get("sort", "score"),
    )


def _amount(given: str | None, row: Application) -> int:
    """What stands in the row's field; nothing there means what is suggested, rubbish means zero, which is refused."""
    if not given:
        return panel.suggested(row)
    try:
        return credits_parse(given)
    except BadQuantity:
        return 0
