"""
Ends sessions that nobody uses, after a warning: what is not used costs others their place, and its owner credits.

In use is: a busy kernel, a person who has it open, a program that computes, a Dask cluster. The notebook server tells its hub
when that last was so, and the hub is asked once for all sessions of a site. A hub that does not answer says nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from allocations.catalogue.models import Site
from portal.accounts.models import User
from portal.audit import services as audit

from . import policies
from .doors.hub import HubUnreachable, hub_door
from .models import Cluster, ClusterState, Session
from .services import note_add, session_stop
from .states import S, Target
from .warning import idle_warn

log = logging.getLogger(__name__)
WARNED_FOR = timedelta(minutes=15)  # between the warning and the end


def idle_sessions(*, at: datetime) -> int:
    """Warn whom nobody uses, end who was warned, and forget the warning of those in use again. Returns how many were ended."""
    if not settings.IDLE_MINUTES:
        return 0
    ended = 0
    for site in Site.objects.filter(enabled=True):
        running = Session.objects.filter(resource__site=site, state=S.READY, target_state=Target.READY)
        # Nobody can be idle before the first session has run that long: then the hub is not asked.
        if not running.filter(ready_at__lte=at - _limit()).exists():
            continue
        try:
            activity = hub_door(site.hub_url).activity()
        except HubUnreachable as error:
            log.warning("activity at %s: %s", site, error)
            continue
        ended += _site_idle(list(running.select_related("user", "resource")), activity, at=at)
    return ended


def _limit() -> timedelta:
    return timedelta(minutes=settings.IDLE_MINUTES)


def _site_idle(sessions: list[Session], activity: dict[str, datetime], *, at: datetime) -> int:
    ended = 0
    rows = Cluster.objects.filter(session__in=sessions).exclude(state=ClusterState.ENDED)
    with_cluster = set(rows.values_list("session_id", flat=True))
    for session in sessions:
        used = activity.get(session.pk)
        if used is None or session.ready_at is None:
            continue
        since = max(filter(None, (used, session.ready_at, session.kept_at)))
        if session.pk in with_cluster or at - since < _limit():
            _in_use(session, at=at)
        elif session.idle_end is None:
            _warn(session, since=since, at=at)
        elif at >= session.idle_end:
            session_stop(session=session, by=None, reason="idle", at=at)
            ended += 1
    return ended


def _in_use(session: Session, *, at: datetime) -> None:
    if session.idle_end is not None and Session.objects.filter(pk=session.pk, idle_end__isnull=False).update(idle_end=None):
        note_add(session, "It is in use again and goes on.", at=at)


def _warn(session: Session, *, since: datetime, at: datetime) -> None:
    end = at + WARNED_FOR
    if session.deadline is not None and session.deadline <= end:
        return  # it ends by itself before
    with transaction.atomic():
        if Session.objects.filter(pk=session.pk, state=S.READY, idle_end=None).update(idle_end=end):
            idle_warn(session, idle_end=end, since=since, at=at)


def session_keep(*, session: Session, by: User, at: datetime) -> None:
    """
    Its owner still needs it: the count of what is idle begins anew. Safe to repeat.

    :raises NotAllowed: for others who may see the session
    """
    policies.check_owner(user=by, session=session, what="keep it running")
    with transaction.atomic():
        if Session.objects.filter(pk=session.pk, state=S.READY, idle_end__isnull=False).update(kept_at=at, idle_end=None):
            note_add(session, "Kept running.", at=at)
            audit.event_record(kind="session.kept", actor=by, about=session.subject, at=at)
