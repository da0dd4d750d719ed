"""Who decides, by which steps and by which measure."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from .asking import ShowIf
from .base import Key, Part, Pool


class Criterion(Part):
    """What a reviewer scores, with words for the scores."""

    key: Key
    title: str
    weight: int = Field(default=1, ge=1, le=100)
    score_max: int = Field(default=5, ge=1, le=10)
    threshold: Decimal | None = Field(default=None, gt=0, description="the least mean score that passes")
    anchors: dict[int, str] = Field(min_length=2, description="score → what it means")

    @model_validator(mode="after")
    def _anchors_in_range(self) -> Self:
        if any(not 0 <= score <= self.score_max for score in self.anchors):
            raise ValueError(f"criterion {self.key}: anchors lie between 0 and {self.score_max}")
        if self.threshold is not None and self.threshold > self.score_max:
            raise ValueError(f"criterion {self.key}: the threshold lies above the highest score")
        return self


class ReviewersByAmount(Part):
    """From so many credits on, another number of reviewers."""

    credits_from: Decimal = Field(gt=0)
    reviewers: int = Field(ge=0, le=9)


class Tier(Part):
    """A class of applications by their weighted score."""

    key: Key
    title: str
    percent_from: int = Field(ge=0, le=100)


class Lottery(Part):
    """Inside one tier the order is drawn by lot, from a seed that is published before anybody knows the draw."""

    tier: Key


class Reciprocal(Part):
    """Each applicant reviews others' applications; who does not, is not considered."""

    reviews_each: int = Field(ge=1, le=5)
    working_days: int = Field(default=10, ge=1)
    missing: Literal["reject", "flag"] = "reject"


class Review(Part):
    """How applications are reviewed."""

    reviewers: int = Field(ge=1, le=9)
    by_amount: list[ReviewersByAmount] = []
    working_days: int = Field(default=5, ge=1)
    blind: bool = Field(default=True, description="no reviewer sees another's review before all are in")
    criteria: list[Criterion] = Field(min_length=1)
    percent_min: int | None = Field(default=None, ge=1, le=100, description="the least weighted score that passes")
    tiers: list[Tier] = []
    lottery: Lottery | None = None
    reciprocal: Reciprocal | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len({criterion.key for criterion in self.criteria}) != len(self.criteria):
            raise ValueError("every criterion needs its own key")
        limits = [tier.percent_from for tier in self.tiers]
        if limits != sorted(limits, reverse=True) or len(set(limits)) != len(limits):
            raise ValueError("tiers stand from the best to the least, each beginning at its own percentage")
        if self.lottery and self.lottery.tier not in {tier.key for tier in self.tiers}:
            raise ValueError(f"the lottery is in tier {self.lottery.tier}, which is not among the tiers")
        return self


class Automatic(Part):
    """Decided by rule: eligible, complete, within the pool, and no more than this many credits."""

    credits_max: Decimal = Field(gt=0)
    words: str = Field(description="the rule as the applicant reads it")


class Step(Part):
    """A step between sending and decision, done by an officer or by reviewers; optional below an amount."""

    key: Key
    title: str = Field(max_length=80)
    kind: Literal["check", "technical", "review", "panel"]
    working_days: int = Field(default=2, ge=0)
    credits_from: Decimal = Field(default=Decimal(0), ge=0, description="only for applications of at least so many credits")


class PoolBudget(Part):
    """A pool of its own for applications that answered so."""

    pool: Pool
    when: ShowIf
    words: str = ""
