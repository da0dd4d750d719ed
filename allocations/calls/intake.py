"""When a call takes applications. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from dateutil.relativedelta import relativedelta

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


def cutoff_next(intake: Intake, day: date) -> date | None:
    """The next cut-off on or after a day, from the named days and from the days of every month."""
    months = [day.replace(day=1) + relativedelta(months=more) for more in (0, 1)]
    monthly = [first.replace(day=number) for first in months for number in intake.cutoff_days]
    return min((one for one in [*intake.cutoffs, *monthly] if one >= day), default=None)


def clock_starts_on(intake: Intake, day: date) -> date:
    """The day from which the promise counts for something sent on `day`: that day, or the cut-off it is collected at."""
    return (cutoff_next(intake, day) or day) if intake.clock_from == "cutoff" else day


def _closed(intake: Intake, at: datetime, submitted: int) -> str:
    if intake.opens_at and at < intake.opens_at:
        return f"Opens on {_day(intake.opens_at)}"
    if intake.closes_at and at >= intake.closes_at:
        return f"Closed on {_day(intake.closes_at)}"
    if intake.applications_max is not None and submitted >= intake.applications_max:
        return f"Closed: {intake.applications_max} applications were taken"
    if intake.kind == "cutoffs" and cutoff_next(intake, at.date()) is None:
        return "Closed: the last cut-off has passed"
    return ""


def _open(intake: Intake, at: datetime, submitted: int) -> str:
    if intake.kind == "cutoffs":
        return f"Open; next cut-off {cutoff_next(intake, at.date()):%-d %B %Y}"
    if intake.applications_max is not None:
        return f"Open; {intake.applications_max - submitted} of {intake.applications_max} places left"
    if intake.closes_at:
        return f"Open until {intake.closes_at:%-d %B %Y, %H:%M} UTC"
    return "Open all year round"


def _day(moment: datetime) -> str:
    return f"{moment:%-d %B %Y}"
