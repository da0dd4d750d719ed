"""What people are told about their batch holds: that one is used up, or closed, with the final figures."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from portal.audit import services as audit
from portal.core.quantities import credits_text

from .models import BatchHold
from .states import ENDS


def page_of(hold: BatchHold) -> str:
    """The address of its page."""
    return f"{settings.PORTAL_URL}/batch-holds/{hold.pk}/"


def closed(hold: BatchHold, *, at: datetime) -> None:
    """It is over: to everybody who had it, and to who opened it."""
    people = {person.user for person in hold.people.select_related("user")} | {hold.opened_by}
    used_up = hold.close_reason == "used_up"
    subject = "The credits for your batch jobs are used up" if used_up else "Your batch hold is closed"
    returned = hold.amount - hold.charged
    text = (
        f"{ENDS[hold.close_reason]} Of {credits_text(hold.amount)} credits set aside on {hold.resource}, "
        f"{credits_text(hold.charged)} were charged"
        + (f"; {credits_text(returned)} are back on the allocation." if returned else ".")
        + " Jobs can no longer be submitted with it; the site refuses them."
        + (" To go on, set more credits aside on the allocation's page." if used_up else "")
    )
    for person in sorted(people, key=lambda user: user.pk):
        if not person.is_active:
            continue
        audit.letter_queue(
            kind="batch.used_up" if used_up else "batch.closed",
            to=person,
            subject=f"{subject} ({hold.allocation.code})",
            body=f"Hello {person.short_name},\n\n{text}\n\nEvery job and its price: {page_of(hold)}\n",
            at=at,
            about=f"allocation:{hold.allocation.code}",
        )
