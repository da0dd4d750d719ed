"""After the award: what may be asked for, what is owed, what is taken back, who belongs to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import Part

DecidedBy = Literal["officer", "rule"]
Domain = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=120)]


class TopUp(Part):
    """More credits on the same award, once enough of it is used."""

    credits_max: Decimal | None = Field(
        default=None, gt=0, description="the most one top-up gives; none: up to the award again"
    )
    times_max: int = Field(default=1, ge=1, le=20)
    decided_by: DecidedBy = Field(default="officer", description="who answers a team that asks for one when the rule allows it")


class Burst(Part):
    """A one-off amount that lapses by itself."""

    credits_max: Decimal = Field(gt=0)
    days: int = Field(default=30, ge=1, le=366)
    decided_by: DecidedBy = Field(default="officer", description="who answers a team that asks for it")


class Duties(Part):
    """What the awarded team owes, and what it may ask for later."""

    final_report_days: int | None = Field(default=60, ge=1, description="after the last day")
    midterm_report_days: int | None = Field(default=None, ge=1, description="after the first day")
    acknowledgement: str = Field(default="", max_length=500, description="to be printed with results")
    outputs_asked: bool = False
    supplement_at_percent: int | None = Field(default=80, ge=1, le=100)
    topup: TopUp = TopUp()
    burst: Burst | None = None
    extension_months_max: int = Field(default=0, ge=0, description="in all; it binds officers too")
    extension_times_max: int | None = Field(default=None, ge=1, le=20, description="none: as often as the months last")
    extension_decided_by: DecidedBy = "officer"
    extension_asked_days_before: int | None = Field(
        default=None, ge=1, description="an extension may be asked for from so many days before the end; none: at any time"
    )
    transfers_between_allocations: bool = False
    blocked_while_report_overdue: bool = True


class Release(Part):
    """An award that comes in parts: so much at once, the rest after a progress report."""

    at_award_percent: int = Field(ge=1, le=99)


class Reclaim(Part):
    """Use it or lose it: credits that lie idle return to the pool, after a warning."""

    after_days: int = Field(ge=7, description="since the first day of the award")
    used_below_percent: int = Field(ge=1, le=100)
    take_percent: int = Field(ge=1, le=100, description="of what is left")
    warn_days: int = Field(default=14, ge=7, le=90)


class Leftover(Part):
    """What happens to credits that are left on the last day."""

    carry_percent: int = Field(default=0, ge=0, le=100, description="that a renewal takes along")
    decay_percent_a_month: int = Field(default=0, ge=0, le=100, description="of what is left, each month without use")


class Membership(Part):
    """Who may be among the people of an award."""

    control: Literal["enterprise", "awarding_body"] = "enterprise"
    allowed_domains: list[Domain] = Field(default=[], description="mail domains; none named: any")

    @model_validator(mode="after")
    def _lower(self) -> Self:
        if any(domain != domain.lower() for domain in self.allowed_domains):
            raise ValueError("mail domains are written in lower case")
        return self
