"""Applicants review each other, where a call says so: asked once after it closed, and a duty that counts at the award."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db import transaction

from allocations.applications import services as applications
from allocations.applications.clock import working_day_after
from allocations.applications.models import Application
from allocations.applications.states import Actor, S
from allocations.calls.models import Call
from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.audit import services as audit
from portal.core.errors import Refusal

from .models import Review
from .ranking import reciprocal_pairs
from .services import review_invite
from .states import S as ReviewS


@transaction.atomic
def reciprocal_assign(*, call: Call, by: User, at: datetime) -> list[Review]:
    """
    Ask the applicants of a call that has closed to review each other. Asking again asks only who was not asked.

    :raises Refusal: `not_reciprocal`, or `call_open` while more may still come
    """
    check_role(by, Role.OFFICER)
    rules = call.rules.review
    if rules is None or rules.reciprocal is None:
        raise Refusal("not_reciprocal", "Applicants of this call do not review each other.")
    if call.intake(at).open:
        raise Refusal("call_open", "Applicants are asked once the call has closed, so that all take part.")
    rows = {
        row.code: row
        for row in Application.objects.filter(call=call, state__in=[S.SUBMITTED, S.IN_REVIEW], round=1).select_related(
            "version__call", "organisation", "submitted_by"
        )
    }
    due = working_day_after(at.date(), days=rules.reciprocal.working_days, country=call.rules.holidays_of)
    made = []
    pairs = reciprocal_pairs({code: row.organisation_id for code, row in rows.items()}, rules.reciprocal.reviews_each)
    for code, others in pairs.items():
        person = rows[code].submitted_by
        for other in others if person is not None else []:
            review, new = Review.objects.get_or_create(
                application=rows[other],
                reviewer=person,
                round=1,
                defaults={"assigned_by": by, "assigned_at": at, "due_on": due, "duty_of": rows[code]},
            )
            made += [review] if new else []
    for row in rows.values():
        if row.state == S.SUBMITTED:
            applications.application_move(application=row, new=S.IN_REVIEW, actor=Actor.OFFICER, at=at)
    for review in made:
        review_invite(review, at=at)
    audit.event_record(kind="review.reciprocal", actor=by, about=f"call:{call.slug}", at=at, asked=len(made))
    return made


def duty_owed(application: Application) -> int:
    """How many reviews its applicant was asked for and has not handed in; a declared conflict is no debt."""
    states = Counter(Review.objects.filter(duty_of=application).values_list("state", flat=True))
    return states[ReviewS.INVITED] + states[ReviewS.OPEN] + states[ReviewS.DECLINED]
