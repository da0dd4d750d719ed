"""
Told before it ends: nearing its deadline, or because nobody uses it.

The page and JupyterLab warn twice; a letter goes out once, and only where there is time to read it. Ten minutes and two before
the end, less for short sessions. What is extended is warned anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse

from portal.audit import services as audit
from portal.core.quantities import credits_text

from .models import Session
from .services import note_add

FIRST, LAST = timedelta(minutes=10), timedelta(minutes=2)
FIRST_SHARE, LAST_SHARE = 3, 10  # of a short session: a third, a tenth of what was bought
LETTER_FROM = timedelta(minutes=5)  # with less time than this nobody reads a letter before the end
SAVE_BEFORE = (timedelta(seconds=30), timedelta(seconds=5))  # when JupyterLab is asked to save everything


@dataclass(frozen=True)
class Notice:
    """What a person is told. `urgent` is the last time; `moment` is when it ends."""

    moment: datetime
    text: str
    urgent: bool


def leads(minutes: int) -> tuple[timedelta, timedelta]:
    """How long before its end a session of so many minutes is warned first, and last."""
    bought = timedelta(minutes=minutes)
    return min(FIRST, bought / FIRST_SHARE), min(LAST, bought / LAST_SHARE)


def warn_due(session: Session) -> datetime | None:
    """When the session is to be warned next; None when it was, or has no deadline."""
    if session.deadline is None or session.warned_deadline == session.deadline:
        return None
    return session.deadline - leads(session.minutes)[0]


def deadline_warn(session: Session, *, at: datetime) -> None:
    """Warn of the deadline: a line in its story, and a letter where there is time to act on it. Once for each deadline."""
    if session.deadline is None or (due := warn_due(session)) is None or at < due:
        return
    written = Session.objects.filter(pk=session.pk).exclude(warned_deadline=session.deadline)
    if not written.update(warned_deadline=session.deadline):
        return
    session.warned_deadline = session.deadline
    left = session.deadline - at
    note_add(session, f"It ends in {_minutes(left)}. Save your work; add time if you need it.", at=at)
    if left < LETTER_FROM:
        return
    audit.letter_queue(
        kind="session.ends_soon",
        to=session.user,
        subject=f"Your notebook ends in {_minutes(left)}",
        body=f"Your session {session.pk[-6:]} on {session.resource} ends at {_clock(session, session.deadline)}, when the "
        "minutes you bought are used up. What you have saved is kept.\n\n"
        f"Add time on its page if you need it: {page_url(session)}",
        about=session.subject,
        at=at,
    )


def idle_warn(session: Session, *, idle_end: datetime, since: datetime, at: datetime) -> None:
    """Tell the person that nobody uses their session, and when it will be ended."""
    note_add(
        session, f"Nobody has used it for {_minutes(at - since)}. Unless you do, it ends in {_minutes(idle_end - at)}.", at=at
    )
    audit.letter_queue(
        kind="session.idle",
        to=session.user,
        subject="Your notebook is not in use and will be ended",
        body=f"Nothing has run and nobody has looked into your session {session.pk[-6:]} on {session.resource} since "
        f"{_clock(session, since)}. It ends at {_clock(session, idle_end)}; what is left of the credits set aside returns. "
        f"It costs {credits_text(session.rate_per_hour)} credits an hour while it stays.\n\n"
        f"Still in use? Open its page and press “Keep it running”: {page_url(session)}",
        about=session.subject,
        at=at,
    )


def warning_of(session: Session, *, at: datetime) -> Notice | None:
    """What the session's page and JupyterLab show now, if anything; the nearer end of two."""
    moments = [_at_deadline(session, at=at), _at_idle_end(session)]
    return min((found for found in moments if found), key=lambda found: found.moment, default=None)


def _at_deadline(session: Session, *, at: datetime) -> Notice | None:
    if session.deadline is None:
        return None
    first, last = leads(session.minutes)
    if at < session.deadline - first:
        return None
    text = "The minutes you bought are nearly used up. Save your work, or add time."
    return Notice(session.deadline, text, at >= session.deadline - last)


def _at_idle_end(session: Session) -> Notice | None:
    if session.idle_end is None:
        return None
    return Notice(session.idle_end, "Nobody uses this notebook, so it will be ended. Use it, or keep it running here.", False)


def lab_plan(session: Session, *, at: datetime) -> dict[str, Any]:
    """
    What JupyterLab shows and does by itself, in seconds from now: messages, and when to save everything that is open.

    Seconds rather than moments, because a person's own clock may be wrong.
    """
    if session.deadline is None:
        return {"messages": [], "saves": []}
    left = session.deadline - at
    passed = [lead for lead in leads(session.minutes) if lead >= left]
    # Who opens the workbench late is told at once, and once.
    messages = [_message(session.deadline, lead, left) for lead in leads(session.minutes) if lead not in passed[:-1]]
    saves = [(left - lead).total_seconds() for lead in SAVE_BEFORE if left > lead]
    return {"messages": messages, "saves": saves, "page": page_url(session)}


def _message(deadline: datetime, lead: timedelta, left: timedelta) -> dict[str, Any]:
    return {
        "id": f"{deadline.timestamp():.0f}-{lead.total_seconds():.0f}",
        "in_s": max(0.0, (left - lead).total_seconds()),
        "text": f"This notebook ends in {_minutes(min(lead, left))}. What is open is saved just before.",
    }


def page_url(session: Session) -> str:
    """The session's page."""
    return f"{settings.PORTAL_URL}{reverse('sessions:detail', args=[session.pk])}"


def _clock(session: Session, moment: datetime) -> str:
    return moment.astimezone(session.user.zone).strftime("%H:%M %Z")


def _minutes(left: timedelta) -> str:
    seconds = left.total_seconds()
    if seconds < 90:
        return f"{max(0, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes"
