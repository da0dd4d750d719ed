"""After the award: top-ups, bursts, extensions, parts, what lies idle, what is owed, who may join. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from portal.core.quantities import credits_parse, credits_text

from . import document as d
from .findings import Finding, finding, words_or


@dataclass(frozen=True)
class Part:
    """An amount of micro-credits a rule arrived at, and why."""

    amount: int
    reason: str


# --- asking for more ----------------------------------------------------------------------------------------------------
def topup_finding(duties: d.Duties, *, granted: int, spent: int, times: int) -> Finding:
    """
    Whether a top-up may be asked for.

    :param granted: micro-credits granted so far, top-ups included
    :param times: top-ups had before
    """
    wanted = f"awards of which {duties.supplement_at_percent} % are spent, at most {duties.topup.times_max} times"
    if duties.supplement_at_percent is None:
        return finding("topup", False, "this call gives no top-up", "calls that do")
    percent = 100 * spent // granted if granted else 0
    found = f"{percent} % of {credits_text(granted)} credits are spent, {times} top-up{'s' * (times != 1)} so far"
    # Whole numbers on both sides: 79.9 % is not yet 80 %.
    used = 100 * spent >= duties.supplement_at_percent * granted
    return finding("topup", used and times < duties.topup.times_max, found, wanted)


def topup_most(duties: d.Duties, *, awarded: int) -> int:
    """The most micro-credits one top-up gives."""
    return credits_parse(duties.topup.credits_max) if duties.topup.credits_max is not None else awarded


def burst_finding(duties: d.Duties, *, amount: int, had: int) -> Finding:
    """Whether a one-off burst of so many micro-credits may be given."""
    if duties.burst is None:
        return finding("burst", False, "this call gives no burst", "calls that do")
    most = credits_parse(duties.burst.credits_max)
    found = f"{credits_text(amount)} credits asked for, {had} burst{'s' * (had != 1)} so far"
    wanted = f"at most {credits_text(most)} credits, once, lapsing after {duties.burst.days} days"
    return finding("burst", amount <= most and had == 0, found, wanted)


def extension_finding(duties: d.Duties, *, ends_on: date, today: date, had_months: int, months: int) -> Finding:
    """Whether the end may be moved by so many months now."""
    most, early = duties.extension_months_max, duties.extension_asked_days_before
    left = (ends_on - today).days
    found = f"{had_months + months} months of extension in all, {left} days before the end"
    wanted = f"awards extended by at most {most} months" + (f", asked for in the last {early} days" if early else "")
    in_time = left >= 0 and (early is None or left <= early)
    return finding("extension", months > 0 and had_months + months <= most and in_time, found, wanted)


# --- in parts, idle, left over ------------------------------------------------------------------------------------------
def release_parts(release: d.Release | None, amount: int) -> tuple[Part, Part]:
    """What is granted at once and what follows a progress report; together exactly the award."""
    if release is None:
        return Part(amount, "All of it is granted at once."), Part(0, "")
    first = -(-amount * release.at_award_percent // 100)
    words = f"{release.at_award_percent} % of {credits_text(amount)} credits"
    return (
        Part(first, f"{words} are granted at once."),
        Part(amount - first, f"The other {credits_text(amount - first)} follow when an officer accepts your progress report."),
    )


def reclaim_finding(
    reclaim: d.Reclaim | None, *, starts_on: date, today: date, granted: int, spent: int, held: int, left: int
) -> tuple[int, Finding]:
    """
    How many micro-credits return to the pool because they lie idle, and why. Never anything that is held.

    :param left: micro-credits available
    """
    if reclaim is None:
        return 0, finding("reclaim", False, "this call takes nothing back", "calls that do")
    days = (today - starts_on).days
    used = 100 * (spent + held)
    found = f"{used // granted if granted else 100} % used after {days} days"
    wanted = f"awards used below {reclaim.used_below_percent} % after {reclaim.after_days} days"
    idle = days >= reclaim.after_days and used < reclaim.used_below_percent * granted
    take = min(left, left * reclaim.take_percent // 100) if idle else 0
    return take, finding("reclaim", idle, found, wanted)


def carried(leftover: d.Leftover, left: int) -> Part:
    """What a renewal takes along."""
    amount = left * leftover.carry_percent // 100
    return Part(amount, f"{leftover.carry_percent} % of the {credits_text(left)} credits left are carried over.")


def decayed(leftover: d.Leftover, left: int, *, months_idle: int) -> Part:
    """What remains after so many months without use, each taking its part of what was left."""
    amount = left
    for _ in range(max(0, months_idle)):
        amount -= amount * leftover.decay_percent_a_month // 100
    words = f"{leftover.decay_percent_a_month} % of what is left lapses with each of {months_idle} months without use"
    return Part(amount, f"{words}: {credits_text(amount)} credits remain.")


# --- owed, who ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ReportDue:
    """A report that is owed."""

    kind: str
    on: date
    reason: str


def reports_due(duties: d.Duties, *, starts_on: date, ends_on: date) -> list[ReportDue]:
    """The reports an award owes, each with its day. A mid-term report that would fall after the end is not owed."""
    owed = []
    if duties.midterm_report_days is not None:
        day = starts_on + timedelta(days=duties.midterm_report_days)
        if day < ends_on:
            owed.append(ReportDue("midterm", day, f"{duties.midterm_report_days} days after the first day"))
    if duties.final_report_days is not None:
        day = ends_on + timedelta(days=duties.final_report_days)
        owed.append(ReportDue("final", day, f"{duties.final_report_days} days after the last day"))
    return owed


def membership_finding(membership: d.Membership, *, email: str) -> Finding:
    """Whether somebody with this address may be among the people of an award."""
    domain = email.rpartition("@")[2].lower()
    allowed = membership.allowed_domains
    if not allowed:
        return finding("membership", True, f"{domain} may join", "people with any address")
    inside = any(domain == one or domain.endswith("." + one) for one in allowed)
    return finding("membership", inside, f"the address is at {domain}", f"people with an address at {words_or(allowed)}")


def last_day(start: date, months: int) -> date:
    """The last day of so many months that begin on `start`."""
    return start + relativedelta(months=months) - timedelta(days=1)
