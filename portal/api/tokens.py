"""Tokens for programs."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from portal.accounts.models import User

from .models import ApiToken

PREFIX = "cct_"
DAYS_DEFAULT = 90


def token_create(*, user: User, name: str, at: datetime, days: int = DAYS_DEFAULT) -> str:
    """Make a token for a person and return it: it is not kept and cannot be shown again."""
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user, name=name, hint=token[:10], token_hash=_hash(token), created_at=at, expires_at=at + timedelta(days=days)
    )
    return token


def token_owner(*, token: str, at: datetime) -> User | None:
    """The active person behind a token that has not expired."""
    row = ApiToken.objects.select_related("user").filter(token_hash=_hash(token), expires_at__gt=at).first()
    if row is None or not row.user.is_active:
        return None
    if row.last_used_on != at.date():  # once a day is enough to find forgotten tokens, and costs no write per call
        ApiToken.objects.filter(pk=row.pk).update(last_used_on=at.date())
    return row.user


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
