"""What other pages say about reviews."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from allocations.applications.models import Application
from allocations.applications.policies import may_officiate
from allocations.applications.states import S as ApplicationS

from . import selectors
from .forms import AssignForm
from .pool import candidates
from .ranking import threshold_findings, tier_of
from .scoring import average, divergent, total
from .states import S
from .steps import steps_done, steps_missing, steps_planned

SHOWN = 5


def on_dashboard(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """Reviews that wait for this person."""
    user: Any = request.user
    rows = list(selectors.review_waiting_for_user(user=user)[: SHOWN + 1])
    if not rows and "reviewer" not in user.role_set:
        return None
    return "reviews/card_mine.html", {"reviews": rows[:SHOWN], "more": len(rows) > SHOWN}


def on_application(request: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """For the officer: who was asked, what came in, and the form that asks more people."""
    user: Any = request.user
    rules = application.version.rules.review
    if rules is None or not may_officiate(user=user, application=application):
        return None
    reviews = selectors.reviews_of(application)
    handed = [review.scores for review in reviews if review.state == S.SUBMITTED]
    asking = application.state in (ApplicationS.SUBMITTED, ApplicationS.IN_REVIEW)
    if not reviews and not asking:
        return None
    return "reviews/card_officer.html", {
        "rows": [(review, total(rules.criteria, review.scores), _lines(rules.criteria, review.scores)) for review in reviews],
        "review_rules": rules,
        "average": average(rules.criteria, handed),
        "divergent": divergent(rules.criteria, handed),
        "below": [found.reason for found in threshold_findings(rules, handed) if not found.passes],
        "tier": tier_of(rules, average(rules.criteria, handed)),
        "all_in": selectors.all_in(application, reviews),
        "assign": AssignForm(candidates(application, today=timezone.now().date()), rules.reviewers) if asking else None,
        "resume": bool(reviews) and application.state == ApplicationS.SUBMITTED,
    }


def _lines(criteria: Any, scores: dict[str, Any]) -> list[tuple[Any, Any, str]]:
    return [(c, scores[c.key]["score"], scores[c.key]["reason"]) for c in criteria if c.key in scores]


def steps_on_application(request: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """For the officer: the steps of the call, which are done, and the form that records the next."""
    user: Any = request.user
    if not application.version.rules.steps or not may_officiate(user=user, application=application):
        return None
    done, missing = steps_done(application), steps_missing(application)
    keys = {plan.step.key for plan in missing}
    rows = [(plan, done.get(plan.step.key), plan.applies and plan.step.key not in keys) for plan in steps_planned(application)]
    return "reviews/card_steps.html", {
        "rows": rows,
        "next": next((plan for plan in missing if plan.step.kind != "review"), None),
        "writes": application.state in (ApplicationS.SUBMITTED, ApplicationS.IN_REVIEW),
    }
