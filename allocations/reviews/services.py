"""Writes about reviews: asked for, conflicts declared, drafts, handed in, reopened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from allocations.applications import services as applications
from allocations.applications.clock import working_day_after
from allocations.applications.models import Application
from allocations.applications.policies import check_may_officiate
from allocations.applications.states import Actor as ApplicationActor
from allocations.applications.states import S as ApplicationS
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from . import policies
from .models import Review
from .pool import check_has_room
from .scoring import scores_check, scores_read, total
from .selectors import reviews_of
from .states import WAITING, Actor, Conflict, S, check_transition


@transaction.atomic
def reviewers_assign(*, application: Application, reviewers: Sequence[User], by: User, at: datetime) -> list[Review]:
    """
    Ask people to review; the application goes into review. People asked already stay as they are.

    :raises NotAllowed: not an officer, an officer of the applicant's own, or somebody who cannot review it
    :raises Refusal: `no_reviewers`, `without_review`, `reviewer_full`, `reviewer_away`, `move_not_allowed`
    """
    check_may_officiate(user=by, application=application)
    rules = application.version.rules.review
    if rules is None:
        raise Refusal("without_review", "This call is decided without reviewers.")
    asked = {review.reviewer_id for review in reviews_of(application)}
    new = [person for person in dict.fromkeys(reviewers) if person.pk not in asked]
    if not new and not asked:
        raise Refusal("no_reviewers", f"Choose reviewers; this call wants {rules.reviewers}.", status=422)
    for person in new:
        policies.check_may_be_assigned(user=person, application=application)
    check_has_room(people=new, today=at.date())
    if application.state != ApplicationS.IN_REVIEW:
        applications.application_move(
            application=application, new=ApplicationS.IN_REVIEW, actor=ApplicationActor.OFFICER, at=at
        )
    due = working_day_after(at.date(), days=rules.working_days, country=application.version.rules.holidays_of)
    made = [
        Review.objects.create(
            application=application, reviewer=person, round=application.round, assigned_by=by, assigned_at=at, due_on=due
        )
        for person in new
    ]
    about = f"application:{application.code}"
    audit.event_record(kind="review.assigned", actor=by, about=about, at=at, reviewers=[person.pk for person in new])
    for review in made:
        review_invite(review, at=at)
    return made


@transaction.atomic
def conflict_declare(*, review: Review, has_conflict: bool, kind: str = "", note: str = "", by: User, at: datetime) -> None:
    """
    Declare a conflict, which closes the application to this reviewer for good, or that there is none, which opens it.

    :raises Malformed: a conflict without its kind
    """
    policies.check_own(user=by, review=review)
    _check_in_review(review)
    if has_conflict and kind not in list(Conflict):
        raise Malformed(f"Say which kind of conflict: {', '.join(Conflict)}.", field="kind")
    if not has_conflict and review.state == S.OPEN:
        return  # declared already
    new = S.CONFLICTED if has_conflict else S.OPEN
    fields = {"conflict_kind": kind if has_conflict else "", "conflict_note": note.strip(), "declared_at": at}
    _move(review, new, Actor.REVIEWER, **fields)
    audit.event_record(
        kind="review.conflict" if has_conflict else "review.no_conflict",
        actor=by,
        about=f"application:{review.application.code}",
        at=at,
        **({"conflict": kind} if has_conflict else {}),
    )


def review_save(
    *, review: Review, scores: Mapping[str, Any], recommended: int | None, comment: str, by: User, base: int | None
) -> bool:
    """
    Save a draft. False when another window of the same person saved a newer one since `base`.

    :param recommended: micro-credits, or None
    """
    policies.check_own(user=by, review=review)
    _check_in_review(review)
    if review.state != S.OPEN:
        raise Refusal("not_open", "This review is not open for writing.")
    values = {
        "scores": scores_read(_criteria(review), scores),
        "recommended_credits": recommended,
        "comment": comment.replace("\x00", "")[:5000],
        "revision": review.revision + 1,
    }
    rows = Review.objects.filter(pk=review.pk, state=S.OPEN, revision=review.revision if base is None else base)
    if not rows.update(**values):
        return False
    for name, value in values.items():
        setattr(review, name, value)
    return True


@transaction.atomic
def review_submit(
    *, review: Review, scores: Mapping[str, Any], recommended: int | None, comment: str = "", by: User, at: datetime
) -> None:
    """
    Hand a review in; from then on it is final.

    :raises Malformed: `incomplete`, a criterion without score or reason
    :raises Refusal: `move_not_allowed` when it was handed in before, or no conflict was declared yet
    """
    policies.check_own(user=by, review=review)
    check_transition(old=S(review.state), new=S.SUBMITTED, actor=Actor.REVIEWER)
    _check_in_review(review)
    if problems := scores_check(_criteria(review), scores):
        wrong = Malformed(next(iter(problems.values())), field=next(iter(problems)), code="incomplete")
        wrong.facts["problems"] = problems
        raise wrong
    asked = review.application.requested_credits or 0
    if recommended is not None and recommended > asked:
        raise Malformed("You cannot recommend more credits than were asked for.", field="recommended")
    _move(
        review,
        S.SUBMITTED,
        Actor.REVIEWER,
        scores=scores_read(_criteria(review), scores),
        total=total(_criteria(review), scores_read(_criteria(review), scores)),
        recommended_credits=recommended,
        comment=comment.replace("\x00", "")[:5000],
        revision=review.revision + 1,
        submitted_at=at,
    )
    audit.event_record(kind="review.submitted", actor=by, about=f"application:{review.application.code}", at=at)


@transaction.atomic
def review_decline(*, review: Review, note: str, by: User, at: datetime) -> None:
    """Say that one cannot review this; the officer asks somebody else."""
    policies.check_own(user=by, review=review)
    _move(review, S.DECLINED, Actor.REVIEWER, conflict_note=note.strip())
    audit.event_record(kind="review.declined", actor=by, about=f"application:{review.application.code}", at=at, note=note)


@transaction.atomic
def review_reopen(*, review: Review, reason: str, by: User, at: datetime) -> None:
    """Give a review back to its reviewer, with a reason that is kept."""
    check_may_officiate(user=by, application=review.application)
    _check_in_review(review)
    if not reason.strip():
        raise Malformed("Say why the review is opened again; it is kept.", field="reason")
    _move(review, S.OPEN, Actor.OFFICER, submitted_at=None, total=None)
    about = f"application:{review.application.code}"
    audit.event_record(kind="review.reopened", actor=by, about=about, at=at, review=review.pk, reason=reason.strip())
    audit.letter_queue(
        kind="review.reopened",
        to=review.reviewer,
        at=at,
        about=about,
        subject=f"Your review of {review.application.code} was opened again",
        body=f"{by} asks you to look at your review again:\n\n{reason.strip()}\n\n{_address(review)}\n",
    )


@transaction.atomic
def review_release(*, review: Review, by: User, at: datetime) -> None:
    """Take a request back that was not answered yet."""
    check_may_officiate(user=by, application=review.application)
    _move(review, S.RELEASED, Actor.OFFICER)
    audit.event_record(
        kind="review.released", actor=by, about=f"application:{review.application.code}", at=at, review=review.pk
    )


def reviews_close(*, application: Application) -> None:
    """Let those go who have not handed in when the decision falls; inside the decision's transaction."""
    Review.objects.filter(application=application, state__in=WAITING).update(state=S.RELEASED)


