"""When applications are taken, and when awards may begin."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import Part

DayOfMonth = Annotated[int, Field(ge=1, le=28)]


class Intake(Part):
    """When applications are taken."""

    kind: Literal["rolling", "dated", "cutoffs"] = "rolling"
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    cutoffs: list[date] = []
    cutoff_days: list[DayOfMonth] = Field(default=[], description="cut-offs on these days of every month, without end")
    clock_from: Literal["submission", "cutoff"] = Field(
        default="submission", description="whether the promise is counted from the day of sending or from the cut-off"
    )
    applications_max: int | None = Field(default=None, ge=1, description="closes when so many were submitted")

    @model_validator(mode="after")
    def _dates_agree(self) -> Self:
        if self.kind == "dated" and self.closes_at is None:
            raise ValueError("a dated call needs closes_at")
        if self.kind == "cutoffs" and not self.cutoffs and not self.cutoff_days:
            raise ValueError("a call with cut-offs needs at least one")
        if self.clock_from == "cutoff" and self.kind != "cutoffs":
            raise ValueError("the clock can start at a cut-off only in a call with cut-offs")
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise ValueError("closes_at must be after opens_at")
        return self


class Start(Part):
    """When awards may be made and may begin."""

    approve_from: date | None = Field(default=None, description="no award before this day")
    earliest: date | None = Field(default=None, description="awards made earlier begin on this day")
    latest: date | None = Field(default=None, description="no award may begin after this day")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.earliest and self.latest and self.latest < self.earliest:
            raise ValueError("latest is before earliest")
        return self
