"""
A call as a document: every rule of it is data, validated here, never code.

The JSON Schema of `CallDocument` is what editors and outside programs hold a call against.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SizeClass = Literal["micro", "small", "medium", "large"]
FORM_QUESTIONS_MAX = 12
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class Part(BaseModel):
    """Base of every part: a word that is not known is refused, so that a typing error never becomes a missing rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- when ---------------------------------------------------------------------------------------------------------------
class Intake(Part):
    """When applications are taken."""

    kind: Literal["rolling", "dated", "cutoffs"] = "rolling"
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    cutoffs: list[date] = []
    applications_max: int | None = Field(default=None, ge=1, description="closes when so many were submitted")

    @model_validator(mode="after")
    def _dates_agree(self) -> Self:
        if self.kind == "dated" and self.closes_at is None:
            raise ValueError("a dated call needs closes_at")
        if self.kind == "cutoffs" and not self.cutoffs:
            raise ValueError("a call with cut-offs needs at least one")
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise ValueError("closes_at must be after opens_at")
        return self


# --- who ----------------------------------------------------------------------------------------------------------------
class CountryRule(Part):
    """The enterprise is registered in one of these countries (ISO 3166-1 alpha-2)."""

    kind: Literal["country"] = "country"
    any_of: list[Annotated[str, Field(pattern="^[A-Z]{2}$")]] = Field(min_length=1)
    why: str


class SizeRule(Part):
    """The enterprise's size class by EU Recommendation 2003/361 is one of these."""

    kind: Literal["size_class"] = "size_class"
    any_of: list[SizeClass] = Field(min_length=1)
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


EligibilityRule = Annotated[
    CountryRule | SizeRule | RegistryRule | PriorAwardRule | AwardsFewerRule | OpenApplicationsRule,
    Field(discriminator="kind"),
]


# --- what is asked ------------------------------------------------------------------------------------------------------
class ShowIf(Part):
    """The question is asked when another one was answered so."""

    key: Key
    any_of: list[str | bool] = Field(min_length=1)


class Question(Part):
    """One question of the form."""

    key: Key
    label: str = Field(max_length=200)
    help: str = ""
    page: str = Field(default="Your project", max_length=40, description="questions of one page follow each other")
    kind: Literal["text", "long_text", "number", "choice", "choices", "yes_no"] = "text"
    required: bool = True
    words_max: int | None = Field(default=None, ge=1, le=5000)
    number_min: Decimal | None = None
    number_max: Decimal | None = None
    choices: list[tuple[Key, str]] = []
    show_if: ShowIf | None = None

    @model_validator(mode="after")
    def _choices_where_wanted(self) -> Self:
        if (self.kind in ("choice", "choices")) != bool(self.choices):
            raise ValueError(f"question {self.key}: choices belong to kinds choice and choices, and only there")
        return self


# --- how much -----------------------------------------------------------------------------------------------------------
class Amounts(Part):
    """What may be asked for. Credits, as decimals."""

    credits_min: Decimal = Field(gt=0)
    credits_max: Decimal = Field(gt=0)
    tiers: list[Decimal] = []
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
        return self


# --- who decides --------------------------------------------------------------------------------------------------------
class Criterion(Part):
    """What a reviewer scores, with words for the scores."""

    key: Key
    title: str
    weight: int = Field(default=1, ge=1, le=100)
    score_max: int = Field(default=5, ge=1, le=10)
    anchors: dict[int, str] = Field(min_length=2, description="score → what it means")

    @model_validator(mode="after")
    def _anchors_in_range(self) -> Self:
        if any(not 0 <= score <= self.score_max for score in self.anchors):
            raise ValueError(f"criterion {self.key}: anchors lie between 0 and {self.score_max}")
        return self


class Review(Part):
    """How applications are reviewed."""

    reviewers: int = Field(ge=1, le=9)
    working_days: int = Field(default=5, ge=1)
    blind: bool = Field(default=True, description="no reviewer sees another's review before all are in")
    criteria: list[Criterion] = Field(min_length=1)


class Automatic(Part):
    """Decided by rule: eligible, complete, within the pool, and no more than this many credits."""

    credits_max: Decimal = Field(gt=0)
    words: str = Field(description="the rule as the applicant reads it")


class Duties(Part):
    """What the awarded team owes, and what it may ask for later."""

    final_report_days: int | None = Field(default=60, ge=1)
    supplement_at_percent: int | None = Field(default=80, ge=1, le=100)
    extension_months_max: int = Field(default=0, ge=0)
    transfers_between_allocations: bool = False
    blocked_while_report_overdue: bool = True


class CallDocument(Part):
    """A whole call."""

    title: str = Field(max_length=120)
    summary: str = Field(max_length=400, description="what it is for, in two sentences, for somebody who has never applied")
    description: str = ""
    programme: str = "Compute Commons"
    pool: Annotated[str, Field(pattern=r"^pool:[a-z0-9-]+$")]
    intake: Intake = Intake()
    eligibility: list[EligibilityRule] = []
    form: list[Question] = Field(max_length=FORM_QUESTIONS_MAX)
    amounts: Amounts
    review: Review | None = None
    automatic: Automatic | None = None
    promise_working_days: int = Field(ge=0, description="from submission to the decision; paused while returned")
    holidays_of: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "BE"
    appeal_days: int = Field(default=28, ge=0)
    duties: Duties = Duties()
    sources: list[str] = Field(default=[], description="where the rules were read, and what must be checked before use")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        keys = [question.key for question in self.form]
        if len(set(keys)) != len(keys):
            raise ValueError("every question needs its own key")
        if "title" in keys:
            raise ValueError("the title is asked by the portal itself; name the question otherwise")
        for number, question in enumerate(self.form):
            if question.show_if and question.show_if.key not in keys[:number]:
                raise ValueError(f"question {question.key} depends on {question.show_if.key}, which is not asked before it")
        if self.review is None and self.automatic is None:
            raise ValueError("somebody must decide: a call needs review, automatic, or both")
        return self
