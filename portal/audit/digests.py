"""One mail a day for those who wish it: what may wait, until when, and how many letters become one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

MORNING = time(7)
DAILY = "daily"
SUBJECT_MAX = 200
# What goes at once whatever a person wished: access, money, what runs now, decisions.
AT_ONCE = (
    "security.",
    "person.",
    "allocation.",
    "session.",
    "storage.",
    "organisation.invitation",
    "application.decided",
)


class Said(Protocol):
    """What a digest needs of a letter."""

    subject: str
    body: str


def may_wait(kind: str) -> bool:
    """Whether a letter of this kind waits for the morning where its reader wishes one mail a day."""
    return not kind.startswith(AT_ONCE)


def waits_until(*, to: Any, kind: str, at: datetime) -> datetime | None:
    """When a letter goes out that waits for the reader's morning; None for one that goes at once."""
    if getattr(to, "mail_rhythm", "") != DAILY or not may_wait(kind):
        return None
    return morning_after(at, zone=to.zone)


def morning_after(at: datetime, *, zone: ZoneInfo) -> datetime:
    """The next morning on the clock of a zone, in UTC; the morning itself counts for what was written before it."""
    local = at.astimezone(zone)
    day = local.date() if local.time() < MORNING else local.date() + timedelta(days=1)
    return _moment(day, zone)


def _moment(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, MORNING, zone).astimezone(UTC)


def digest_of(letters: Sequence[Said], *, page: str) -> tuple[str, str]:
    """Subject and body of the mail that several letters become; one alone keeps its subject."""
    first = letters[0].subject
    subject = first if len(letters) == 1 else f"{len(letters)} news from Compute Commons: {first} …"
    parts = [f"{'=' * 60}\n{letter.subject}\n\n{letter.body.strip()}" for letter in letters]
    body = "\n\n".join(parts) if len(letters) > 1 else letters[0].body.strip()
    return subject[:SUBJECT_MAX], f"{body}\n\n-- \nYou asked for one mail a day. Change it here: {page}\n"
