"""Writes about what happened and who is told."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import F

from portal.core.enqueue import enqueue

from .models import Event, Letter

log = logging.getLogger(__name__)
ATTEMPTS_MAX = 10


def event_record(*, kind: str, actor: Any, about: str, at: datetime, **facts: Any) -> Event:
    """
    Write down what happened, in the caller's transaction.

    :param about: `<kind>:<id>` of the thing, for example `application:A-7`
    """
    actor = actor if getattr(actor, "pk", None) else None
    return Event.objects.create(at=at, kind=kind, actor=actor, about=about, facts=facts)


def letter_queue(*, kind: str, to: Any, subject: str, body: str, at: datetime, about: str = "") -> Letter:
    """
    Write a letter to a person; it leaves after the commit.

    :param to: a person, or an address of somebody who has no account yet
    """
    address = to if isinstance(to, str) else to.email
    letter = Letter.objects.create(to=address, subject=subject, body=body, kind=kind, about=about, written_at=at, due_at=at)
    enqueue("portal.audit.tasks.letters_send")
    return letter


def letters_send(*, at: datetime) -> int:
    """Send every letter that is due; one that fails waits longer each time. Returns how many were sent."""
    sent = 0
    due = Letter.objects.filter(sent_at__isnull=True, due_at__lte=at, attempts__lt=ATTEMPTS_MAX).order_by("due_at")[:50]
    for letter in due:
        wait = timedelta(seconds=30 * 2**letter.attempts)
        claimed = Letter.objects.filter(pk=letter.pk, attempts=letter.attempts, sent_at__isnull=True).update(
            attempts=F("attempts") + 1, due_at=at + wait
        )
        if not claimed:
            continue
        try:
            send_mail(letter.subject, letter.body, settings.DEFAULT_FROM_EMAIL, [letter.to])
        except OSError:
            log.warning("letter %s to %s was not taken; next attempt in %s", letter.pk, letter.to, wait, exc_info=True)
            continue
        Letter.objects.filter(pk=letter.pk).update(sent_at=at)
        sent += 1
    return sent
