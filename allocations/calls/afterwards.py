"""After the award: top-ups, bursts, extensions, parts, what lies idle, what is owed, who may join. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from portal.core.quantities import credits_parse, credits_text

from . import document as d
from .findings import Finding, finding, plain, words_or


@dataclass(frozen=True)
class Part:
    """An amount of micro-credits a rule arrived at, and why."""

    amount: int
    reason: str


# --- asking for more ----------------------------------------------------------------------------------------------------
NO_TOPUP, NO_EXTENSION = "this call gives no top-up", "this call gives no extension"


def topup_finding(duties: d.Duties, *, granted: int, used: int, times: int) -> Finding:
    """
    Whether a top-up may be asked for.

    :param granted: micro-credits ever granted, top-ups and what was taken back included: a reclaim brings nobody nearer
    :param used: micro-credits charged in the end, corrections taken off
    :param times: top-ups had before
    """
    wanted = f"awards of which {duties.supplement_at_percent} % are used, at most {_times(duties.topup.times_max)}"
    if duties.supplement_at_percent is None:
        return finding("topup", False, NO_TOPUP, "calls that do")
    percent = 100 * used // granted if granted else 0
    found = f"{percent} % of {credits_text(granted)} credits are used, {times} top-up{'s' * (times != 1)} so far"
    # Whole numbers on both sides: 79.9 % is not yet 80 %.
    enough = granted > 0 and 100 * used >= duties.supplement_at_percent * granted
    return finding("topup", enough and times < duties.topup.times_max, found, wanted)


def topup_most(duties: d.Duties, *, awarded: int) -> int:
    """The most micro-credits one top-up gives."""
    return credits_parse(duties.topup.credits_max) if duties.topup.credits_max is not None else awarded


def topup_limit_finding(duties: d.Duties, *, amount: int, awarded: int, times: int) -> Finding:
    """Whether a top-up of so many micro-credits stays within what binds everybody, how much is used aside."""
    if duties.supplement_at_percent is None:
        return finding("topup", False, NO_TOPUP, "calls that do")
    most = topup_most(duties, awarded=awarded)
    found = f"{credits_text(amount)} credits, {times} top-up{'s' * (times != 1)} so far"
    wanted = f"top-ups of at most {credits_text(most)} credits, at most {_times(duties.topup.times_max)}"
    return finding("topup", amount <= most and times < duties.topup.times_max, found, wanted)


def supplement_finding(duties: d.Duties, *, amount: int, awarded: int, had: int) -> Finding:
    """
    Whether officers may give so many micro-credits of their own accord: in all as much as the call's top-ups come to.

    They take nothing from the team's own top-ups.

    :param had: micro-credits that officers gave of their own accord before
    """
    if duties.supplement_at_percent is None:
        return finding("supplement", False, NO_TOPUP, "calls that do")
    times, each = duties.topup.times_max, topup_most(duties, awarded=awarded)
    found = f"{credits_text(had + amount)} credits of officers' own accord in all"
    wanted = f"at most {times} × {credits_text(each)} = {credits_text(times * each)} credits"
    return finding("supplement", had + amount <= times * each, found, wanted)


def burst_finding(duties: d.Duties, *, amount: int, had: int) -> Finding:
    """Whether a one-off burst of so many micro-credits may be given."""
    if duties.burst is None:
        return finding("burst", False, "this call gives no burst", "calls that do")
    most = credits_parse(duties.burst.credits_max)
    found = f"{credits_text(amount)} credits asked for, {had} burst{'s' * (had != 1)} so far"
    wanted = f"at most {credits_text(most)} credits, once, lapsing after {duties.burst.days} days"
    return finding("burst", amount <= most and had == 0, found, wanted)


def extension_finding(
    duties: d.Duties, *, ends_on: date, today: date, had_months: int, months: int, times: int = 0, asked: bool = True
) -> Finding:
    """
    Whether the end may be moved by so many months now.

    :param had_months: months it was moved by before, begun ones counted
    :param times: how often it was moved before
    :param asked: by the team, which may ask within the call's days only; months and times bind officers as well
    """
    most, often = duties.extension_months_max, duties.extension_times_max
    early = duties.extension_asked_days_before if asked else None
    if not most:
        return finding("extension", False, NO_EXTENSION, "calls that do")
    left = (ends_on - today).days
    found = f"{_months(had_months + months)} of extension in all, extension number {times + 1}, {left} days before the end"
    wanted = f"awards extended by at most {_months(most)}" + (f", at most {_times(often)}" if often else "")
    wanted += f", asked for in the last {early} days" if early else ""
    within = had_months + months <= most and (often is None or times < often)
    in_time = left >= 0 and (early is None or left <= early)
    return finding("extension", within and in_time and (months > 0 or not asked), found, wanted)


def extended_months(*, starts_on: date, months: int, ends_on: date) -> int:
    """Whole months, begun ones counted, that an end lies beyond the months awarded."""
    beyond = 0
    while last_day(starts_on, months + beyond) < ends_on:
        beyond += 1
    return beyond


# --- in parts, idle, left over ------------------------------------------------------------------------------------------
def release_parts(release: d.Release | None, amount: int) -> tuple[Part, Part]:
    """What is granted at once and what follows a progress report; together exactly the award."""
    if release is None:
        return Part(amount, "All of it is granted at once."), Part(0, "")
    first = -(-amount * release.at_award_percent // 100)
    if first == amount:
        return Part(amount, "All of it is granted at once: the smallest unit has no parts."), Part(0, "")
    words = f"{release.at_award_percent} % of {credits_text(amount)} credits"
    return (
        Part(first, f"{words} are granted at once."),
        Part(
            amount - first,
            f"The other {credits_text(amount - first)} credits follow when an officer accepts your progress report.",
        ),
    )


def reclaim_finding(
    reclaim: d.Reclaim | None, *, starts_on: date, today: date, granted: int, used: int, held: int, left: int
) -> tuple[int, Finding]:
    """
    How many micro-credits return to the pool because they lie idle, and why. Never anything that is held.

    :param granted: micro-credits it has had, without what was returned before
    :param used: micro-credits charged in the end, corrections taken off
    :param left: micro-credits available
    """
    if reclaim is None:
        return 0, finding("reclaim", False, "this call takes nothing back", "calls that do")
    days = (today - starts_on).days
    share = 100 * (used + held)
    found = f"{share // granted if granted else 100} % used after {days} days"
    wanted = f"awards used below {reclaim.used_below_percent} % after {reclaim.after_days} days"
    idle = days >= reclaim.after_days and share < reclaim.used_below_percent * granted
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


@dataclass(frozen=True)
class Lapse:
    """Micro-credits that lapse on a day unless the award is used before, and why."""

    amount: int
    on: date
    reason: str


def decay_next(leftover: d.Leftover, *, left: int, last_used: date, today: date, notice_days: int) -> Lapse | None:
    """
    What lapses with the next month without use of which notice can still be given; None where a call lets nothing lapse.

    :param last_used: the day something was last set aside, or else the first day of the award
    """
    if not leftover.decay_percent_a_month or not left:
        return None
    months = 1
    while last_used + relativedelta(months=months) < today + timedelta(days=notice_days):
        months += 1
    on = last_used + relativedelta(months=months)
    remains = decayed(leftover, left, months_idle=1).amount
    words = f"{leftover.decay_percent_a_month} % of the {credits_text(left)} credits left lapse with each month without use"
    return Lapse(left - remains, on, f"{words}; on {on:%-d %B %Y} it is {_months(months)}.")


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


# --- told beforehand ----------------------------------------------------------------------------------------------------
def offers(rules: d.CallDocument) -> list[str]:
    """What the rules of a call give or take after the award, as those who think of applying read it."""
    return [
        f"{words} {'The rule decides at once.' if alone else 'An officer decides.'}" for alone, words in _given(rules)
    ] + _taken(rules)


def acts_alone(rules: d.CallDocument) -> list[str]:
    """What the rules of a call give or take after the award without a person, in words for the public register."""
    return [words for alone, words in _given(rules) if alone] + _taken(rules)


def _given(rules: d.CallDocument) -> list[tuple[bool, str]]:
    """What may be had: whether the rule decides alone, and what it is."""
    duties, found = rules.duties, []
    if duties.supplement_at_percent is not None:
        most = duties.topup.credits_max
        size = f"up to {plain(most)} credits" if most is not None else "up to the award again"
        often = _times(duties.topup.times_max)
        words = f"A top-up of {size} once {duties.supplement_at_percent} % are used, at most {often}."
        found.append((duties.topup.decided_by == "rule", words))
    if duties.burst is not None:
        words = f"Up to {plain(duties.burst.credits_max)} credits more once, which lapse after {duties.burst.days} days."
        found.append((duties.burst.decided_by == "rule", words))
    if duties.extension_months_max:
        early = duties.extension_asked_days_before
        when = f", asked for in the last {early} days" if early else ""
        words = f"Up to {_months(duties.extension_months_max)} longer in all{when}."
        found.append((duties.extension_decided_by == "rule", words))
    return found


def _taken(rules: d.CallDocument) -> list[str]:
    """What returns by itself, and what a renewal takes along."""
    reclaim, leftover, words = rules.reclaim, rules.leftover, []
    if reclaim is not None:
        words.append(
            f"{reclaim.take_percent} % of what is left returns from awards used below {reclaim.used_below_percent} % "
            f"after {reclaim.after_days} days, {reclaim.warn_days} days after a notice. Any use drops the notice."
        )
    if leftover.decay_percent_a_month:
        words.append(
            f"{leftover.decay_percent_a_month} % of what is left returns with each month without use, after a notice. "
            "Any use drops the notice."
        )
    if leftover.carry_percent:
        words.append(f"A renewal takes {leftover.carry_percent} % of what was left on the last day along.")
    return words


def _times(number: int) -> str:
    return f"{number} time{'s' * (number != 1)}"


def _months(number: int) -> str:
    return f"{number} month{'s' * (number != 1)}"
