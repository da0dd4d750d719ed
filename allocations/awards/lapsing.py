"""
What rules take back or carry on by themselves: bursts lapse, idle credits are given notice, what is left follows a renewal.

Each sweep is safe to run twice at once; a refusal of one award leaves the others done.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from allocations.applications.models import Application
from allocations.calls.afterwards import carried, decay_next, reclaim_finding
from allocations.calls.document import CallDocument
from allocations.ledger import selectors as ledger_read
from allocations.ledger import services as ledger
from allocations.ledger.selectors import Balance
from allocations.projects import letters
from allocations.projects import reclaim as notices
from allocations.projects import services as projects
from allocations.projects.giving import Kind
from allocations.projects.models import Allocation, ReclaimNotice
from allocations.projects.states import STORAGE, S
from portal.audit import services as audit
from portal.core.errors import Refusal
from portal.core.quantities import credits_text

from .models import Grown

log = logging.getLogger(__name__)
BATCH = 200
LIVE = (S.SCHEDULED, S.ACTIVE, S.SUSPENDED)


# --- bursts ---------------------------------------------------------------------------------------------------------------
def bursts_lapse(*, at: datetime) -> None:
    """Return what is left of bursts whose last day has passed."""
    due = Grown.objects.filter(kind=Kind.BURST, lapsed_at=None, lapses_on__lt=at.date())
    for burst in due.select_related("allocation__organisation"):
        try:
            _lapse(burst, at=at)
        except Refusal as refusal:
            log.info("a burst of %s stays for now: %s", burst.allocation.code, refusal.message)


@transaction.atomic
def _lapse(burst: Grown, *, at: datetime) -> None:
    allocation = burst.allocation
    if not Grown.objects.filter(pk=burst.pk, lapsed_at=None).update(lapsed_at=at):
        return
    amount = unused(burst, ledger_read.balance(code=allocation.account))
    if not amount or allocation.state not in LIVE:
        return
    ledger.give_back(
        id=f"{allocation.code.lower()}-burst-{burst.number}-lapse",
        allocation=allocation.account,
        amount=amount,
        reason=f"the burst of {credits_text(burst.amount)} credits lapsed on {burst.lapses_on:%-d %B %Y}",
        by="rule",
        at=at,
    )
    Grown.objects.filter(pk=burst.pk).update(returned=amount)
    about = f"allocation:{allocation.code}"
    audit.event_record(kind="allocation.burst_lapsed", actor=None, about=about, at=at, amount=credits_text(amount))
    letters.burst_lapsed(allocation, amount=amount, given=burst.amount, at=at)


def unused(burst: Grown, balance: Balance) -> int:
    """Micro-credits of a burst that were not used: it is used before the award itself, and what is held counts as used."""
    since = balance.used + balance.held - burst.committed_before
    return max(0, min(balance.available, burst.amount - max(0, since)))


# --- idle credits ---------------------------------------------------------------------------------------------------------
def idle_notices(*, at: datetime) -> None:
    """Give notice where a call lets idle credits return, or lapse month by month. Using the award drops the notice."""
    active = Application.objects.filter(allocation__state=S.ACTIVE)
    reclaiming = active.exclude(version__document__reclaim=None)
    decaying = active.filter(version__document__leftover__decay_percent_a_month__gt=0)
    for rows in _batches(reclaiming | decaying):
        balances = ledger_read.balance_map(codes=[allocation.account for allocation, _ in rows])
        last = _last_notices([allocation for allocation, _ in rows])
        for allocation, rules in rows:
            notice = last.get(allocation.pk)
            if notice is not None and notice.state == ReclaimNotice.State.GIVEN:
                continue
            try:
                _idle_notice(allocation, rules, balances[allocation.account], notice, at=at)
            except Refusal as refusal:
                log.info("no notice for %s: %s", allocation.code, refusal.message)


def _batches(found: QuerySet[Application]) -> Iterator[list[tuple[Allocation, CallDocument]]]:
    """Awards with their call's rules, some at a time; rules of one version are read once."""
    rules: dict[int, CallDocument] = {}
    last = 0
    found = found.select_related("version", "allocation__organisation").order_by("pk")
    while rows := list(found.filter(pk__gt=last)[:BATCH]):
        last = rows[-1].pk
        pairs = []
        for row in rows:
            if row.version_id not in rules:
                rules[row.version_id] = row.version.rules
            if row.allocation is not None:
                pairs.append((row.allocation, rules[row.version_id]))
        yield pairs


