"""Reads of enterprises for a person."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from portal.accounts.models import Role, User
from portal.core.errors import NotYours

from .models import Membership, Organisation


def organisation_list_for_user(*, user: User) -> QuerySet[Organisation]:
    """The enterprises a person belongs to."""
    return Organisation.objects.filter(memberships__user=user, memberships__left_at__isnull=True).distinct().order_by("pk")


def organisation_get_for_user(*, user: User, pk: int) -> Organisation:
    """
    One enterprise: for its members, and for officers, who verify facts.

    :raises NotYours: otherwise
    """
    visible = Q(memberships__user=user, memberships__left_at__isnull=True)
    if Role.OFFICER in user.role_set:
        visible = Q()
    organisation = Organisation.objects.filter(visible, pk=pk).distinct().first()
    if organisation is None:
        raise NotYours("enterprise")
    return organisation


def member_list(*, organisation: Organisation) -> QuerySet[Membership]:
    """The people of an enterprise today."""
    return organisation.memberships.filter(left_at__isnull=True).select_related("user").order_by("joined_at")
