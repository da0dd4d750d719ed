"""
The end of a project's files: kept for 30 days after its allocation, told 7 days and a day before, then deleted.

Nothing is deleted on a day that was not told at least a week before: a reminder that could not be sent moves the day.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta

from django.db import transaction

from allocations.catalogue.models import Site
from allocations.projects.states import FILES_KEPT_DAYS, S
from notebooks_svc.sessions.doors.agent import AgentRefused, AgentUnreachable, agent_door
from notebooks_svc.sessions.models import Session
from notebooks_svc.sessions.states import OVER
from portal.audit import services as audit
from portal.objects import admin
from portal.objects.door import vendor

from . import letters
from .keeping import STORE_ERRORS
from .models import Keeping

log = logging.getLogger(__name__)
TOLD_DAYS_BEFORE = (7, 1)
BATCH = 20


def endings_due(*, at: datetime) -> None:
    """Set the day for what has ended, remind, delete what is due."""
    ended = Keeping.objects.filter(allocation__state__in=[S.CLOSING, S.CLOSED], deleted_at__isnull=True)
    for keeping in ended.filter(delete_on__isnull=True).select_related("allocation__organisation")[: 10 * BATCH]:
        since = (keeping.allocation.ended_at or at).date()
        Keeping.objects.filter(pk=keeping.pk, delete_on=None).update(delete_on=since + timedelta(days=FILES_KEPT_DAYS))
    near = at.date() + timedelta(days=max(TOLD_DAYS_BEFORE))
    for keeping in ended.filter(delete_on__lte=near).select_related("allocation__organisation").order_by("delete_on")[:BATCH]:
        if not _remind(keeping, at=at) and keeping.delete_on is not None and keeping.delete_on <= at.date():
            _delete(keeping, at=at)


@transaction.atomic
def _remind(keeping: Keeping, *, at: datetime) -> bool:
    """Tell once at each mark. Returns whether a letter was written now."""
    assert keeping.delete_on is not None  # noqa: S101 (the caller looked)
    told, today = keeping.reminded_on, at.date()
    if told is None:  # the first letter comes a week before, or the day moves
        keeping.delete_on = max(keeping.delete_on, today + timedelta(days=max(TOLD_DAYS_BEFORE)))
    elif not _mark_passed(told, keeping.delete_on, today):
        return False
    changed = Keeping.objects.filter(pk=keeping.pk, reminded_on=told).update(reminded_on=today, delete_on=keeping.delete_on)
    if changed:
        letters.deletion_near(keeping, at=at)
    return True


def _mark_passed(told: date, last: date, today: date) -> bool:
    marks = [last - timedelta(days=days) for days in TOLD_DAYS_BEFORE]
    return any(told < mark <= today < last for mark in marks)


def _delete(keeping: Keeping, *, at: datetime) -> None:
    allocation = keeping.allocation
    if allocation.state != S.CLOSED or Session.objects.filter(allocation=allocation).exclude(state__in=OVER).exists():
        return  # something still runs and is being stopped: its files are left to it
    try:
        hands_out = vendor()
        if hands_out is not None and keeping.has_bucket:
            admin.bucket_remove(hands_out.connection, hands_out.connection.team_bucket(allocation.code))
        left = _folders_remove(allocation.code)
    except (AgentUnreachable, *STORE_ERRORS):
        log.exception("%s: its files could not be deleted; tried again at the next turn", allocation.code)
        return
    with transaction.atomic():
        gone = Keeping.objects.filter(pk=keeping.pk, deleted_at=None).update(
            deleted_at=at, bucket_bytes=0, bucket_objects=0, folder_bytes=0, folder_files=0, has_denials=False
        )
        if gone:
            about = f"allocation:{allocation.code}"
            audit.event_record(kind="storage.deleted", actor=None, about=about, at=at, bytes=keeping.bytes)
            letters.deleted(keeping, left_at_site=left, at=at)


def _folders_remove(code: str) -> bool:
    """Delete a team's folders at the sites. Returns whether one is the site's own to delete."""
    left = False
    for url in Site.objects.filter(enabled=True).order_by("pk").values_list("agent_url", flat=True).distinct():
        try:
            agent_door(url).folder_remove(code)
        except AgentRefused as refusal:
            log.info("%s: folders at the site are the site's own to delete: %s", code, refusal)
            left = True
    return left
