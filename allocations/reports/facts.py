"""What the portal itself knows about an allocation: hours, people, credits, energy, data. Nobody has to write it down."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, QuerySet, Sum

from allocations.datasets.models import Dataset
from allocations.ledger.selectors import balance
from allocations.projects.models import Allocation
from allocations.usage.models import UsageRecord
from portal.core.quantities import credits_text

TITLES_MAX = 20


def facts_of(allocation: Allocation) -> dict[str, Any]:
    """What is known of an allocation as it stands now, in four queries; JSON."""
    sums = UsageRecord.objects.filter(allocation=allocation).aggregate(
        sessions=Count("launch", distinct=True),
        people=Count("user", distinct=True),
        core_seconds=Sum(F("unit_seconds") * F("cores"), default=0),
        gpu_seconds=Sum(F("unit_seconds") * F("gpus"), default=0),
        kwh=Sum("kwh", default=0.0),
        gco2e=Sum("gco2e", default=0.0),
    )
    found = balance(code=allocation.account)
    return {
        "credits_granted": credits_text(found.granted),
        "credits_used": credits_text(found.used),
        "used_percent": round(100 * found.used / found.granted) if found.granted else 0,
        "sessions": sums["sessions"],
        "people": sums["people"],
        "core_hours": round(sums["core_seconds"] / 3600, 1),
        "gpu_hours": round(sums["gpu_seconds"] / 3600, 1),
        "kwh": round(sums["kwh"], 2),
        "kg_co2e": round(sums["gco2e"] / 1000, 3),
        "datasets": _titles(Dataset.objects.filter(accesses__allocation=allocation, accesses__granted_until__isnull=False)),
        "published": _titles(allocation.organisation.datasets.filter(published_at__date__gte=allocation.starts_on)),  # type: ignore[attr-defined]
    }


def _titles(rows: QuerySet[Dataset]) -> str:
    titles = rows.order_by("title").values_list("title", flat=True).distinct()[: TITLES_MAX + 1]
    return ", ".join([*titles[:TITLES_MAX], *(["and more"] if len(titles) > TITLES_MAX else [])]) or "none"


WORDS = {
    "credits_granted": "Credits granted",
    "credits_used": "Credits used",
    "used_percent": "Used, in percent",
    "sessions": "Notebook sessions",
    "people": "People who worked",
    "core_hours": "Core-hours",
    "gpu_hours": "GPU-hours",
    "kwh": "Energy, in kWh",
    "kg_co2e": "Carbon, in kg CO2e",
    "datasets": "Datasets asked for and granted",
    "published": "Datasets your enterprise published since the award",
}
