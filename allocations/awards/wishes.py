"""
A team asks for more with one click: a top-up, a burst, more time. Where the call's rule allows it and may decide, it decides
at once and says so; else an officer is asked, with what the rule says of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from allocations.calls import afterwards
from allocations.calls.findings import Finding
from allocations.ledger.selectors import transfer_exists
from allocations.ledger.states import RefusalCode
from allocations.projects import asking
from allocations.projects import services as projects
from allocations.projects.giving import Kind
from allocations.projects.models import Allocation
from allocations.projects.policies import check_manages
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal
from portal.core.quantities import credits_parse, credits_text

from .growing import Award, award_of

MONTHS_EACH = 1


@dataclass(frozen=True)
class Wish:
    """
    Something a team may ask for, and what the rule says of it now.

    :param most: micro-credits that one may ask for; 0 where time is asked for
    :param months: months more that are left; 0 where credits are asked for
    :param never: no rule and no officer can give it
    """

    kind: Kind
    title: str
    finding: Finding
    by_rule: bool
    most: int = 0
    months: int = 0
    never: bool = False


@dataclass(frozen=True)
class Answer:
    """What became of it: given by the rule, or an officer was asked; and why."""

    given: bool
    reason: str


def wishes(award: Award, *, today: date) -> list[Wish]:
    """What the call's rules say of asking for more, kind by kind; nothing where they know no such thing."""
    duties, found = award.rules.duties, []
    if duties.supplement_at_percent is not None:
        most = afterwards.topup_most(duties, awarded=award.decision.credits)
        by_rule = duties.topup.decided_by == "rule"
        found.append(Wish(Kind.TOPUP, f"A top-up of up to {credits_text(most)} credits", topup(award), by_rule, most))
    if duties.burst is not None:
        most, had = credits_parse(duties.burst.credits_max), len(award.given(Kind.BURST))
        title = f"Once, for {duties.burst.days} days, up to {credits_text(most)} credits more"
        finding = afterwards.burst_finding(duties, amount=most, had=had)
        found.append(Wish(Kind.BURST, title, finding, duties.burst.decided_by == "rule", most, never=bool(had)))
    if duties.extension_months_max:
        finding = extension(award, months=MONTHS_EACH, today=today)
        left = max(0, duties.extension_months_max - award.months_more)
        often = duties.extension_times_max
        over = not left or (often is not None and len(award.given(Kind.EXTENSION)) >= often)
        title = f"More time, up to {left} month{'s' * (left != 1)}"
        by_rule = duties.extension_decided_by == "rule"
        found.append(Wish(Kind.EXTENSION, title, finding, by_rule, months=left, never=over))
    return found


def topup(award: Award) -> Finding:
    """What the rule says of a top-up now."""
    times = len(award.given(Kind.TOPUP))
    return afterwards.topup_finding(award.rules.duties, granted=award.granted, used=award.balance.used, times=times)


def extension(award: Award, *, months: int, today: date) -> Finding:
    """What the rule says of so many months more, asked for now."""
    return afterwards.extension_finding(
        award.rules.duties,
        ends_on=award.allocation.ends_on,
        today=today,
        had_months=award.months_more,
        months=months,
        times=len(award.given(Kind.EXTENSION)),
    )


def credits_ask(
    *, allocation: Allocation, kind: Kind, amount: int, once: str, message: str = "", by: User, at: datetime
) -> Answer:
    """
    Ask for a top-up or a burst.

    :param amount: micro-credits
    :param once: made with the form, so that a double click asks once
    :raises NotAllowed: unless an owner or manager of the enterprise
    :raises Malformed: more than one may ask for
    :raises Refusal: `no_such_rule`, `allocation_not_active`, `burst_limit`, `changed_meanwhile`
    """
    check_manages(user=by, allocation=allocation, what="ask for more")
    asking.check_not_over(allocation)
    transfer = f"{allocation.code.lower()}-{kind}-{once}"
    if transfer_exists(id=transfer):
        return Answer(True, "It was given already.")
    award, wish = _wish(allocation, kind, at)
    if not 0 < amount <= wish.most:
        raise Malformed(f"Ask for more than 0 and at most {credits_text(wish.most)} credits.", field="amount")
    if wish.never:
        raise Refusal("burst_limit", f"{allocation.code} cannot get another: {wish.finding.reason}")

    def give() -> None:
        projects.allocation_supplement(
            allocation=allocation,
            id=transfer,
            amount=amount,
            reason=f"By rule: {wish.finding.reason}",
            by=None,
            at=at,
            kind=kind,
            rule_words=wish.finding.reason,
        )

    return _answer(award, wish, give, amount=amount, message=message, by=by, at=at)


