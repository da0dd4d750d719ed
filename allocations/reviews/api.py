from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema

from allocations.applications.api import application_row
from allocations.applications.selectors import application_get_for_user
from portal.accounts.models import User
from portal.api.paging import PageAsk, page
from portal.api.root import caller
from portal.core.errors import Malformed
from portal.core.quantities import credits_text

from . import selectors, services
from .forms import recommended_read
from .models import Review
from .states import READING
from .steps import step_record, steps_missing, steps_planned

router = Router(tags=["reviews"])


class AssignIn(Schema):
    """Whom to ask, by e-mail address."""

    reviewers: list[str]


class StepIn(Schema):
    """The outcome of a step."""

    key: str
    passed: bool
    note: str


class ConflictIn(Schema):
    """A declaration."""

    has_conflict: bool
    kind: str = ""
    note: str = ""


class ScoreIn(Schema):
    """A score with its reason."""

    criterion: str
    score: int
    reason: str


class RecommendedIn(Schema):
    """What the reviewer would give. Credits as a decimal string; "0" means none."""

    credits: str | int | None = None


class ReviewIn(Schema):
    """A whole review."""

    scores: list[ScoreIn]
    recommended: RecommendedIn = RecommendedIn()
    comment: str = ""


class DeclineIn(Schema):
    """Why not."""

    note: str = ""


@router.post("/applications/{code}/assign")
def application_assign(request: HttpRequest, code: str, body: AssignIn) -> dict[str, Any]:
    """Officer: ask people to review; the application goes into review."""
    user = caller(request)
    application = application_get_for_user(user=user, code=code)
    wanted = [email.strip().lower() for email in body.reviewers]
    found = {person.email.lower(): person for person in User.objects.filter(email__in=wanted, is_active=True)}
    if missing := [email for email in wanted if email not in found]:
        raise Malformed(f"There is no reviewer {missing[0]}.", field="reviewers")
    services.reviewers_assign(application=application, reviewers=[found[email] for email in wanted], by=user, at=timezone.now())
    rows = [_row(review) for review in selectors.reviews_of(application)]
    return {**application_row(application), "reviews": rows}


@router.post("/applications/{code}/steps")
def application_step(request: HttpRequest, code: str, body: StepIn) -> dict[str, Any]:
    """Officer: record the outcome of a step of the call."""
    user = caller(request)
    application = application_get_for_user(user=user, code=code)
    step_record(application=application, key=body.key, passed=body.passed, note=body.note, by=user, at=timezone.now())
    missing = {plan.step.key for plan in steps_missing(application)}
    steps = [
        {"key": plan.step.key, "title": plan.step.title, "applies": plan.applies, "missing": plan.step.key in missing}
        for plan in steps_planned(application)
    ]
    return {**application_row(application), "steps": steps}


@router.get("/reviews")
def review_list(request: HttpRequest, ask: Query[PageAsk]) -> dict[str, Any]:
    """The reviews you were asked for."""
    return page(selectors.review_list_for_user(user=caller(request)), ask, _row)


@router.get("/reviews/{pk}")
def review_get(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One review: criteria, the application once no conflict was declared, the others' once all are in."""
    return _whole(selectors.review_get_for_user(user=caller(request), pk=pk), caller(request))


@router.post("/reviews/{pk}/conflict")
def review_conflict(request: HttpRequest, pk: int, body: ConflictIn) -> dict[str, Any]:
    """Declare a conflict, or that there is none."""
    user = caller(request)
    review = selectors.review_get_for_user(user=user, pk=pk)
    services.conflict_declare(
        review=review, has_conflict=body.has_conflict, kind=body.kind, note=body.note, by=user, at=timezone.now()
    )
    return _whole(review, user)


@router.post("/reviews/{pk}/submit")
def review_submit(request: HttpRequest, pk: int, body: ReviewIn) -> dict[str, Any]:
    """Hand it in; it is final."""
    user = caller(request)
    review = selectors.review_get_for_user(user=user, pk=pk)
    scores = {score.criterion: {"score": score.score, "reason": score.reason} for score in body.scores}
    services.review_submit(
        review=review,
        scores=scores,
        recommended=recommended_read(body.recommended.credits),
        comment=body.comment,
        by=user,
        at=timezone.now(),
    )
    return _whole(review, user)


@router.post("/reviews/{pk}/decline")
def review_decline(request: HttpRequest, pk: int, body: DeclineIn) -> dict[str, Any]:
    """Say that you cannot review this."""
    user = caller(request)
    review = selectors.review_get_for_user(user=user, pk=pk)
    services.review_decline(review=review, note=body.note, by=user, at=timezone.now())
    return _row(review)


def _row(review: Review) -> dict[str, Any]:
    return {
        "id": review.pk,
        "application": review.application.code,
        "title": review.application.title,
        "state": review.state,
        "round": review.round,
        "due_on": review.due_on,
        "submitted_at": review.submitted_at,
    }


def _whole(review: Review, user: User) -> dict[str, Any]:
    application = review.application
    rules = application.version.rules.review
    officer = review.reviewer_id != user.pk
    others = None if officer else selectors.others_of(review)
    brief = {"id": application.code, "title": application.title, "organisation": application.organisation.name}
    return {
        **_row(review),
        "criteria": [c.model_dump(mode="json") for c in rules.criteria] if rules else [],
        "application": application_row(application) if officer or review.state in READING else brief,
        "conflict": {"kind": review.conflict_kind, "note": review.conflict_note} if review.conflict_kind else None,
        **_judgement(review),
        "others": None if others is None else [_judgement(other) for other in others],
    }


def _judgement(review: Review) -> dict[str, Any]:
    credits = review.recommended_credits
    return {
        "scores": [{"criterion": key, **entry} for key, entry in review.scores.items()],
        "recommended": {"credits": None if credits is None else credits_text(credits)},
    }
