"""Pulls what has ended elsewhere: allocations that are no longer active, people who left."""

from __future__ import annotations

from datetime import datetime

from allocations.projects.policies import may_use
from allocations.projects.selectors import not_usable_any_more

from .models import Session
from .services import session_stop
from .states import OPEN, Target


def no_longer_allowed(*, at: datetime) -> int:
    """Stop sessions whose allocation is not active or whose person may not use it any more. Returns how many."""
    rows = list(
        Session.objects.filter(state__in=OPEN, target_state=Target.READY).select_related("user", "allocation__organisation")
    )
    over = not_usable_any_more(sorted({session.allocation.code for session in rows}))
    stopped = 0
    for session in rows:
        if session.allocation.code in over:
            session_stop(session=session, by=None, reason="allocation_ended", at=at)
        elif not may_use(user=session.user, allocation=session.allocation):
            session_stop(session=session, by=None, reason="person_left", at=at)
        else:
            continue
        stopped += 1
    return stopped
