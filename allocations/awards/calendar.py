"""A calendar feed of a person's deadlines (iCalendar, RFC 5545), behind a link that only they know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.core import signing

from allocations.applications.selectors import application_list_for_user
from allocations.applications.states import S
from allocations.projects.selectors import allocation_list_for_user
from allocations.projects.states import S as AllocationS
from allocations.reports.selectors import report_list_for_user
from allocations.reports.states import OWED
from allocations.reviews.selectors import review_waiting_for_user
from portal.accounts.models import Role, User
from portal.core.errors import NotYours

from .selectors import QueueAsk, appeals_open, questions, queue_for_user

SALT = "calendar"
ENTRIES_MAX = 300


@dataclass(frozen=True)
class Entry:
    """A day to remember."""

    key: str
    day: date
    words: str
    path: str


def calendar_token(user: User) -> str:
    """The secret of a person's feed."""
    return signing.dumps(user.pk, salt=SALT)


def calendar_owner(token: str) -> User:
    """
    Whose feed it is.

    :raises NotYours: for a wrong link, or somebody who is shut out
    """
    try:
        pk = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        raise NotYours("calendar") from None
    user = User.objects.filter(pk=pk, is_active=True).first()
    if user is None:
        raise NotYours("calendar")
    return user


def entries(user: User) -> list[Entry]:
    """A person's days: answers promised to them, corrections due, reviews due, awards that end, what an officer owes."""
    return sorted(_all(user), key=lambda entry: (entry.day, entry.key))[:ENTRIES_MAX]


def _all(user: User) -> Iterator[Entry]:
    for row in application_list_for_user(user=user).filter(state__in=[S.SUBMITTED, S.IN_REVIEW, S.RETURNED])[:100]:
        path = f"/applications/{row.code}/"
        if row.answer_by:
            yield Entry(f"{row.code}-correct", row.answer_by, f"Send {row.code} again by today", path)
        elif row.promised_on:
            yield Entry(f"{row.code}-answer", row.promised_on, f"Answer promised on {row.code}", path)
    for review in review_waiting_for_user(user=user)[:100]:
        yield Entry(f"review-{review.pk}", review.due_on, f"Review of {review.application.code} due", f"/reviews/{review.pk}/")
    for report in report_list_for_user(user=user).filter(state__in=OWED)[:100]:
        words = f"{report.get_kind_display()} on {report.allocation.code} due"
        yield Entry(f"report-{report.pk}", report.due_on, words, f"/reports/{report.pk}/")
    for allocation in allocation_list_for_user(user=user).filter(state__in=[AllocationS.SCHEDULED, AllocationS.ACTIVE])[:100]:
        yield Entry(f"{allocation.code}-end", allocation.ends_on, f"{allocation.code} ends", f"/allocations/{allocation.code}/")
    if Role.OFFICER in user.role_set:
        for row in queue_for_user(user=user, ask=QueueAsk())[:100]:
            if row.promised_on:
                path = f"/applications/{row.code}/"
                yield Entry(f"{row.code}-decide", row.promised_on, f"Decision on {row.code} promised", path)
        for one in questions(user=user)[:100]:
            yield Entry(f"{one.code}-question", one.due_on, f"Answer the question on {one.code}", one.url)
        for appeal in appeals_open(user=user)[:100]:
            words = f"Answer the appeal on {appeal.application.code}"
            yield Entry(f"appeal-{appeal.pk}", appeal.due_on, words, f"/appeals/{appeal.pk}/")


def calendar_text(found: list[Entry], *, at: datetime) -> str:
    """The feed."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Compute Commons//Deadlines//EN", "X-WR-CALNAME:Compute Commons"]
    for entry in found:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{entry.key}@{settings.INSTANCE_ID}",
            f"DTSTAMP:{at:%Y%m%dT%H%M%SZ}",
            f"DTSTART;VALUE=DATE:{entry.day:%Y%m%d}",
            f"DTEND;VALUE=DATE:{entry.day + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{_escaped(entry.words)}",
            f"URL:{settings.PORTAL_URL}{entry.path}",
            "END:VEVENT",
        ]
    return "\r\n".join([*map(_folded, lines), "END:VCALENDAR", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> str:
    """Lines are at most 75 bytes; what follows a fold begins with a space."""
    parts, rest = [], line
    while len(rest.encode()) > 74:
        cut = 74
        while len(rest[:cut].encode()) > 74:
            cut -= 1
        parts.append(rest[:cut])
        rest = rest[cut:]
    return "\r\n ".join([*parts, rest])