def _last_notices(allocations: list[Allocation]) -> dict[int, ReclaimNotice]:
    """The newest notice of each award that stands, or that a rule gave."""
    rows = ReclaimNotice.objects.filter(allocation__in=allocations).order_by("pk")
    return {row.allocation_id: row for row in rows if row.given_by_id is None or row.state == ReclaimNotice.State.GIVEN}


def _idle_notice(
    allocation: Allocation, rules: CallDocument, balance: Balance, last: ReclaimNotice | None, *, at: datetime
) -> None:
    amount, days, reason = _reclaimable(allocation, rules, balance, last, today=at.date())
    if not amount:
        amount, days, reason = _decaying(allocation, rules, balance, last, today=at.date())
    if amount:
        notices.reclaim_announce(allocation=allocation, amount=amount, reason=reason, by=None, days=days, at=at)


def _reclaimable(
    allocation: Allocation, rules: CallDocument, balance: Balance, last: ReclaimNotice | None, *, today: date
) -> tuple[int, int, str]:
    """Micro-credits, days of notice and why. A rule gives notice at most once in the days it waits for."""
    rule = rules.reclaim
    if rule is None or (last is not None and (today - last.given_at.date()).days < rule.after_days):
        return 0, 0, ""
    take, finding = reclaim_finding(
        rule,
        starts_on=allocation.starts_on,
        today=today,
        granted=balance.granted - balance.returned,
        used=balance.used,
        held=balance.held,
        left=balance.available,
    )
    return take, rule.warn_days, f"{finding.reason} The call takes {rule.take_percent} % of what is left."


def _decaying(
    allocation: Allocation, rules: CallDocument, balance: Balance, last: ReclaimNotice | None, *, today: date
) -> tuple[int, int, str]:
    """The same for what lapses with each month without use: notice is given in the two weeks before the day."""
    if not rules.leftover.decay_percent_a_month:
        return 0, 0, ""
    held = ledger_read.last_held_at(code=allocation.account, besides=STORAGE)
    due = decay_next(
        rules.leftover,
        left=balance.available,
        last_used=max(allocation.starts_on, held.date()) if held else allocation.starts_on,
        today=today,
        notice_days=notices.NOTICE_DAYS_MIN,
    )
    if due is None or due.on > today + timedelta(days=notices.NOTICE_DAYS) or (last is not None and last.due_on >= due.on):
        return 0, 0, ""
    return due.amount, (due.on - today).days, due.reason


# --- renewals -------------------------------------------------------------------------------------------------------------
def leftovers_carry(*, at: datetime) -> None:
    """Where a call lets a renewal take along what an award had left on its last day: grant it, once."""
    done = Grown.objects.filter(kind=Kind.CARRIED).values("source_id")
    renewals = Application.objects.filter(
        allocation__state__in=LIVE,
        follows__allocation__state=S.CLOSED,
        follows__version__document__leftover__carry_percent__gt=0,
    ).exclude(follows__allocation_id__in=done)
    for row in renewals.select_related("allocation__organisation", "follows__allocation", "follows__version").order_by("pk"):
        try:
            _carry(row, at=at)
        except Refusal as refusal:
            log.info("nothing is carried over to %s: %s", row.code, refusal.message)


@transaction.atomic
def _carry(renewal: Application, *, at: datetime) -> None:
    source, target = renewal.follows.allocation if renewal.follows else None, renewal.allocation
    if renewal.follows is None or source is None or target is None:
        return
    if source.ended_at is None or source.ended_at.date() <= source.ends_on:
        return  # it was ended early: nothing was left on the last day
    part = carried(renewal.follows.version.rules.leftover, ledger_read.returned_at_end(code=source.account))
    if not part.amount:
        return
    words = f"{part.reason.rstrip('.')}, from {source.code}."
    id = f"{target.code.lower()}-carried-{source.code.lower()}"
    projects.allocation_supplement(
        allocation=target, id=id, amount=part.amount, reason=words, by=None, at=at, kind=Kind.CARRIED, rule_words=words
    )
    Grown.objects.filter(transfer=id).update(source=source)
