"""Who may apply: rules over facts of the enterprise, each with why it is there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..findings import words_or
from ..names import country_name, legal_form_words, years_words
from .base import Country, Key, LegalForm, Part, SizeClass, Slug


class CountryRule(Part):
    """The enterprise is registered in one of these countries (ISO 3166-1 alpha-2)."""

    kind: Literal["country"] = "country"
    any_of: list[Country] = Field(min_length=1)
    why: str

    @property
    def words(self) -> str:
        return f"Enterprises registered in {words_or([country_name(code) for code in self.any_of])}."


class SizeRule(Part):
    """The enterprise's size class by EU Recommendation 2003/361 is one of these."""

    kind: Literal["size_class"] = "size_class"
    any_of: list[SizeClass] = Field(min_length=1)
    why: str

    @property
    def words(self) -> str:
        return f"Enterprises that are {words_or(self.any_of)} by EU Recommendation 2003/361."


class LegalFormRule(Part):
    """The enterprise has one of these legal forms."""

    kind: Literal["legal_form"] = "legal_form"
    any_of: list[LegalForm] = Field(min_length=1)
    why: str

    @property
    def words(self) -> str:
        return f"The applicant is {words_or([legal_form_words(form) for form in self.any_of])}."


class HeadcountRule(Part):
    """The enterprise employs fewer people than this."""

    kind: Literal["headcount"] = "headcount"
    fewer_than: int = Field(ge=1)
    why: str

    @property
    def words(self) -> str:
        return f"Fewer than {self.fewer_than} people employed."


class AgeRule(Part):
    """The enterprise was founded less than so many years ago."""

    kind: Literal["age"] = "age"
    years_below: int = Field(ge=1, le=200)
    why: str

    @property
    def words(self) -> str:
        return f"Founded less than {self.years_below} years ago."


class RegistryRule(Part):
    """The registry number was checked offline or confirmed by a person."""

    kind: Literal["registry_checked"] = "registry_checked"
    why: str

    @property
    def words(self) -> str:
        return "The registry number was checked."


class PriorAwardRule(Part):
    """The enterprise has (or has not) had an award under one of these calls."""

    kind: Literal["prior_award"] = "prior_award"
    calls: list[Slug] = Field(min_length=1)
    wanted: bool = True
    why: str

    @property
    def words(self) -> str:
        return f"Enterprises {'with' if self.wanted else 'without'} an award under {words_or(self.calls)}."


class ExclusionRule(Part):
    """The enterprise neither has an award nor an open application under these calls: one may take part in only one."""

    kind: Literal["exclusion"] = "exclusion"
    calls: list[Slug] = Field(min_length=1)
    why: str

    @property
    def words(self) -> str:
        return f"Enterprises that take no part in {words_or(self.calls)}."


class OpenApplicationsRule(Part):
    """The enterprise has fewer than so many applications open under this call."""

    kind: Literal["open_applications"] = "open_applications"
    fewer_than: int = Field(ge=1)
    why: str

    @property
    def words(self) -> str:
        return f"Fewer than {self.fewer_than} applications open under this call."


class AwardsFewerRule(Part):
    """The enterprise had fewer than so many awards within the last months."""

    kind: Literal["awards_fewer"] = "awards_fewer"
    calls: list[Slug] = Field(default=[], description="under these calls; none named: under this one")
    fewer_than: int = Field(ge=1)
    months: int = Field(default=12, ge=1, le=120)
    why: str

    @property
    def words(self) -> str:
        return f"Fewer than {self.fewer_than} awards in {self.months} months under {words_or(self.calls or ['this call'])}."


class DeclarationsRule(Part):
    """The enterprise has signed these declarations, and they are in force."""

    kind: Literal["declarations"] = "declarations"
    all_of: list[Key] = Field(min_length=1)
    why: str

    @property
    def words(self) -> str:
        return f"Signed once: {', '.join(key.replace('_', ' ') for key in self.all_of)}."


class AidRoomRule(Part):
    """The subsidies the enterprise received over the last years leave room below a ceiling."""

    kind: Literal["aid_room"] = "aid_room"
    below_eur: int = Field(ge=1)
    years: int | None = Field(default=None, ge=1, le=10, description="none: as many as the call's aid counts, else three")
    why: str

    @property
    def words(self) -> str:
        return f"Less than € {self.below_eur:,} of subsidies received over {years_words(self.years or 3)}."


class ReportsRule(Part):
    """No report of an earlier award is overdue."""

    kind: Literal["reports"] = "reports"
    why: str

    @property
    def words(self) -> str:
        return "No report of an earlier award is overdue."


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
