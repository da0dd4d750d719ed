"""Reads of enterprises for a person."""

from __future__ import annotations

from django.db.models import F, Q, QuerySet

from portal.accounts.models import Role, User
from portal.core.errors import NotYours

from .models import SIZE_FROM, FactChange, Membership, Organisation


def organisation_list_for_user(*, user: User) -> QuerySet[Organisation]:
    """The enterprises a person belongs to."""
    rows = Organisation.objects.filter(memberships__user=user, memberships__left_at__isnull=True)
    return rows.prefetch_related(*SIZE_FROM).distinct().order_by("pk")


def organisation_get_for_user(*, user: User, pk: int) -> Organisation:
    """
    One enterprise: for its members, and for officers, who verify facts.

    :raises NotYours: otherwise
    """
    visible = Q(memberships__user=user, memberships__left_at__isnull=True)
    if Role.OFFICER in user.role_set:
        visible = Q()
    organisation = Organisation.objects.filter(visible, pk=pk).prefetch_related(*SIZE_FROM).distinct().first()
    if organisation is None:
        raise NotYours("enterprise")
    return organisation


def fact_history(*, organisation: Organisation) -> QuerySet[FactChange]:
    """Every fact as it became, newest first."""
    return FactChange.objects.filter(organisation=organisation).select_related("by", "verified_by")


def facts_to_verify() -> QuerySet[FactChange]:
    """Registry numbers that no machine could check and no officer looked at yet, the oldest first."""
    waiting = Organisation.objects.filter(registry_scheme="", registry_confirmed_at__isnull=True)
    rows = FactChange.objects.filter(
        field="registry_id", verified_at__isnull=True, organisation__in=waiting, after=F("organisation__registry_id")
    )
    return rows.select_related("organisation").order_by("at", "pk")


def member_list(*, organisation: Organisation) -> QuerySet[Membership]:
    """The people of an enterprise today."""
    return organisation.memberships.filter(left_at__isnull=True).select_related("user").order_by("joined_at")
