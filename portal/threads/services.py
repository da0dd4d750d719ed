"""Writes about threads. Who may write about what was decided by the caller."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed

from .models import Message, Seen
from .selectors import unread_count

TEXT_MAX = 10_000


@transaction.atomic
def message_post(
    *, about: str, title: str, url: str, text: str, staff: bool, to: Iterable[User], by: User, at: datetime
) -> Message:
    """
    Write a message. Those concerned are told by mail once, until they have read what is there.

    :param to: whom it concerns, the writer aside
    :raises Malformed: an empty message, or one that is too long
    """
    words = text.replace("\x00", "").strip()
    if not words:
        raise Malformed("Write something first.", field="text")
    if len(words) > TEXT_MAX:
        raise Malformed(f"At most {TEXT_MAX} characters; this has {len(words)}.", field="text")
    told = [person for person in dict.fromkeys(to) if person.pk != by.pk and not unread_count(user=person, about=about)]
    message = Message.objects.create(about=about, author=by, staff=staff, text=words, at=at)
    thread_seen(about=about, by=by, up_to=message.pk)
    audit.event_record(kind="message.posted", actor=by, about=about, at=at, message=message.pk)
    for person in told:
        _tell(person, title=title, url=url, message=message, at=at)
    return message


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
    Seen.objects.update_or_create(user=by, about=about, defaults={"last": up_to})
