"""Reads of usage."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet, Sum

from portal.accounts.models import Role, User
from portal.organisations.models import OrgRole

from .models import UsageRecord
from .sources import Source


def usage_list_for_user(*, user: User) -> QuerySet[UsageRecord]:
    """Usage a person may see: their own, and that of allocations they manage; all for officers and operators. Newest first."""
    visible = Q()
    if not user.role_set & {Role.OFFICER, Role.OPERATOR}:
        visible = Q(user=user) | Q(
            organisation__memberships__user=user,
            organisation__memberships__left_at__isnull=True,
            organisation__memberships__role__in=[OrgRole.OWNER, OrgRole.MANAGER],
        )
    rows = UsageRecord.objects.filter(visible).select_related("user", "allocation", "resource", "corrects")
    return rows.distinct().order_by("-pk")


@dataclass(frozen=True)
class Recorded:
    """What stands recorded of one thing, corrections included."""

    first: UsageRecord
    latest: UsageRecord
    corrections: int
    unit_seconds: int
    overrun_seconds: int
    charge: int
    best: Source


def recorded(*, launch: str, kind: str) -> Recorded | None:
    """Everything recorded of a launch's own process (`session`), or None."""
    rows = list(UsageRecord.objects.filter(launch=launch, kind=kind).order_by("pk"))
    if not rows:
        return None
    return Recorded(
        first=rows[0],
        latest=rows[-1],
        corrections=len(rows) - 1,
        unit_seconds=sum(row.unit_seconds for row in rows),
        overrun_seconds=sum(row.overrun_seconds for row in rows),
        charge=sum(row.charge for row in rows),
        best=min((Source(row.source) for row in rows), key=lambda source: source.rank),
    )


def usage_totals(*, launch: str) -> dict[str, float]:
    """What a launch and its clusters used: micro-credits, kWh and gCO2e."""
    sums = UsageRecord.objects.filter(launch=launch).aggregate(
        charge=Sum("charge", default=0), kwh=Sum("kwh", default=0.0), gco2e=Sum("gco2e", default=0.0)
    )
    return {**sums, "kwh": round(sums["kwh"], 4), "gco2e": round(sums["gco2e"], 1)}
