"""Reads of reports for a person."""

from __future__ import annotations

from datetime import date

from django.db.models import Q, QuerySet

from portal.accounts.models import Role, User
from portal.core.errors import NotYours
from portal.organisations.models import Organisation

from .models import Report
from .states import OWED, S


def report_list_for_user(*, user: User) -> QuerySet[Report]:
    """The reports of a person's enterprises; for officers those of all. What is owed first, by day."""
    rows = Report.objects.select_related("allocation__organisation", "handed_in_by")
    if Role.OFFICER not in user.role_set:
        rows = rows.filter(_inside(user)).distinct()
    return rows.order_by("due_on", "pk")


def report_get_for_user(*, user: User, pk: int) -> Report:
    """
    One report: for its team and for officers.

    :raises NotYours: otherwise
    """
    report = report_list_for_user(user=user).filter(pk=pk).first()
    if report is None:
        raise NotYours("report")
    return report


def reports_overdue(*, organisation: Organisation, today: date) -> QuerySet[Report]:
    """Reports that are late and, by their call, keep the enterprise from applying anew."""
    rows = Report.objects.filter(allocation__organisation=organisation, state__in=OWED, due_on__lt=today, blocks=True)
    return rows.select_related("allocation")


def reports_handed_in() -> QuerySet[Report]:
    """What waits for an officer."""
    return Report.objects.filter(state=S.HANDED_IN).select_related("allocation__organisation").order_by("handed_in_at")


def known_before(*, report: Report) -> dict[str, str]:
    """What an earlier report of the same award said others can see: the next one begins with it."""
    earlier = Report.objects.filter(allocation=report.allocation_id, handed_in_at__isnull=False).exclude(pk=report.pk)
    last = earlier.order_by("-handed_in_at").first()
    return {"outputs": last.answers.get("outputs", "")} if last else {}


def _inside(user: User) -> Q:
    return Q(allocation__organisation__memberships__user=user, allocation__organisation__memberships__left_at__isnull=True)
