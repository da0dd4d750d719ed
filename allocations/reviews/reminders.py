"""Reminds reviewers two working days before the day and on it, once each; after it the officer is told once."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from allocations.applications.clock import working_day_after
from allocations.applications.states import S as ApplicationS
from portal.audit import services as audit

from .models import Review
from .states import WAITING

AHEAD_WORKING_DAYS = 2


def reviews_remind(*, at: datetime) -> None:
    """Look at reviews that come due; safe to run twice at once."""
    soon = working_day_after(at.date(), days=AHEAD_WORKING_DAYS, country="BE")
    waiting = Review.objects.filter(
        state__in=WAITING, application__state=ApplicationS.IN_REVIEW, due_on__lte=soon, reminded__lt=3
    ).select_related("application__version", "application__organisation", "reviewer", "assigned_by")
    for review in waiting[:200]:
        step = 1 + (at.date() >= review.due_on) + (at.date() > review.due_on)
        if step > review.reminded:
            _remind(review, step, at=at)


@transaction.atomic
def _remind(review: Review, step: int, *, at: datetime) -> None:
    if not Review.objects.filter(pk=review.pk, reminded=review.reminded, state=review.state).update(reminded=step):
        return
    code, day = review.application.code, f"{review.due_on:%A %-d %B}"
    if step < 3:
        audit.letter_queue(
            kind="review.reminder",
            to=review.reviewer,
            at=at,
            about=f"application:{code}",
            subject=f"Your review of {code} is due {'today' if step == 2 else 'by ' + day}",
            body=f"“{review.application.title}” waits for your review, due by {day}. If you cannot write it, decline: the "
            f"officer then asks somebody else.\n\n{settings.PORTAL_URL}/reviews/{review.pk}/\n",
        )
    elif review.assigned_by is not None:
        audit.letter_queue(
            kind="review.late",
            to=review.assigned_by,
            at=at,
            about=f"application:{code}",
            subject=f"A review of {code} is late",
            body=f"{review.reviewer} was to hand in by {day}. You may ask somebody else and take the request back.\n\n"
            f"{settings.PORTAL_URL}/applications/{code}/\n",
        )