def _move(review: Review, new: S, actor: Actor, **fields: Any) -> None:
    """Compare-and-set, so that two presses of a button are one."""
    check_transition(old=S(review.state), new=new, actor=actor)
    if not Review.objects.filter(pk=review.pk, state=review.state).update(state=new, **fields):
        raise Refusal("changed_meanwhile", "This review changed just now. Look at it again.")
    review.state = new
    for name, value in fields.items():
        setattr(review, name, value)


def _check_in_review(review: Review) -> None:
    if review.application.state != ApplicationS.IN_REVIEW:
        raise Refusal("not_in_review", f"{review.application.code} is not in review now. Nothing was changed.")


def _criteria(review: Review) -> Any:
    rules = review.application.version.rules.review
    return rules.criteria if rules else []


def _address(review: Review) -> str:
    return f"{settings.PORTAL_URL}/reviews/{review.pk}/"


def review_invite(review: Review, *, at: datetime) -> None:
    """Write to somebody who is asked for a review."""
    application = review.application
    audit.letter_queue(
        kind="review.invited",
        to=review.reviewer,
        at=at,
        about=f"application:{application.code}",
        subject=f"Please review {application.code} by {review.due_on:%-d %B}",
        body=f"You are asked to review “{application.title}” of {application.organisation}, sent to "
        f"{application.version.rules.title}.\n\nFirst say whether anything stands between you and them; then you can open it. "
        f"Your review is due by {review.due_on:%A %-d %B %Y}.\n\n{_address(review)}\n",
    )
