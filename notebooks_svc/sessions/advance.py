"""
Walks one session a step towards its target. Runs from a message or from the sweep; the row says when it is due, and whoever
moves `due_at` on has the row for that while.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from allocations.ledger import services as ledger
from allocations.ledger.refusals import LedgerRefusal
from portal.core.errors import Refusal

from . import services
from .doors.agent import AgentUnreachable, agent_door
from .doors.hub import HubDoor, HubUnreachable, hub_door
from .models import Session
from .services import note_add, session_move
from .states import BEFORE_READY, OPEN, Actor, S, Target
from .warning import deadline_warn, warn_due

log = logging.getLogger(__name__)
CLAIM = timedelta(seconds=20)  # longer than any step's calls can take
LOOK_AGAIN = timedelta(seconds=5)
STOP_AGAIN = timedelta(seconds=4)
CANCEL_AFTER = timedelta(seconds=12)  # a hub that has not stopped it by then is helped by the agent
DEADLINE_GRACE = timedelta(seconds=20)
BOOT_GRACE = timedelta(seconds=30)
QUEUEING = ("slurm",)  # engines that tell when a launch has left their queue


def sessions_advance_due(*, at: datetime) -> int:
    """Take a step with every session that is due. Returns how many."""
    due = list(Session.objects.filter(state__in=OPEN, due_at__lte=at).order_by("due_at").values_list("pk", flat=True)[:100])
    for session_id in due:
        try:
            session_advance(session_id=session_id, at=timezone.now())
        except Exception:
            # One session's trouble is not the others'; its row is due again after the claim.
            log.exception("session %s could not be advanced", session_id)
    return len(due)


def session_advance(*, session_id: str, at: datetime) -> None:
    """Claim a session that is due and take one step."""
    session = (
        Session.objects.select_related("user", "allocation__organisation", "resource__site__provider", "profile")
        .filter(pk=session_id, state__in=OPEN, due_at__lte=at)
        .first()
    )
    if session is None:
        return
    claimed = Session.objects.filter(pk=session.pk, due_at=session.due_at, state=session.state).update(due_at=at + CLAIM)
    if not claimed:
        return
    session.due_at = at + CLAIM
    if session.sent_at is None:
        _session_to_sent(session, at=at)
    elif session.target_state == Target.ENDED:
        _session_to_stopped(session, at=at)
    elif session.state in BEFORE_READY:
        _session_to_started(session, at=at)
    else:
        _session_watched(session, at=at)


def _again(session: Session, at: datetime, wait: timedelta) -> None:
    Session.objects.filter(pk=session.pk, due_at=session.due_at).update(due_at=at + wait)


def _session_to_sent(session: Session, *, at: datetime) -> None:
    """Mark the row sent, commit, and only then let the first byte leave: from there no clock closes the hold."""
    if session.target_state == Target.ENDED:
        services.session_withdraw(session=session, failure="", at=at)
        return
    try:
        with transaction.atomic():
            # The session's row before its hold, as withdrawing does: two who meet here wait for each other in one order.
            marked = Session.objects.filter(pk=session.pk, sent_at=None, target_state=Target.READY).update(sent_at=at)
            if not marked:
                raise _Overtaken
            ledger.hold_mark_sent(id=session.pk)
            session.sent_at = at
            session_move(session, S.QUEUED, Actor.PORTAL)
            note_add(session, f"Sent to {session.resource}.", at=at)
    except _Overtaken:
        _again(session, at, timedelta(0))
        return
    except LedgerRefusal:
        services.session_withdraw(session=session, failure="not_sent", at=at)
        return
    _session_to_started(session, at=at, fresh=True)


class _Overtaken(Exception):
    """The row's target changed between our look and our write."""


def _session_to_started(session: Session, *, at: datetime, fresh: bool = False) -> None:
    """Have the hub start it; when the hub has lost it (it was killed, say) ask again. The launch id makes that safe."""
    if at > session.queue_until:
        services.session_stop(session=session, by=None, reason="queue_over", at=at)
        return
    # What waits in a scheduler's queue starts when it leaves it; elsewhere it starts when it is sent.
    began = session.started_at or session.sent_at
    if session.state == S.STARTING and began and at > began + _boot_allowance(session):
        services.session_stop(session=session, by=None, reason="boot_over", at=at)
        return
    door = hub_door(session.resource.site.hub_url)
    name = session.user.hub_username
    try:
        server = None if fresh else door.server_get(name, session.pk)
        if server is None or not (server.ready or server.pending):
            _ask_hub(door, session, name)
        queues = session.resource.site.engine in QUEUEING
        if session.state == S.QUEUED and not queues and session_move(session, S.STARTING, Actor.PORTAL):
            note_add(session, "The site is starting Jupyter.", at=at)
    except HubUnreachable as error:
        attempts = session.attempts + 1
        if attempts == 1:
            note_add(session, "The site does not answer yet; trying again. Nothing is charged while it waits.", at=at)
        log.warning("hub of %s: %s", session.resource.site, error)
        Session.objects.filter(pk=session.pk).update(attempts=attempts)
        _again(session, at, timedelta(seconds=min(15, 2**attempts)))
        return
    _again(session, at, LOOK_AGAIN)


def _ask_hub(door: HubDoor, session: Session, name: str) -> None:
    if door.server_start(name, session.pk) == "user_unknown":
        door.user_ensure(name)
        door.server_start(name, session.pk)


def _boot_allowance(session: Session) -> timedelta:
    return timedelta(seconds=session.boot_s) + BOOT_GRACE


def _session_to_stopped(session: Session, *, at: datetime) -> None:
    """Ask the hub to stop it, and the agent when the hub does not; only a look ends it."""
    if session.state != S.STOPPING and session_move(session, S.STOPPING, Actor.PORTAL):
        note_add(session, "Stopping.", at=at)
    site = session.resource.site
    try:
        hub_door(site.hub_url).server_stop(session.user.hub_username, session.pk)
        hub_answers = True
    except HubUnreachable as error:
        log.warning("hub of %s: %s", site, error)
        hub_answers = False
    asked = session.stop_asked_at or at
    if not hub_answers or at > asked + CANCEL_AFTER:
        try:
            agent_door(site.agent_url).cancel(session.pk, reason=session.stop_reason)
        except AgentUnreachable as error:
            log.warning("agent of %s: %s", site, error)
    _again(session, at, STOP_AGAIN)
    from .looking import site_look_soon

    site_look_soon(site.slug)


def _session_watched(session: Session, *, at: datetime) -> None:
    """A running session: finish a pending extension, warn of the deadline, and help one that was missed."""
    for wish in session.holds.filter(confirmed=False):
        try:
            services.extension_confirm(session=session, wish=wish, at=at)
        except Refusal as refusal:
            log.info("extension of %s: %s", session.pk, refusal)
    # Minutes that are held but not confirmed yet may have been taken by the engine: they are paid for.
    pending = sum(session.holds.filter(confirmed=False).values_list("minutes", flat=True))
    latest = session.deadline + timedelta(minutes=pending) if session.deadline else None
    if latest and at > latest + DEADLINE_GRACE:
        log.warning("session %s is past its deadline and was not seen to end; stopping it", session.pk)
        services.session_stop(session=session, by=None, reason="deadline", at=at)
        return
    deadline_warn(session, at=at)
    wait = LOOK_AGAIN if pending or latest is None else latest + DEADLINE_GRACE - at
    if warn := warn_due(session):
        wait = min(wait, warn - at)
    _again(session, at, max(LOOK_AGAIN, wait))
