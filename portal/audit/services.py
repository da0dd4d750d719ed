"""Writes about what happened and who is told."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F

from portal.core.enqueue import enqueue

from .digests import digest_of, waits_until
from .models import Event, Letter

log = logging.getLogger(__name__)
ATTEMPTS_MAX, DIGEST_MAX = 10, 100


def event_record(*, kind: str, actor: Any, about: str, at: datetime, **facts: Any) -> Event:
    """
    Write down what happened, in the caller's transaction.

    :param about: `<kind>:<id>` of the thing, for example `application:A-7`
    """
    actor = actor if getattr(actor, "pk", None) else None
    return Event.objects.create(at=at, kind=kind, actor=actor, about=about, facts=facts)


def letter_queue(*, kind: str, to: Any, subject: str, body: str, at: datetime, about: str = "") -> Letter:
    """
    Write a letter to a person; it leaves after the commit, or with the others of the day in the morning where they wish so and
    its kind may wait.

    :param to: a person, or an address of somebody who has no account yet
    """
    address = to if isinstance(to, str) else to.email
    morning = waits_until(to=to, kind=kind, at=at)
    letter = Letter.objects.create(
        to=address,
        subject=subject,
        body=body,
        kind=kind,
        about=about,
        written_at=at,
        due_at=morning or at,
        digest=morning is not None,
    )
    if morning is None:
        enqueue("portal.audit.tasks.letters_send")
    return letter


def digest_end(*, to: Any, at: datetime) -> None:
    """Send at once what still waits for a person's morning: they wish each mail by itself from now on."""
    Letter.objects.filter(to=to.email, digest=True, sent_at__isnull=True, attempts=0).update(digest=False, due_at=at)
    enqueue("portal.audit.tasks.letters_send")


def letters_send(*, at: datetime) -> int:
    """Send every letter that is due; one that fails waits longer each time. Returns how many mails were sent."""
    due = Letter.objects.filter(sent_at__isnull=True, due_at__lte=at, attempts__lt=ATTEMPTS_MAX)
    sent = 0
    for letter in due.filter(digest=False).order_by("due_at")[:50]:
        sent += _send([letter], subject=letter.subject, body=letter.body, at=at)
    for address in list(due.filter(digest=True).values_list("to", flat=True).distinct().order_by("to")[:50]):
        letters = list(due.filter(digest=True, to=address).order_by("pk")[:DIGEST_MAX])
        if letters:
            subject, body = digest_of(letters, page=f"{settings.PORTAL_URL}/me/")
            sent += _send(letters, subject=subject, body=body, at=at)
    return sent


def _send(letters: list[Letter], *, subject: str, body: str, at: datetime) -> int:
    """One mail for some letters to one address. Whoever moves the first of them on has them all."""
    first, rest = letters[0], [letter.pk for letter in letters[1:]]
    wait = timedelta(seconds=30 * 2**first.attempts)
    moved = {"attempts": F("attempts") + 1, "due_at": at + wait}
    with transaction.atomic():
        if not Letter.objects.filter(pk=first.pk, attempts=first.attempts, sent_at__isnull=True).update(**moved):
            return 0
        Letter.objects.filter(pk__in=rest).update(**moved)
    try:
        send_mail(subject, body, settings.DEFAULT_FROM_EMAIL, [first.to])
    except OSError:
        log.warning("letter %s to %s was not taken; next attempt in %s", first.pk, first.to, wait, exc_info=True)
        return 0
    Letter.objects.filter(pk__in=[first.pk, *rest]).update(sent_at=at)
    return 1
