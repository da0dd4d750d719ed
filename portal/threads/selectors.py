"""Reads of threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Max, Subquery

from portal.accounts.models import User

from .models import Message, Seen, Thread

SHOWN = 100


def thread(*, about: str) -> list[Message]:
    """The newest messages about a thing, oldest first."""
    return list(reversed(Message.objects.filter(about=about).select_related("author").order_by("-pk")[:SHOWN]))


def unread_count(*, user: User, about: str) -> int:
    """How many messages of others a person has not read."""
    last = Seen.objects.filter(user=user, about=about).values_list("last", flat=True).first() or 0
    return Message.objects.filter(about=about, pk__gt=last).exclude(author=user).count()


@dataclass(frozen=True)
class Waiting:
    """A thread in which an enterprise waits: its newest message, and the day by which it is answered."""

    about: str
    message: Message
    due_on: date


def waiting_for_staff(*, prefix: str) -> list[Waiting]:
    """The threads in which an enterprise waits, the soonest due first; two queries."""
    threads = list(Thread.objects.filter(about__startswith=prefix, due_on__isnull=False).order_by("due_on", "pk")[:SHOWN])
    last = Message.objects.filter(about__in=[one.about for one in threads]).values("about").annotate(last=Max("pk"))
    rows = Message.objects.filter(pk__in=last.values("last")).select_related("author")
    newest = {message.about: message for message in rows}
    return [Waiting(one.about, newest[one.about], one.due_on) for one in threads if one.about in newest and one.due_on]


@dataclass(frozen=True)
class Shown:
    """A thread as a person opens it: what they have not read of it, and by which day an enterprise that waits is answered."""

    messages: Sequence[Message]
    unread: int
    due_on: date | None
    opened_before: bool


def thread_shown(*, user: User, about: str) -> Shown:
    """The newest messages about a thing, and all that its page says of them; one query."""
    rows = Message.objects.filter(about=about).select_related("author")
    found = rows.annotate(
        read_up_to=Subquery(Seen.objects.filter(user=user, about=about).values("last")[:1]),
        due_on=Subquery(Thread.objects.filter(about=about).values("due_on")[:1]),
    ).order_by("-pk")[:SHOWN]
    messages = list(reversed(found))
    if not messages:
        return Shown([], 0, None, opened_before=False)
    last, due_on = messages[0].read_up_to, messages[0].due_on
    unread = sum(message.pk > (last or 0) and message.author_id != user.pk for message in messages)
    return Shown(messages, unread, due_on, opened_before=last is not None)


def answers_since(*, since: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """
    Every question asked since then that was answered: about what, when an enterprise first wrote, when the programme did. One
    query; what is written while somebody waits begins no waiting of its own.
    """
    rows = Message.objects.filter(at__gte=since).order_by("about", "pk").values_list("about", "staff", "at")
    asked: tuple[str, datetime] | None = None
    for about, staff, at in rows.iterator(chunk_size=2000):
        if asked is not None and asked[0] != about:
            asked = None
        if not staff:
            asked = asked or (about, at)
        elif asked is not None:
            yield about, asked[1], at
            asked = None


def unread_map(*, user: User, abouts: Sequence[str]) -> dict[str, bool]:
    """For many threads, whether a person has something to read there; two queries."""
    last = dict(Message.objects.filter(about__in=abouts).exclude(author=user).values_list("about").annotate(last=Max("pk")))
    seen = dict(Seen.objects.filter(user=user, about__in=abouts).values_list("about", "last"))
    return {about: last.get(about, 0) > seen.get(about, 0) for about in abouts}


def unread_mark(*, user: User, rows: Iterable[Any], kind: str) -> None:
    """Set `unread` on each of the rows of a list (things with a `code`), so that their line says so; two queries for all."""
    rows = list(rows)
    found = unread_map(user=user, abouts=[f"{kind}:{row.code}" for row in rows]) if rows else {}
    for row in rows:
        row.unread = found[f"{kind}:{row.code}"]
