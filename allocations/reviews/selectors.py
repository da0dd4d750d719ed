"""Reads of reviews for a person."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from allocations.applications.models import Application
from allocations.applications.states import S as ApplicationS
from allocations.calls.deciding import reviewers_wanted
from portal.accounts.models import Role, User
from portal.core.errors import NotYours

from .models import Review
from .states import COUNTED, READING, WAITING, S


def readable_applications(user: User) -> QuerySet[Review, Any]:
    """Ids of applications a person may read as their reviewer: declared free of conflict, and not taken back since."""
    return (
        Review.objects.filter(reviewer=user, state__in=READING)
        .exclude(application__state__in=[ApplicationS.WITHDRAWN, ApplicationS.EXPIRED])
        .values("application_id")
    )


def review_list_for_user(*, user: User) -> QuerySet[Review]:
    """The reviews a person was asked for, the most urgent first."""
    return (
        Review.objects.filter(reviewer=user)
        .select_related("application__version", "application__organisation", "application__call", "reviewer")
        .order_by("due_on", "pk")
    )


def review_waiting_for_user(*, user: User) -> QuerySet[Review]:
    """Those still to be declared or written."""
    return review_list_for_user(user=user).filter(state__in=WAITING, application__state=ApplicationS.IN_REVIEW)


def review_get_for_user(*, user: User, pk: int) -> Review:
    """
    One review: for its reviewer, and for officers who do not belong to the enterprise.

    :raises NotYours: otherwise
    """
    rows = Review.objects.select_related(
        "application__version__call", "application__organisation", "application__follows", "reviewer"
    )
    visible = Q(reviewer=user)
    if Role.OFFICER in user.role_set:
        own = user.memberships.filter(left_at__isnull=True).values("organisation_id")  # type: ignore[attr-defined]
        visible |= ~Q(application__organisation_id__in=own)
    review = rows.filter(visible, pk=pk).first()
    if review is None:
        raise NotYours("review")
    return review


def reviews_of(application: Application) -> list[Review]:
    """The reviews of the round under way."""
    return list(
        Review.objects.filter(application=application, round=application.round).select_related("reviewer").order_by("pk")
    )


def all_in(application: Application, reviews: list[Review] | None = None) -> bool:
    """Whether every review that was asked for is in, and as many as the call wants."""
    wanted = application.version.rules.review
    if wanted is None:
        return True
    rows = reviews_of(application) if reviews is None else reviews
    counted = [row for row in rows if row.state in COUNTED]
    enough = reviewers_wanted(wanted, application.requested_credits or 0).value
    return len(counted) >= enough and all(row.state == S.SUBMITTED for row in counted)


def others_of(review: Review) -> list[Review] | None:
    """The other reviews, or None while they must not be seen: before one's own and all others are in."""
    rules = review.application.version.rules.review
    rows = list(
        Review.objects.filter(application=review.application, round=review.round).select_related("reviewer").order_by("pk")
    )
    others = [row for row in rows if row.pk != review.pk and row.state == S.SUBMITTED]
    if review.state != S.SUBMITTED:
        return None
    if rules is not None and not rules.blind:
        return others
    return others if all_in(review.application, rows) else None