def time_ask(*, allocation: Allocation, months: int, ends_on: date | None, message: str = "", by: User, at: datetime) -> Answer:
    """
    Ask for so many months more.

    :param ends_on: the last day the person had before them, so that a double click asks once; None for whatever it is
    :raises NotAllowed: unless an owner or manager of the enterprise
    :raises Malformed: more months than are left
    :raises Refusal: `no_such_rule`, `allocation_not_active`, `extension_limit`, `changed_meanwhile`
    """
    check_manages(user=by, allocation=allocation, what="ask for more time")
    asking.check_not_over(allocation)
    if ends_on is not None and ends_on != allocation.ends_on:
        raise Refusal("changed_meanwhile", f"{allocation.code} runs until {allocation.ends_on:%-d %B %Y} by now. Look again.")
    award, wish = _wish(allocation, Kind.EXTENSION, at)
    if wish.never:
        raise Refusal("extension_limit", f"{allocation.code} cannot be extended any more: {wish.finding.reason}")
    if not 1 <= months <= wish.months:
        raise Malformed(f"Ask for 1 to {wish.months} months.", field="months")
    finding = extension(award, months=months, today=at.date())
    wish = Wish(wish.kind, wish.title, finding, wish.by_rule, months=wish.months)

    def give() -> None:
        projects.allocation_extend(
            allocation=allocation,
            ends_on=award.end_after(months),
            reason=f"By rule: {finding.reason}",
            by=None,
            at=at,
            rule_words=finding.reason,
        )

    return _answer(award, wish, give, months=months, message=message, by=by, at=at)


def _wish(allocation: Allocation, kind: Kind, at: datetime) -> tuple[Award, Wish]:
    award = award_of(allocation)
    found = [wish for wish in wishes(award, today=at.date()) if wish.kind == kind] if award else []
    if award is None or not found:
        raise Refusal("no_such_rule", f"The call of {allocation.code} knows no such thing. Ask the officers for more instead.")
    return award, found[0]


def _answer(
    award: Award,
    wish: Wish,
    give: Callable[[], None],
    *,
    message: str,
    by: User,
    at: datetime,
    amount: int | None = None,
    months: int | None = None,
) -> Answer:
    """Let the rule give it where it may; else ask the officers, with what the rule said."""
    allocation, said = award.allocation, wish.finding.reason
    about = f"allocation:{allocation.code}"
    if wish.by_rule and wish.finding.passes:
        try:
            with transaction.atomic():
                audit.event_record(kind="allocation.rule_asked", actor=by, about=about, at=at, wish=str(wish.kind))
                give()
        except Refusal as refusal:
            if refusal.code in ("changed_meanwhile", RefusalCode.ALLOCATION_NOT_ACTIVE):
                raise  # no officer could give it either
            said = refusal.message  # the pool or the ceiling of aid: a person may know what to do
        else:
            return Answer(True, said)
    what = f"{credits_text(amount)} credits" if amount else f"{months} month{'s' * (months != 1)}"
    words = "\n".join(line for line in (message.strip(), f"Asked for: {what}.", f"The call's rule: {said}") if line)
    asking.more_ask(
        allocation=allocation, message=words, by=by, at=at, wish=asking.Wish(str(wish.kind)), amount=amount, months=months
    )
    return Answer(False, said)
