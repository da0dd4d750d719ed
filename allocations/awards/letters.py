"""What applicants are told about decisions."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from allocations.applications.states import Outcome
from portal.audit import services as audit
from portal.core.quantities import credits_text

from .models import Appeal, Decision


def decided(decision: Decision, *, at: datetime) -> None:
    """The decision in three lines and where the whole letter is."""
    application = decision.application
    if application.submitted_by is None:
        return
    where = f"{settings.PORTAL_URL}/applications/{application.code}/decision/"
    if decision.outcome == Outcome.AWARDED and decision.allocation is not None:
        subject = f"Awarded: {credits_text(decision.credits)} credits for {application.code}"
        body = (
            f"Your application “{application.title}” was awarded {credits_text(decision.credits)} credits "
            f"until {decision.allocation.ends_on:%-d %B %Y}.\n\n"
            + ("This was decided by a rule, not by a person; the letter shows the rule.\n\n" if decision.automatic else "")
            + f"The letter with the reasons: {where}\n"
            f"Start working: {settings.PORTAL_URL}/allocations/{decision.allocation.code}/\n"
        )
    else:
        subject = f"The decision on your application {application.code}"
        body = (
            f"Your application “{application.title}” was not awarded this time.\n\n{decision.reason}\n\n"
            f"The letter with all reasons, and how to appeal: {where}\n"
        )
    audit.letter_queue(
        kind="application.decided",
        to=application.submitted_by,
        at=at,
        about=f"application:{application.code}",
        subject=subject,
        body=body,
    )


def appeal_answered(appeal: Appeal, *, at: datetime) -> None:
    """The answer to an appeal."""
    application = appeal.application
    if appeal.by is None:
        return
    accepted = appeal.state == Appeal.State.ACCEPTED
    words = "Other people will look at it again" if accepted else "The decision stands"
    audit.letter_queue(
        kind="application.appeal",
        to=appeal.by,
        at=at,
        about=f"application:{application.code}",
        subject=f"Your appeal on {application.code}",
        body=f"{words}.\n\n{appeal.answer}\n\n{settings.PORTAL_URL}/applications/{application.code}/\n",
    )
