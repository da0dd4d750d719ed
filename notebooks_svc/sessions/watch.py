"""Pulls what has ended elsewhere: allocations that are no longer active, people who left."""

from __future__ import annotations

from datetime import datetime

from allocations.projects.policies import may_use_among
from allocations.projects.selectors import not_usable_any_more

from .models import Session
from .services import session_stop
from .states import OPEN, Target


def no_longer_allowed(*, at: datetime) -> int:
    """
    Stop sessions whose allocation is not active or whose person may not use it any more. Returns how many.

    What goes on rightly costs a handful of queries, however much of it there is.
    """
    running = Session.objects.filter(state__in=OPEN, target_state=Target.READY)
    rows = list(running.values_list("pk", "user_id", "allocation_id", "allocation__code"))
    over = not_usable_any_more(sorted({code for *_, code in rows}))
    allowed = may_use_among({(user, allocation) for _, user, allocation, _ in rows})
    reasons = {}
    for pk, user, allocation, code in rows:
        if code in over:
            reasons[pk] = "allocation_ended"
        elif (user, allocation) not in allowed:
            reasons[pk] = "person_left"
    for session in running.filter(pk__in=list(reasons)).select_related("user", "allocation__organisation"):
        session_stop(session=session, by=None, reason=reasons[session.pk], at=at)
    return len(reasons)
