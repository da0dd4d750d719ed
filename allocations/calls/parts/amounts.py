"""How much may be had, in which units, at which price, under which ceiling of aid."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from .base import Key, LegalForm, Part, SizeClass, Slug


class Unit(Part):
    """A unit the call speaks in, with its reference rate: GPU-hours, node-hours, core-hours, TB-hours."""

    key: Key
    words: str = Field(max_length=40)
    credits_each: Decimal = Field(gt=0, description="credits for one of it, frozen with this version")
    least: Decimal = Field(default=Decimal(0), ge=0)
    most: Decimal = Field(gt=0)
    tiers: list[Decimal] = []

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.most < self.least:
            raise ValueError(f"unit {self.key}: most is below least")
        if any(not self.least <= tier <= self.most for tier in self.tiers):
            raise ValueError(f"unit {self.key}: every tier lies between least and most")
        return self


class Amounts(Part):
    """What may be asked for. Credits, as decimals; where units are named, people ask in units and credits follow."""

    credits_min: Decimal = Field(gt=0)
    credits_max: Decimal = Field(gt=0)
    tiers: list[Decimal] = []
    units: list[Unit] = []
    months: list[int] = Field(min_length=1, description="the durations one may choose from")
    resources: list[Slug] = Field(min_length=1)
    datasets_max: int = Field(default=5, ge=0)
    unit_words: str = "credits"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.credits_max < self.credits_min:
            raise ValueError("credits_max is below credits_min")
        if any(not self.credits_min <= tier <= self.credits_max for tier in self.tiers):
            raise ValueError("every tier lies between credits_min and credits_max")
        if any(not 1 <= month <= 60 for month in self.months):
            raise ValueError("months lie between 1 and 60")
        if len({unit.key for unit in self.units}) != len(self.units):
            raise ValueError("every unit needs its own key")
        if self.units and self.tiers:
            raise ValueError("tiers belong to the units where units are named")
        return self


class Charging(Part):
    """
    How use is charged. `provider`: by the machine's own formula. The others override it on awards of this call:
    `sum` of cores, memory and GPUs; `max_share` of a node; `whole_node` for every node touched.
    """

    formula: Literal["provider", "sum", "max_share", "whole_node"] = "provider"


class Price(Part):
    """What an enterprise of these classes pays; the first that fits holds, and no class named means every enterprise."""

    kind: Literal["free", "co_funded", "pay_per_use"]
    size_classes: list[SizeClass] = []
    legal_forms: list[LegalForm] = []
    percent_paid: int = Field(default=0, ge=0, le=100, description="of the value, paid by the enterprise")
    words: str = ""

    @model_validator(mode="after")
    def _percent_fits(self) -> Self:
        fits = {
            "free": self.percent_paid == 0,
            "co_funded": 0 < self.percent_paid < 100,
            "pay_per_use": self.percent_paid == 100,
        }
        if not fits[self.kind]:
            raise ValueError(f"price {self.kind} does not go with {self.percent_paid} % paid")
        return self


class Aid(Part):
    """An award is a subsidy: what a credit is worth, and the ceiling over rolling years."""

    scheme: Literal["de_minimis", "subsidy_control"] = "de_minimis"
    eur_per_credit: Decimal = Field(gt=0)
    ceiling_eur: int = Field(default=300_000, ge=1, description="EU 2023/2831: EUR 300,000 per single undertaking")
    years: int = Field(default=3, ge=1, le=10)
    source: str = "Regulation (EU) 2023/2831, Article 3(2)"
