"""What other pages say about reviews."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from allocations.applications.models import Application
from allocations.applications.policies import may_officiate
from allocations.applications.states import S as ApplicationS

from . import selectors
from .forms import AssignForm
from .scoring import average, divergent, total
from .states import S

SHOWN = 5


def on_dashboard(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """Reviews that wait for this person."""
    user: Any = request.user
    if "reviewer" not in user.role_set:
        return None
    rows = list(selectors.review_waiting_for_user(user=user)[: SHOWN + 1])
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
        "all_in": selectors.all_in(application, reviews),
        "assign": AssignForm(selectors.reviewers_for(application), rules.reviewers) if asking else None,
        "resume": bool(reviews) and application.state == ApplicationS.SUBMITTED,
    }


def _lines(criteria: Any, scores: dict[str, Any]) -> list[tuple[Any, Any, str]]:
    return [(c, scores[c.key]["score"], scores[c.key]["reason"]) for c in criteria if c.key in scores]
