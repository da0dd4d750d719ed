"""The facts of an enterprise as a snapshot keeps them: rules can be held against what was known on the day of sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from allocations.calls.eligibility import AID_YEARS, Award, Facts


def facts_kept(facts: Facts) -> dict[str, Any]:
    """Facts as a snapshot keeps them."""
    return {
        "today": facts.today.isoformat(),
        "country": facts.country,
        "size": facts.size,
        "size_reason": facts.size_reason,
        "legal_form": facts.legal_form,
        "headcount": facts.headcount,
        "founded_on": facts.founded_on.isoformat() if facts.founded_on else None,
        "registry_checked": facts.registry_checked,
        "declarations": sorted(facts.declarations or []),
        "subsidies_eur": facts.received_eur(AID_YEARS),
        "subsidies": {str(years): eur for years, eur in facts.subsidies.items()} if facts.subsidies is not None else None,
        "reports_overdue": list(facts.reports_overdue or []),
        "awards": [[award.call, award.on.isoformat()] for award in facts.awards or []],
        "open_applications": dict(facts.open_applications or {}),
    }


def facts_read(kept: Mapping[str, Any]) -> Facts:
    """Facts out of a snapshot."""
    awards: Sequence[Award] = [Award(call, date.fromisoformat(on)) for call, on in kept["awards"]]
    founded, subsidies = kept["founded_on"], kept.get("subsidies")
    return Facts(
        **{
            **kept,
            "today": date.fromisoformat(kept["today"]),
            "founded_on": date.fromisoformat(founded) if founded else None,
            "declarations": frozenset(kept["declarations"]),
            "awards": awards,
            "subsidies": {int(years): eur for years, eur in subsidies.items()} if subsidies else None,
        }
    )
