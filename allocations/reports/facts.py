"""What the portal itself knows about an allocation: hours, people, credits, energy. So that nobody has to write it down."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, Sum

from allocations.ledger.selectors import balance
from allocations.projects.models import Allocation
from allocations.usage.models import UsageRecord
from portal.core.quantities import credits_text


def facts_of(allocation: Allocation) -> dict[str, Any]:
    """The figures of an allocation as they stand now, in two queries; JSON."""
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
        "credits_used": credits_text(found.spent),
        "used_percent": round(100 * found.spent / found.granted) if found.granted else 0,
        "sessions": sums["sessions"],
        "people": sums["people"],
        "core_hours": round(sums["core_seconds"] / 3600, 1),
        "gpu_hours": round(sums["gpu_seconds"] / 3600, 1),
        "kwh": round(sums["kwh"], 2),
        "kg_co2e": round(sums["gco2e"] / 1000, 3),
    }


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
}
