"""
What an award is given beyond its decision, held against the rules of its call and counted kind by kind.

The limits of a call bind everybody, officers too. Rests of an award in parts and what an appeal brings were decided already;
an allocation without a decision here has no call, and no rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import IntegrityError, transaction

from allocations.calls import afterwards
from allocations.calls.document import CallDocument
from allocations.calls.findings import Finding
from allocations.ledger.selectors import Balance, balance
from allocations.projects.giving import Gift, Kind
from allocations.projects.models import Allocation
from portal.core.errors import Refusal

from .aid import aid_check, aid_record
from .models import Decision, Grown

DECIDED_BEFORE = (Kind.REST, Kind.APPEAL)
REFUSALS = {
    Kind.TOPUP: ("topup_limit", "No top-up"),
    Kind.BURST: ("burst_limit", "No burst"),
    Kind.SUPPLEMENT: ("supplement_limit", "No more credits"),
    Kind.EXTENSION: ("extension_limit", "No extension"),
}


@dataclass(frozen=True)
class Award:
    """An allocation with the decision that made it, its call's rules, its balance and what it was given since."""

    allocation: Allocation
    decision: Decision
    rules: CallDocument
    balance: Balance
    grown: Sequence[Grown]

    def given(self, kind: Kind) -> list[Grown]:
        """What was given as one kind, the oldest first."""
        return [row for row in self.grown if row.kind == kind]

    @property
    def granted(self) -> int:
        """Micro-credits it was ever given, without what lapsed of a burst. What was taken back is in it still."""
        return self.balance.granted - sum(row.returned for row in self.grown)

    @property
    def months_more(self) -> int:
        """Months, begun ones counted, by which its end lies beyond the months awarded."""
        return self.months_until(self.allocation.ends_on)

    def months_until(self, ends_on: date) -> int:
        """The same for another end."""
        months = self.decision.months or 1
        return afterwards.extended_months(starts_on=self.allocation.starts_on, months=months, ends_on=ends_on)

    def end_after(self, months: int) -> date:
        """The last day after so many months more."""
        return afterwards.last_day(self.allocation.starts_on, (self.decision.months or 1) + self.months_more + months)


def award_of(allocation: Allocation) -> Award | None:
    """What is known of an allocation as an award, in three queries; None where no decision of this portal made it."""
    rows = Decision.objects.filter(allocation=allocation).select_related("application__version", "application__call")
    decision = rows.order_by("-number").first()
    if decision is None:
        return None
    grown = list(Grown.objects.filter(allocation=allocation).select_related("by", "source"))
    return Award(allocation, decision, decision.application.version.rules, balance(code=allocation.account), grown)


def check_within_rules(gift: Gift) -> None:
    """
    Let pass what the rules of the award's call allow.

    :raises Refusal: `topup_limit`, `burst_limit`, `supplement_limit`, `extension_limit`, `aid_ceiling`, each with its reason
    """
    award = None if gift.kind in DECIDED_BEFORE else award_of(gift.allocation)
    if award is None:
        return
    found = _limit(award, gift)
    if found is not None and not found.passes:
        code, words = REFUSALS[gift.kind]
        raise Refusal(code, f"{words} for {gift.allocation.code}: {found.reason} Its call's rules bind officers too.")
    if gift.amount:
        aid_check(rules=award.rules, organisation=gift.allocation.organisation, credits=gift.amount, today=gift.at.date())


def _limit(award: Award, gift: Gift) -> Finding | None:
    duties, awarded = award.rules.duties, award.decision.credits
    if gift.kind == Kind.TOPUP:
        times = len(award.given(Kind.TOPUP))
        return afterwards.topup_limit_finding(duties, amount=gift.amount, awarded=awarded, times=times)
    if gift.kind == Kind.BURST:
        return afterwards.burst_finding(duties, amount=gift.amount, had=len(award.given(Kind.BURST)))
    if gift.kind == Kind.SUPPLEMENT:
        had = sum(row.amount for row in award.given(Kind.SUPPLEMENT))
        return afterwards.supplement_finding(duties, amount=gift.amount, awarded=awarded, had=had)
    if gift.kind == Kind.EXTENSION and gift.ends_on is not None:
        return afterwards.extension_finding(
            duties,
            ends_on=award.allocation.ends_on,
            today=gift.at.date(),
            had_months=award.months_more,
            months=award.months_until(gift.ends_on) - award.months_more,
            times=len(award.given(Kind.EXTENSION)),
            asked=False,
        )
    return None


def gift_note(gift: Gift) -> None:
    """
    Write down what was given, and count it as aid where the call does.

    :raises Refusal: `changed_meanwhile` when something of the same kind was given at the same moment
    """
    award = None if gift.kind in DECIDED_BEFORE else award_of(gift.allocation)
    if award is None:
        return
    burst = award.rules.duties.burst if gift.kind == Kind.BURST else None
    before = award.balance.used + award.balance.held
    try:
        with transaction.atomic():
            Grown.objects.create(
                allocation=gift.allocation,
                kind=gift.kind,
                number=len(award.given(gift.kind)) + 1,
                amount=gift.amount,
                transfer=gift.id,
                ends_on=gift.ends_on,
                reason=gift.reason,
                rule_words=gift.rule_words,
                by=gift.by,
                at=gift.at,
                lapses_on=gift.at.date() + timedelta(days=burst.days) if burst else None,
                committed_before=before if burst else 0,
            )
    except IntegrityError:
        raise Refusal("changed_meanwhile", f"{gift.allocation.code} was given something just now. Look at it again.") from None
    aid_record(rules=award.rules, allocation=gift.allocation, credits=gift.amount, at=gift.at, part=gift.id)
