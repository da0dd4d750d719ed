"""
Energy and carbon of a charge: an estimate with its basis and vintage, never mixed with another basis.

Intensities are gCO2e per kWh, location-based production averages per country, from CodeCarbon's
`global_energy_mix.json` (MIT licence), vintage 2023 (Ethiopia, Iceland, Rwanda, Ghana: 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

BASIS = "location-based annual production average"
VINTAGE = "2023"
WORLD = 475
GRAMS_PER_KWH = {
    "PY": 24, "ET": 25, "IS": 28, "NO": 30, "CH": 35, "SE": 41, "FR": 56, "KE": 70, "FI": 79, "BR": 98, "AT": 111,
    "BE": 138, "DK": 152, "PT": 166, "CA": 170, "ES": 174, "GB": 238, "NL": 268, "IE": 291, "RW": 316, "IT": 331,
    "GR": 337, "US": 369, "DE": 381, "EE": 417, "KR": 431, "SG": 471, "GH": 484, "JP": 485, "NG": 523, "AU": 549,
    "TN": 564, "EG": 570, "CN": 582, "MA": 630, "PL": 662, "ZA": 708, "IN": 713,
}  # fmt: skip


@dataclass(frozen=True)
class Footprint:
    """Energy in kWh and emissions in gCO2e."""

    kwh: float
    gco2e: float
    basis: str = BASIS
    vintage: str = VINTAGE


def intensity(country: str) -> int:
    """gCO2e per kWh of a country, the world's average where unknown."""
    return GRAMS_PER_KWH.get(country.upper(), WORLD)


def footprint(*, country: str, cores: int, gpus: int, watts_per_core: float, watts_per_gpu: float, pue: float,
              seconds: int) -> Footprint:  # fmt: skip
    """E = (cores × W/core + GPUs × W/GPU) × hours × PUE; emissions = E × intensity."""
    kwh = (cores * watts_per_core + gpus * watts_per_gpu) * seconds / 3600 / 1000 * pue
    return Footprint(round(kwh, 6), round(kwh * intensity(country), 3))
