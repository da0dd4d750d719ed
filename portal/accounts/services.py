"""Writes about people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction

from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed

from .models import MailRhythm, Role, RoleGrant, User
from .policies import check_role


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
def person_change(*, user: User, full_name: str, time_zone: str, mail_rhythm: str, at: datetime) -> None:
    """Change what a person says of themselves. Who wishes each mail by itself gets at once what waited for the morning."""
    user.full_name, user.time_zone, user.mail_rhythm = full_name, time_zone, mail_rhythm
    user.save(update_fields=["full_name", "time_zone", "mail_rhythm"])
    if mail_rhythm == MailRhythm.EACH:
        audit.digest_end(to=user, at=at)


@transaction.atomic
def role_grant(*, user: User, role: Role, by: User | None, at: datetime) -> None:
    """Give a person a portal role; giving it twice is the same as once."""
    _, made = RoleGrant.objects.get_or_create(user=user, role=role, defaults={"granted_by": by, "granted_at": at})
    if made:
        audit.event_record(kind="role.granted", actor=by, about=f"person:{user.pk}", at=at, role=str(role))


@transaction.atomic
def person_deactivate(*, user: User, by: User, at: datetime, reason: str = "") -> None:
    """Shut a person out at once; the reconciler stops what they run, and their files stay with their team."""
    if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False, deactivated_at=at):
        audit.event_record(kind="person.deactivated", actor=by, about=f"person:{user.pk}", at=at, reason=reason)


@transaction.atomic
def roles_set(*, user: User, roles: Iterable[str], by: User, at: datetime) -> bool:
    """
    Give and take portal roles until the person holds exactly these; they are told by mail. Whether anything changed.

    :raises NotAllowed: unless an operator asks; or when nobody would be left who is one
    """
    check_role(by, Role.OPERATOR)
    wanted, held = {Role(role) for role in roles}, {Role(role) for role in user.role_set}
    if Role.OPERATOR in held - wanted:
        _check_another_operator(user, doing="give the role to another first")
    for role in sorted(wanted - held):
        role_grant(user=user, role=role, by=by, at=at)
    for role in sorted(held - wanted):
        RoleGrant.objects.filter(user=user, role=role).delete()
        audit.event_record(kind="role.taken", actor=by, about=f"person:{user.pk}", at=at, role=str(role))
    if wanted == held:
        return False
    names = ", ".join(Role(role).label.lower() for role in sorted(wanted)) or "none"
    audit.letter_queue(
        kind="person.roles",
        to=user,
        at=at,
        about=f"person:{user.pk}",
        subject="What you may do for the programme has changed",
        body=f"Your roles are now: {names}. {by} changed them.\n\n{settings.PORTAL_URL}/\n",
    )
    return True


@transaction.atomic
def person_shut_out(*, user: User, reason: str, by: User, at: datetime) -> None:
    """
    Shut a person out, as an operator with a reason.

    :raises NotAllowed: unless an operator asks, about somebody else
    :raises Malformed: without a reason
    """
    check_role(by, Role.OPERATOR)
    if user.pk == by.pk:
        raise NotAllowed("You cannot shut yourself out; another operator can. Nothing was changed.")
    _check_said(reason)
    person_deactivate(user=user, by=by, at=at, reason=reason.strip())


@transaction.atomic
def person_reactivate(*, user: User, reason: str, by: User, at: datetime) -> None:
    """
    Let a person in again.

    :raises NotAllowed: unless an operator asks
    :raises Malformed: without a reason
    """
    check_role(by, Role.OPERATOR)
    _check_said(reason)
    if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True, deactivated_at=None):
        audit.event_record(kind="person.let_in", actor=by, about=f"person:{user.pk}", at=at, reason=reason.strip())


def _check_said(reason: str) -> None:
    if not reason.strip():
        raise Malformed("Say why; it is kept.", field="reason")


def _check_another_operator(user: User, *, doing: str) -> None:
    others = RoleGrant.objects.filter(role=Role.OPERATOR, user__is_active=True).exclude(user=user)
    if not others.exists():
        raise NotAllowed(f"{user} is the only operator: {doing}. Nothing was changed.")
