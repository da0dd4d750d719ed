"""When a call takes applications. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .document import Intake


@dataclass(frozen=True)
class IntakeState:
    """Whether a call takes applications now, and in words why or until when."""

    open: bool
    words: str


def intake_state(*, intake: Intake, at: datetime, submitted: int) -> IntakeState:
    """
    Say whether applications are taken at this moment.

    :param submitted: how many were submitted so far, for calls that close by count
    """
    closed = _closed(intake, at, submitted)
    return IntakeState(False, closed) if closed else IntakeState(True, _open(intake, at, submitted))


def _closed(intake: Intake, at: datetime, submitted: int) -> str:
    if intake.opens_at and at < intake.opens_at:
        return f"Opens on {_day(intake.opens_at)}"
    if intake.closes_at and at >= intake.closes_at:
        return f"Closed on {_day(intake.closes_at)}"
    if intake.applications_max is not None and submitted >= intake.applications_max:
        return f"Closed: {intake.applications_max} applications were taken"
    if intake.kind == "cutoffs" and max(intake.cutoffs) < at.date():
        return "Closed: the last cut-off has passed"
    return ""


def _open(intake: Intake, at: datetime, submitted: int) -> str:
    if intake.kind == "cutoffs":
        return f"Open; next cut-off {min(day for day in intake.cutoffs if day >= at.date()):%-d %B %Y}"
    if intake.applications_max is not None:
        return f"Open; {intake.applications_max - submitted} of {intake.applications_max} places left"
    if intake.closes_at:
        return f"Open until {intake.closes_at:%-d %B %Y, %H:%M} UTC"
    return "Open all year round"


def _day(moment: datetime) -> str:
    return f"{moment:%-d %B %Y}"
