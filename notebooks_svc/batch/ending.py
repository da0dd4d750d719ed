"""Walks batch holds on: books once a day, the end of what is used up or no longer allowed, and the last settlement."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from allocations.projects.policies import may_use_among
from allocations.projects.selectors import not_usable_any_more
from notebooks_svc.sessions.mirror import sites_mirror_now

from .models import BatchHold, BatchPerson
from .pricing import smallest_minute
from .selectors import unsettled
from .services import batch_close
from .settling import batch_settle
from .states import LIVE, S

log = logging.getLogger(__name__)
QUIET = timedelta(seconds=30)  # accounting has had so long to tell of what has just ended


def batch_advance_due(*, at: datetime) -> None:
    """Take a step with every batch hold that may need one. One hold's trouble is not the others'."""
    behind = Q(state=S.CLOSED, jobs__is_behind=True, jobs__ended__isnull=False, due_at__lte=at)
    rows = BatchHold.objects.filter(Q(state__in=LIVE) | behind).select_related("allocation").distinct()
    for hold in rows:
        try:
            _advance(hold, at=at)
        except Exception:
            log.exception("batch hold %s could not be advanced", hold.pk)


def _advance(hold: BatchHold, *, at: datetime) -> None:
    if hold.state == S.CLOSING and _nothing_more_comes(hold):
        batch_settle(id=hold.pk, final=True, at=at)
        return
    if hold.state == S.OPEN and hold.hold_amount - unsettled(hold=hold) < smallest_minute(hold.rate):
        # What runs may go on as far as the site's own fence lets it; nothing of it is charged beyond the hold.
        batch_close(hold=hold, by=None, reason="used_up", let_finish=True, at=at)
    if hold.due_at <= at:
        batch_settle(id=hold.pk, at=at)


def _nothing_more_comes(hold: BatchHold) -> bool:
    """The site takes nothing more, nothing lives there, and accounting has had time to tell of what ended."""
    if hold.shut_at is None or hold.quiet_since is None or hold.collected_at is None:
        return False
    return hold.collected_at >= max(hold.shut_at, hold.quiet_since) + QUIET


def no_longer_allowed(*, at: datetime) -> int:
    """
    End what its allocation or its people no longer allow. Returns how many people or holds were touched.

    What goes on rightly costs a handful of queries, however much of it there is.
    """
    rows = BatchHold.objects.filter(state__in=LIVE).exclude(state=S.CLOSING, let_finish=False)
    holds = list(rows.select_related("allocation"))
    over = not_usable_any_more(sorted({hold.allocation.code for hold in holds}))
    people = list(BatchPerson.objects.filter(hold__in=holds, left_at=None).select_related("user", "hold__allocation"))
    allowed = may_use_among({(person.user_id, person.hold.allocation_id) for person in people})
    touched = 0
    for person in people:
        if (person.user_id, person.hold.allocation_id) not in allowed:
            touched += BatchPerson.objects.filter(pk=person.pk, left_at=None).update(left_at=at)
            sites_mirror_now()  # their jobs are ended and their association goes with the next mirror
    left = set(BatchPerson.objects.filter(hold__in=holds, left_at=None).values_list("hold_id", flat=True))
    for hold in holds:
        reason = "allocation_ended" if hold.allocation.code in over else "person_left" if hold.pk not in left else ""
        if reason:
            batch_close(hold=hold, by=None, reason=reason, let_finish=False, at=at)
            touched += 1
    return touched
