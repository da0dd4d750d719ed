"""
A call as a document: every rule of it is data, validated here, never code.

The JSON Schema of `CallDocument` is what editors and outside programs hold a call against. Its parts lie in `parts/`.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from .parts.afterwards import Burst, Duties, Leftover, Membership, Reclaim, Release, TopUp
from .parts.amounts import Aid, Amounts, Charging, Price, Unit
from .parts.asking import Activity, Attachment, DataRule, Lead, Question, ShowIf
from .parts.base import Country, Key, LegalForm, Part, Pool, SizeClass, Slug
from .parts.deciding import Automatic, Criterion, Lottery, PoolBudget, Reciprocal, Review, ReviewersByAmount, Step, Tier
from .parts.when import Intake, Start
from .parts.who import (
    AgeRule,
    AidRoomRule,
    AwardsFewerRule,
    CountryRule,
    DeclarationsRule,
    EligibilityRule,
    ExclusionRule,
    HeadcountRule,
    LegalFormRule,
    OpenApplicationsRule,
    PriorAwardRule,
    RegistryRule,
    ReportsRule,
    SizeRule,
)

__all__ = [
    "Activity", "AgeRule", "Aid", "AidRoomRule", "Amounts", "Attachment", "Automatic", "AwardsFewerRule", "Burst",
    "CallDocument", "Charging", "Country", "CountryRule", "Criterion", "DataRule", "DeclarationsRule", "Duties",
    "EligibilityRule", "ExclusionRule", "HeadcountRule", "Intake", "Key", "Lead", "Leftover", "LegalForm", "LegalFormRule",
    "Lottery", "Membership", "OpenApplicationsRule", "Part", "Pool", "PoolBudget", "Price", "PriorAwardRule", "Question",
    "Reciprocal", "Reclaim", "RegistryRule", "Release", "ReportsRule", "Review", "ReviewersByAmount", "ShowIf", "SizeClass",
    "SizeRule", "Slug", "Start", "Step", "Tier", "TopUp", "Unit",
]  # fmt: skip
FORM_QUESTIONS_MAX = 12
# Keys of the questions the portal itself asks (see answers.py).
OWN_KEYS = frozenset({"title", "lead_name", "lead_position", "lead_contract_ends", "activity_class", "data_class"})


class CallDocument(Part):
    """A whole call."""

    title: str = Field(max_length=120)
    summary: str = Field(max_length=400, description="what it is for, in two sentences, for somebody who has never applied")
    description: str = ""
    programme: str = "Compute Commons"
    pool: Pool
    pools: list[PoolBudget] = Field(
        default=[], description="other pools for applications that answered so; the first that fits"
    )
    intake: Intake = Intake()
    start: Start = Start()
    eligibility: list[EligibilityRule] = []
    lead: Lead | None = None
    activities: list[Activity] = []
    data: DataRule | None = None
    ai_screening: bool = Field(default=False, description="ask the questions of the EU AI Act screening")
    form: list[Question] = Field(max_length=FORM_QUESTIONS_MAX)
    attachments: list[Attachment] = Field(default=[], max_length=5)
    amounts: Amounts
    charging: Charging = Charging()
    prices: list[Price] = []
    aid: Aid | None = None
    steps: list[Step] = []
    review: Review | None = None
    automatic: Automatic | None = None
    promise_working_days: int = Field(ge=0, description="from submission to the decision; paused while returned")
    holidays_of: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "BE"
    appeal_days: int = Field(default=28, ge=0)
    release: Release | None = None
    reclaim: Reclaim | None = None
    leftover: Leftover = Leftover()
    membership: Membership = Membership()
    duties: Duties = Duties()
    sources: list[str] = Field(default=[], description="where the rules were read, and what must be checked before use")

    @property
    def who(self) -> list[EligibilityRule]:
        """The rules of eligibility, with what they leave to the rest of the call filled in."""
        years = self.aid.years if self.aid else None
        return [
            rule.model_copy(update={"years": years}) if isinstance(rule, AidRoomRule) and not rule.years else rule
            for rule in self.eligibility
        ]

    @property
    def later(self) -> list[str]:
        """What may be had, and what returns, after the award, in words for applicants."""
        from .afterwards import offers

        return offers(self)

    @model_validator(mode="after")
    def _questions_agree(self) -> Self:
        keys = [question.key for question in self.form]
        if len(set(keys)) != len(keys):
            raise ValueError("every question needs its own key")
        if taken := OWN_KEYS.intersection(keys):
            raise ValueError(f"{min(taken)} is asked by the portal itself; name the question otherwise")
        if len({attachment.key for attachment in self.attachments}) != len(self.attachments):
            raise ValueError("every attachment needs its own key")
        for number, question in enumerate(self.form):
            if question.show_if and question.show_if.key not in keys[:number]:
                raise ValueError(f"question {question.key} depends on {question.show_if.key}, which is not asked before it")
        for budget in self.pools:
            if budget.when.key not in [*keys, "activity_class"]:
                raise ValueError(f"{budget.pool} depends on {budget.when.key}, which is not asked")
        return self

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.review is None and self.automatic is None and not self.steps:
            raise ValueError("somebody must decide: a call needs review, automatic, or steps")
        if len({step.key for step in self.steps}) != len(self.steps):
            raise ValueError("every step needs its own key")
        if any(step.kind == "review" for step in self.steps) and self.review is None:
            raise ValueError("a step of reviews needs the part review")
        if len({activity.key for activity in self.activities}) != len(self.activities):
            raise ValueError("every activity needs its own key")
        if self.prices and (self.prices[-1].size_classes or self.prices[-1].legal_forms):
            raise ValueError("the last price is for everybody else: it names no classes")
        return self
