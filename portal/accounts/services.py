"""Writes about people."""

from __future__ import annotations

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import transaction

from portal.audit import services as audit

from .models import Role, RoleGrant, User


@transaction.atomic
def person_create(*, email: str, full_name: str, password: str | None, verified: bool, at: datetime) -> User:
    """
    Make a person with their e-mail address, if there is none with that address yet.

    :param verified: whether the address is known to be theirs (seeds, first operator); sign-up verifies by mail
    """
    person = User.objects.filter(email__iexact=email).first()
    if person is None:
        person = User.objects.create_user(email, password, full_name=full_name, joined_at=at)
    EmailAddress.objects.get_or_create(user=person, email=person.email, defaults={"primary": True, "verified": verified})
    return person


@transaction.atomic
def role_grant(*, user: User, role: Role, by: User | None, at: datetime) -> None:
    """Give a person a portal role; giving it twice is the same as once."""
    _, made = RoleGrant.objects.get_or_create(user=user, role=role, defaults={"granted_by": by, "granted_at": at})
    if made:
        audit.event_record(kind="role.granted", actor=by, about=f"person:{user.pk}", at=at, role=str(role))


@transaction.atomic
def person_deactivate(*, user: User, by: User, at: datetime) -> None:
    """Shut a person out at once; the reconciler stops what they run, and their files stay with their team."""
    if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False, deactivated_at=at):
        audit.event_record(kind="person.deactivated", actor=by, about=f"person:{user.pk}", at=at)
