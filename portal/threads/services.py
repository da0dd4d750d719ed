"""Writes about threads. Who may write about what was decided by the caller."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed
from portal.core.words import text_fitting

from .models import Message, Seen, Thread
from .selectors import Shown, unread_count

TEXT_MAX = 10_000


@transaction.atomic
def message_post(
    *,
    about: str,
    title: str,
    url: str,
    text: str,
    staff: bool,
    to: Iterable[User],
    by: User,
    at: datetime,
    due_on: date | None = None,
) -> Message:
    """
    Write a message. Those concerned are told by mail once, until they have read what is there.

    :param to: whom it concerns, the writer aside
    :param due_on: the day by which an enterprise is answered that has not been waiting yet; none for staff
    :raises Malformed: an empty message, or one that is too long
    """
    words = text_fitting(text.replace("\x00", ""), most=TEXT_MAX, field="text")
    if not words:
        raise Malformed("Write something first.", field="text")
    told = [person for person in dict.fromkeys(to) if person.pk != by.pk and not unread_count(user=person, about=about)]
    message = Message.objects.create(about=about, author=by, staff=staff, text=words, at=at)
    _turn(about, staff=staff, due_on=due_on or at.date(), at=at)
    thread_seen(about=about, by=by, up_to=message.pk)
    audit.event_record(kind="message.posted", actor=by, about=about, at=at, message=message.pk)
    for person in told:
        _tell(person, title=title, url=url, message=message, at=at)
    return message


def _turn(about: str, *, staff: bool, due_on: date, at: datetime) -> None:
    """Whose turn it is now: an answer ends the waiting, a question begins it."""
    Thread.objects.get_or_create(about=about)
    rows = Thread.objects.filter(about=about)
    if staff:
        rows.update(waiting_since=None, due_on=None, reminded_at=None)
    else:
        rows.filter(waiting_since__isnull=True).update(waiting_since=at, due_on=due_on)


def threads_due(*, today: date) -> list[Thread]:
    """Threads whose answer is due, and whose answerers were not reminded; each is claimed by who calls `thread_remind`."""
    return list(Thread.objects.filter(due_on__lte=today, reminded_at__isnull=True).order_by("due_on", "pk")[:50])


def thread_remind(*, thread: Thread, to: Iterable[User], title: str, url: str, at: datetime) -> None:
    """Remind those who answer, once for each waiting."""
    claimed = Thread.objects.filter(pk=thread.pk, waiting_since=thread.waiting_since, reminded_at__isnull=True)
    if not claimed.update(reminded_at=at):
        return
    for person in to:
        audit.letter_queue(
            kind="message.due",
            to=person,
            at=at,
            about=thread.about,
            subject=f"To be answered by {thread.due_on:%-d %B}: a question about {title}",
            body=f"The enterprise asked on {thread.waiting_since:%-d %B %Y} and was told it would be answered by "
            f"{thread.due_on:%-d %B %Y}.\n\nAnswer here: {url}\n",
        )


def _tell(person: Any, *, title: str, url: str, message: Message, at: datetime) -> None:
    audit.letter_queue(
        kind="message",
        to=person,
        at=at,
        about=message.about,
        subject=f"A message about {title}",
        body=f"{message.author} writes:\n\n{message.text}\n\nAnswer here: {url}\n",
    )


def thread_seen(*, about: str, by: User, up_to: int) -> None:
    """Remember that a person has read the thread up to a message."""
    if not Seen.objects.filter(user=by, about=about).update(last=up_to):
        new = Seen(user=by, about=about, last=up_to)
        Seen.objects.bulk_create([new], update_conflicts=True, unique_fields=["user", "about"], update_fields=["last"])


def thread_opened(*, about: str, by: User, shown: Shown) -> None:
    """The same for what a page has just shown. One statement; not for use inside a transaction."""
    if not shown.unread:
        return
    up_to = shown.messages[-1].pk
    if shown.opened_before:
        Seen.objects.filter(user=by, about=about).update(last=up_to)
        return
    try:
        Seen.objects.create(user=by, about=about, last=up_to)
    except IntegrityError:  # opened in two windows at once
        Seen.objects.filter(user=by, about=about).update(last=up_to)
