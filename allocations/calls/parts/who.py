"""Who may apply: rules over facts of the enterprise, each with why it is there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Country, Key, LegalForm, Part, SizeClass, Slug


class CountryRule(Part):
    """The enterprise is registered in one of these countries (ISO 3166-1 alpha-2)."""

    kind: Literal["country"] = "country"
    any_of: list[Country] = Field(min_length=1)
    why: str


class SizeRule(Part):
    """The enterprise's size class by EU Recommendation 2003/361 is one of these."""

    kind: Literal["size_class"] = "size_class"
    any_of: list[SizeClass] = Field(min_length=1)
    why: str


class LegalFormRule(Part):
    """The enterprise has one of these legal forms."""

    kind: Literal["legal_form"] = "legal_form"
    any_of: list[LegalForm] = Field(min_length=1)
    why: str


class HeadcountRule(Part):
    """The enterprise employs fewer people than this."""

    kind: Literal["headcount"] = "headcount"
    fewer_than: int = Field(ge=1)
    why: str


class AgeRule(Part):
    """The enterprise was founded less than so many years ago."""

    kind: Literal["age"] = "age"
    years_below: int = Field(ge=1, le=200)
    why: str


class RegistryRule(Part):
    """The registry number was checked offline or confirmed by a person."""

    kind: Literal["registry_checked"] = "registry_checked"
    why: str


class PriorAwardRule(Part):
    """The enterprise has (or has not) had an award under one of these calls."""

    kind: Literal["prior_award"] = "prior_award"
    calls: list[Slug] = Field(min_length=1)
    wanted: bool = True
    why: str


class ExclusionRule(Part):
    """The enterprise neither has an award nor an open application under these calls: one may take part in only one."""

    kind: Literal["exclusion"] = "exclusion"
    calls: list[Slug] = Field(min_length=1)
    why: str


class OpenApplicationsRule(Part):
    """The enterprise has fewer than so many applications open under this call."""

    kind: Literal["open_applications"] = "open_applications"
    fewer_than: int = Field(ge=1)
    why: str


class AwardsFewerRule(Part):
    """The enterprise had fewer than so many awards within the last months."""

    kind: Literal["awards_fewer"] = "awards_fewer"
    calls: list[Slug] = Field(default=[], description="under these calls; none named: under this one")
    fewer_than: int = Field(ge=1)
    months: int = Field(default=12, ge=1, le=120)
    why: str


class DeclarationsRule(Part):
    """The enterprise has signed these declarations, and they are in force."""

    kind: Literal["declarations"] = "declarations"
    all_of: list[Key] = Field(min_length=1)
    why: str


class AidRoomRule(Part):
    """The subsidies the enterprise received over the last years leave room below a ceiling."""

    kind: Literal["aid_room"] = "aid_room"
    below_eur: int = Field(ge=1)
    why: str


class ReportsRule(Part):
    """No report of an earlier award is overdue."""

    kind: Literal["reports"] = "reports"
    why: str


EligibilityRule = Annotated[
    CountryRule
    | SizeRule
    | LegalFormRule
    | HeadcountRule
    | AgeRule
    | RegistryRule
    | PriorAwardRule
    | ExclusionRule
    | AwardsFewerRule
    | OpenApplicationsRule
    | DeclarationsRule
    | AidRoomRule
    | ReportsRule,
    Field(discriminator="kind"),
]
