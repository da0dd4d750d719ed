"""What a call's rules say of an award that goes on: more, longer, idle, left over, reports."""

from __future__ import annotations

from datetime import date

from allocations.calls.afterwards import reclaim_finding, reports_due
from allocations.calls.findings import Finding
from allocations.projects.models import Allocation
from portal.core.quantities import credits_text

from .growing import Award
from .models import Decision


def idle_finding(award: Award, *, today: date) -> tuple[int, Finding] | None:
    """Micro-credits that would return because they lie idle, and why; None where the call takes nothing back."""
    if award.rules.reclaim is None:
        return None
    money = award.balance
    return reclaim_finding(
        award.rules.reclaim,
        starts_on=award.allocation.starts_on,
        today=today,
        granted=money.granted - money.returned,
        used=money.used,
        held=money.held,
        left=money.available,
    )


def later_words(award: Award, *, today: date) -> list[str]:
    """What rules do by themselves with credits that are not used, as the team reads it."""
    words, reclaim, leftover = [], award.rules.reclaim, award.rules.leftover
    idle = idle_finding(award, today=today)
    if reclaim is not None and idle is not None:
        words.append(
            f"Idle credits: awards used below {reclaim.used_below_percent} % after {reclaim.after_days} days give "
            f"{reclaim.take_percent} % of what is left back, {reclaim.warn_days} days after a notice. Now: {idle[1].found}"
            + (f", so {credits_text(idle[0])} credits." if idle[0] else ", so nothing.")
        )
    if leftover.decay_percent_a_month:
        words.append(
            f"With each month without use {leftover.decay_percent_a_month} % of what is left lapses, after a notice. "
            "Launching anything drops the notice."
        )
    if leftover.carry_percent:
        words.append(f"A renewal takes {leftover.carry_percent} % of what is left on the last day along.")
    return words


def reports_words(*, allocation: Allocation, decision: Decision) -> list[str]:
    """Which reports are owed, and when."""
    duties = decision.application.version.rules.duties
    owed = reports_due(duties, starts_on=allocation.starts_on, ends_on=allocation.ends_on)
    words = [f"A {due.kind} report by {due.on:%-d %B %Y}, {due.reason}." for due in owed]
    return [*words, f"Print with results: {duties.acknowledgement}"] if duties.acknowledgement else words
