"""Who is reminded when. Each row remembers when it was last reminded of, so asking often writes no letter twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from . import letters
from .due import working_days_after
from .models import Access
from .states import A

LATE_AGAIN, ENDING_SOON = timedelta(days=3), timedelta(days=14)


def requests_remind(*, at: datetime) -> None:
    """Tell stewards of requests due by the next working day, and of late ones every three days."""
    soon = working_days_after(at.date(), 1)
    rows = Access.objects.filter(state=A.REQUESTED, due_on__lte=soon)
    _remind(rows.filter(Q(reminded_at__isnull=True) | Q(reminded_at__lte=at - LATE_AGAIN)), letters.to_steward_reminder, at)


def grants_remind(*, at: datetime) -> None:
    """Tell projects of grants that end within two weeks although the project goes on, once."""
    rows = Access.objects.filter(state=A.GRANTED, granted_until__lte=(at + ENDING_SOON).date(), granted_until__gte=at.date())
    rows = rows.filter(dataset__access_class="controlled", allocation__ends_on__gt=(at + ENDING_SOON).date())
    _remind(rows.filter(Q(reminded_at__isnull=True) | Q(reminded_at__lte=at - ENDING_SOON)), letters.to_applicant_ending, at)


def _remind(rows, letter, at: datetime) -> None:  # type: ignore[no-untyped-def]
    for access in rows.select_related(
        "dataset__steward", "dataset__delegate", "dataset__organisation", "allocation__organisation", "asked_by"
    )[:200]:
        with transaction.atomic():
            claimed = Access.objects.filter(pk=access.pk, state=access.state, reminded_at=access.reminded_at)
            if claimed.update(reminded_at=at):
                letter(access, at=at)
