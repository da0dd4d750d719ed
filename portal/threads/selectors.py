"""Reads of threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat

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


def waiting_for_staff(*, besides: Sequence[QuerySet[Any]] = ()) -> list[Waiting]:
    """
    The threads in which an enterprise waits, the soonest due first; one query.

    :param besides: queries for what threads are about (`application:P-7`) that are left out
    """
    newest = Message.objects.filter(about=OuterRef("about")).order_by("-pk").values("pk")[:1]
    threads = Thread.objects.filter(due_on__isnull=False).order_by("due_on", "pk")
    for abouts in besides:
        threads = threads.exclude(about__in=abouts)
    rows = Message.objects.filter(pk__in=threads.values(newest=Subquery(newest))[:SHOWN]).select_related("author")
    due_on = Subquery(Thread.objects.filter(about=OuterRef("about")).values("due_on")[:1])
    found: Iterable[Any] = rows.annotate(due_on=due_on).order_by("due_on", "pk")
    return [Waiting(message.about, message, message.due_on) for message in found]


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


def unread_of(*, user: User, kind: str) -> Exists:
    """
    Whether a person has something to read in the thread of each row of a list of things with a `code`: an annotation, called
    `unread` where the line of a list says so.
    """
    about = Concat(Value(f"{kind}:"), OuterRef("code"))
    seen = Seen.objects.filter(user=user, about=OuterRef("about")).values("last")[:1]
    others = Message.objects.filter(about=about).exclude(author=user)
    return Exists(others.filter(pk__gt=Coalesce(Subquery(seen), 0)))
