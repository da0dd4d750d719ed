"""Reads of threads."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Max

from portal.accounts.models import User

from .models import Message, Seen

SHOWN = 100


def thread(*, about: str) -> list[Message]:
    """The newest messages about a thing, oldest first."""
    return list(reversed(Message.objects.filter(about=about).select_related("author").order_by("-pk")[:SHOWN]))


def unread_count(*, user: User, about: str) -> int:
    """How many messages of others a person has not read."""
    last = Seen.objects.filter(user=user, about=about).values_list("last", flat=True).first() or 0
    return Message.objects.filter(about=about, pk__gt=last).exclude(author=user).count()


def waiting_for_staff(*, prefix: str) -> list[Message]:
    """The last message of each thread whose last word was the enterprise's, oldest first."""
    last = Message.objects.filter(about__startswith=prefix).values("about").annotate(last=Max("pk")).values("last")
    return list(Message.objects.filter(pk__in=last, staff=False).select_related("author").order_by("at")[:SHOWN])


def unread_map(*, user: User, abouts: Sequence[str]) -> dict[str, bool]:
    """For many threads, whether a person has something to read there; two queries."""
    last = dict(Message.objects.filter(about__in=abouts).exclude(author=user).values_list("about").annotate(last=Max("pk")))
    seen = dict(Seen.objects.filter(user=user, about__in=abouts).values_list("about", "last"))
    return {about: last.get(about, 0) > seen.get(about, 0) for about in abouts}
