"""Tokens for programs: made and shown once, found by their hash, revoked."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotYours, Refusal

from .models import ApiToken

PREFIX = "cct_"
DAYS_DEFAULT, DAYS_MAX = 90, 366
TOKENS_MAX = 20


def token_create(*, user: User, name: str, at: datetime, days: int = DAYS_DEFAULT, reads_only: bool = False) -> str:
    """Make a token for a person and return it: it is not kept and cannot be shown again."""
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user,
        name=name,
        hint=token[:10],
        token_hash=_hash(token),
        created_at=at,
        expires_at=at + timedelta(days=days),
        reads_only=reads_only,
    )
    return token


@transaction.atomic
def token_make(*, by: User, name: str, days: int, reads_only: bool, at: datetime) -> str:
    """
    Make a token for oneself, on one's page; one is told by mail, in case it was somebody else.

    :raises Malformed: without a name, with one that a living token has, or for longer than a year
    :raises Refusal: `too_many`
    """
    name = name.strip()
    if not name:
        raise Malformed("Say what it is for, so that you know it again.", field="name")
    if not 0 < days <= DAYS_MAX:
        raise Malformed(f"A token lives from one day to {DAYS_MAX} days.", field="days")
    living = tokens_of(user=by).filter(expires_at__gt=at)
    if living.filter(name__iexact=name).exists():
        raise Malformed("You have a token of that name. Revoke it first, or take another name.", field="name")
    if living.count() >= TOKENS_MAX:
        raise Refusal("too_many", f"You have {TOKENS_MAX} tokens. Revoke one that is not used any more.")
    token = token_create(user=by, name=name, at=at, days=days, reads_only=reads_only)
    _tell(by, f"A token for programs was made: {name}", "made", name, at)
    return token


@transaction.atomic
def token_revoke(*, by: User, pk: int, at: datetime) -> str:
    """
    Take a token of one's own back at once. Returns its name.

    :raises NotYours: there is none, or it is somebody else's
    """
    row = tokens_of(user=by).filter(pk=pk).first()
    if row is None:
        raise NotYours("token")
    row.delete()
    audit.event_record(kind="token.revoked", actor=by, about=f"person:{by.pk}", at=at, name=row.name)
    return row.name


def tokens_of(*, user: User) -> QuerySet[ApiToken]:
    """A person's tokens, the newest first."""
    return ApiToken.objects.filter(user=user).order_by("-pk")


def token_find(*, token: str, at: datetime) -> ApiToken | None:
    """A token that has not expired, of an active person."""
    row = ApiToken.objects.select_related("user").filter(token_hash=_hash(token), expires_at__gt=at).first()
    if row is None or not row.user.is_active:
        return None
    if row.last_used_on != at.date():  # once a day is enough to find forgotten tokens, and costs no write per call
        ApiToken.objects.filter(pk=row.pk).update(last_used_on=at.date())
    return row


def token_owner(*, token: str, at: datetime) -> User | None:
    """The active person behind a token that has not expired."""
    row = token_find(token=token, at=at)
    return row.user if row else None


def _tell(person: User, subject: str, deed: str, name: str, at: datetime) -> None:
    about = f"person:{person.pk}"
    audit.event_record(kind=f"token.{deed}", actor=person, about=about, at=at, name=name)
    audit.letter_queue(
        kind="security.token",
        to=person,
        at=at,
        about=about,
        subject=subject[:200],
        body="Programs that show it act as you. If it was not you, revoke it and change your password: "
        f"{settings.PORTAL_URL}/me/tokens/\n",
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
