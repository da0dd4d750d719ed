"""The first operator of an installation without demo: made by whoever holds the link that `up` printed, once."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core import signing
from django.db import transaction

from portal.core.errors import Refusal

from . import services
from .models import Role, RoleGrant, User

SALT = "first-operator"
LIFE = timedelta(days=7)


def operator_exists() -> bool:
    """Whether anybody is an operator."""
    return RoleGrant.objects.filter(role=Role.OPERATOR).exists()


def link_token() -> str:
    """What the link carries: signed, and of no use once there is an operator."""
    return signing.dumps("make the first operator", salt=SALT)


def check_link(token: str) -> None:
    """
    Let a link pass that is ours, young, and unused.

    :raises Refusal: `link_over` (410)
    """
    try:
        signing.loads(token, salt=SALT, max_age=LIFE)
    except signing.BadSignature:
        raise Refusal("link_over", "This link is not valid. `manage.py operator_link` prints a new one.", status=410) from None
    if operator_exists():
        raise Refusal("link_over", "The first operator has been made; this link works no more.", status=410)


@transaction.atomic
def first_operator_create(*, token: str, email: str, full_name: str, password: str, at: datetime) -> User:
    """
    Make the first operator.

    :raises Refusal: `link_over` (410)
    """
    check_link(token)
    person = services.person_create(email=email, full_name=full_name, password=password, verified=True, at=at)
    services.role_grant(user=person, role=Role.OPERATOR, by=None, at=at)
    return person
