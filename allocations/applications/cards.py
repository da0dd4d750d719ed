"""What other pages say about applications."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest
from django.utils import timezone

from allocations.calls.afterwards import release_parts
from allocations.calls.conditions import conditions
from allocations.calls.deciding import pool_of, reviewers_wanted, start_finding, steps_of
from allocations.calls.document import Start
from allocations.calls.eligibility import eligibility
from allocations.calls.models import Call, CallVersion
from allocations.calls.pricing import price_of
from allocations.calls.selectors import call_list_public
from portal.accounts.models import User
from portal.organisations.models import Organisation
from portal.organisations.policies import MAY_APPLY, org_role
from portal.threads.selectors import unread_of

from . import selectors
from .forms import PageForm, pages
from .models import Application
from .screenings import result_of
from .states import OPEN

SHOWN = 5


def on_organisation(request: HttpRequest, *, organisation: Organisation) -> tuple[str, dict[str, Any]]:
    """For which calls the enterprise qualifies, and why not for the others."""
    now, user = timezone.now(), cast("User", request.user)
    facts = selectors.facts_of(organisation=organisation, today=now.date())
    rows = [
        (call, call.rules, call.intake(now), eligibility(rules=call.rules.who, facts=facts, call=call.slug))
        for call in call_list_public()
    ]
    rows.sort(key=lambda row: (row[3].eligible is False, not row[2].open))
    may_apply = org_role(user=user, organisation_id=organisation.pk) in MAY_APPLY
    return "applications/card_qualifies.html", {"rows": rows, "may_apply": may_apply}


def on_dashboard(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """The person's applications that are under way, each with whose turn it is."""
    user: Any = request.user
    theirs = selectors.application_list_for_user(user=user).filter(state__in=OPEN).prefetch_related(None)
    rows = list(theirs.annotate(unread=unread_of(user=user, kind="application"))[: SHOWN + 1])
    if not rows:
        return None
    return "applications/card_mine.html", {"applications": rows[:SHOWN], "more": len(rows) > SHOWN}


def on_call(_: HttpRequest, *, call: Call) -> tuple[str, dict[str, Any]] | None:
    """The button that begins an application."""
    intake = call.intake(timezone.now())
    return ("applications/card_apply.html", {"call": call}) if intake.open else None


def form_preview(_: HttpRequest, *, call: Call, document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The wizard's pages as an applicant would see them, empty and asleep."""
    application = Application(call=call, version=CallVersion(call=call, number=0, document=document))
    shown = [(page, PageForm(page, application)) for page in pages(application.version.rules)]
    return "applications/card_preview.html", {"shown": shown}


def screening_on_application(_: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """What the AI Act screening said, for everybody who reads the application."""
    if not application.version.rules.ai_screening:
        return None
    result = result_of(application)
    return ("applications/screening_result.html", {"result": result}) if result else None


def rules_on_application(_: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """What the call's rules make of this application, rule by rule, in the words that decide."""
    if application.state not in OPEN or application.requested_credits is None:
        return None
    rules, now = application.version.rules, timezone.now()
    facts = selectors.facts_for_conditions(application=application, today=now.date())
    found = conditions(rules, facts=facts, answers=application.answers, asked=application.requested)
    amount = application.requested_credits
    reasons = [one.reason for one in found.values()]
    if rules.prices:
        reasons.append(price_of(rules.prices, size=facts.size, legal_form=facts.legal_form or "").reason)
    if rules.start != Start():
        reasons.append(start_finding(rules.start, today=now.date())[1].reason)
    reasons += [plan.reason for plan in steps_of(rules, amount)]
    if rules.review and rules.review.by_amount:
        reasons.append(f"Reviewers: {reviewers_wanted(rules.review, amount).reason}")
    if rules.pools:
        reasons.append(f"Paid from {pool_of(rules, application.answers).reason}")
    reasons += [part.reason for part in release_parts(rules.release, amount) if rules.release and part.reason]
    return ("applications/card_rules.html", {"reasons": reasons}) if reasons else None
