"""Reads of calls."""

from __future__ import annotations

from django.db.models import QuerySet

from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.core.errors import NotYours

from .models import Call


def call_list_public() -> QuerySet[Call]:
    """Every published call, newest first."""
    return Call.objects.filter(published=True).select_related("current").order_by("-pk")


def call_list_for_staff(*, user: User) -> QuerySet[Call]:
    """
    Every call, published or begun, the newest first.

    :raises NotAllowed: not an officer
    """
    check_role(user, Role.OFFICER)
    return Call.objects.select_related("current", "draft__changed_by").order_by("-pk")


def call_get_for_staff(*, slug: str, user: User) -> Call:
    """
    One call, with or without rules.

    :raises NotAllowed: not an officer
    :raises NotYours: there is none
    """
    call = call_list_for_staff(user=user).filter(slug=slug).first()
    if call is None:
        raise NotYours("call")
    return call


def call_get_for_user(*, slug: str, user: User | None) -> Call:
    """
    One call with its rules: a published one for everybody, any for officers.

    :raises NotYours: otherwise
    """
    rows = Call.objects.select_related("current").filter(slug=slug, current__isnull=False)
    if user is None or Role.OFFICER not in user.role_set:
        rows = rows.filter(published=True)
    call = rows.first()
    if call is None:
        raise NotYours("call")
    return call
