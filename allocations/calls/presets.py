"""
Calls to begin from: rules of programmes as they were read, each naming its source and what must be checked before use.

A preset lacks what only an installation knows (its pool, its machines, what a unit is worth there); `preset_document` asks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from portal.core.errors import NotYours

FOLDER = Path(__file__).with_name("presets")


@dataclass(frozen=True)
class Preset:
    """A programme's rules, where they were read, and what is to be checked."""

    slug: str
    name: str
    sources: list[str]
    check: list[str]
    document: dict[str, Any] = field(repr=False)

    @property
    def units(self) -> list[dict[str, Any]]:
        return list(self.document["amounts"].get("units", []))


@cache
def preset_list() -> list[Preset]:
    """Every preset, by name."""
    found = [Preset(**json.loads(path.read_text())) for path in FOLDER.glob("*.json")]
    return sorted(found, key=lambda preset: preset.name)


def preset_get(slug: str) -> Preset:
    """
    One preset.

    :raises NotYours: there is none of that name
    """
    for preset in preset_list():
        if preset.slug == slug:
            return preset
    raise NotYours("preset")


def preset_document(
    preset: Preset, *, pool: str, resources: Sequence[str], credits_each: Decimal = Decimal(1)
) -> dict[str, Any]:
    """
    A call's document from a preset and what the installation knows.

    :param credits_each: credits for one of each unit the preset speaks in
    """
    document: dict[str, Any] = json.loads(json.dumps(preset.document))
    amounts = document["amounts"] | {"resources": list(resources)}
    if units := amounts.get("units"):
        amounts["units"] = [unit | {"credits_each": str(credits_each)} for unit in units]
        least = max(Decimal("0.000001"), min(Decimal(unit.get("least", "0")) for unit in units) * credits_each)
        amounts["credits_min"] = str(least)
        amounts["credits_max"] = str(sum(Decimal(unit["most"]) for unit in units) * credits_each)
    if automatic := document.get("automatic"):
        document["automatic"] = automatic | {"credits_max": str(Decimal(automatic["credits_max"]) * credits_each)}
    sources = [*preset.sources, *(f"To check before use: {line}" for line in preset.check)]
    return {**document, "pool": pool, "amounts": amounts, "sources": sources}
