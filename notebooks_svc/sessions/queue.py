"""What a look says of a launch that waits in a scheduler's queue: why, until when, and the moment it leaves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from notebooks_svc.wire import LookItem
from portal.audit import services as audit

from .models import Session
from .services import note_add, session_move
from .states import Actor, S

QUEUE_FIELDS = ("state", "waiting", "starts_at")
WAITED_LONG = timedelta(minutes=2)  # who waited longer than this has looked away: a letter says that it starts
ESTIMATE_STEP_S = 60.0


def queue_differs(item: LookItem | None, state: str, waiting: str, starts_at: datetime | None) -> bool:
    """Whether a look says something new of a launch that was waiting."""
    if item is None or item.state != "alive" or state != S.QUEUED:
        return False
    return item.started is not None or item.waiting != waiting or _moved(item, starts_at)


def _moved(item: LookItem, starts_at: datetime | None) -> bool:
    if item.starts is None or starts_at is None:
        return item.starts is not None or starts_at is not None
    return abs(item.starts - starts_at.timestamp()) >= ESTIMATE_STEP_S


def queue_apply(session: Session, item: LookItem, *, at: datetime) -> None:
    """Keep why it waits; when it has left the queue, start its boot clock and tell who has waited long."""
    if session.state != S.QUEUED or item.source != "scheduler":
        return
    if item.started is None:
        starts_at = _moment(item.starts)
        Session.objects.filter(pk=session.pk, state=S.QUEUED).update(waiting=item.waiting[:300], starts_at=starts_at)
        if item.waiting and item.waiting != session.waiting:
            note_add(session, f"Waiting, free of charge. {item.waiting}", at=at)
        session.waiting, session.starts_at = item.waiting, starts_at
        return
    started = datetime.fromtimestamp(item.started, UTC)
    if session_move(session, S.STARTING, Actor.SITE, started_at=started, waiting="", starts_at=None):
        note_add(session, "A place was found. The site is starting Jupyter.", at=at)
        if at - session.requested_at >= WAITED_LONG:
            audit.letter_queue(
                kind="session.starting",
                to=session.user,
                subject="Your notebook is starting",
                body=f"{session.resource} has a place for your session {session.pk[-6:]}. It will be ready in a minute or two; "
                "only then the minutes you bought begin to count.\n\nStop it on its page if you do not need it any more.",
                about=session.subject,
                at=at,
            )


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
