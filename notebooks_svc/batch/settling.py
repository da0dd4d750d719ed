"""
From jobs to charges: what ended since the last time is posted out of the hold and the rest is held anew (`roll`), once a day
and at the end. What accounting puts right later becomes adjusting transfers: down always, up at most to what was set aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from allocations.ledger import selectors as ledger_read
from allocations.ledger import services as ledger
from allocations.usage.models import UsageRecord
from allocations.usage.services import Used, usage_write
from allocations.usage.sources import Source
from notebooks_svc.metering.paying import BY_RULE
from portal.audit import services as audit
from portal.core.quantities import charge, credits_text

from . import letters
from .models import BatchHold, BatchJob
from .pricing import Given, job_formula, seconds_paid_by
from .selectors import behind
from .services import settle_every
from .states import S

SPELLED_OUT, TOLD = 5, 50  # jobs with their formula in a line's text; jobs with their facts beside it


@dataclass(frozen=True)
class Share:
    """What the books are to say of one job: seconds paid, seconds of overrun, and by how much its charge changes."""

    job: BatchJob
    paid: int
    overrun: int
    cost: int


def share_of(job: BatchJob, *, room: int) -> Share:
    """
    Bring one job's books to what is known of it.

    :param room: micro-credits that may still be charged; what they do not pay for is the provider's overrun
    """
    booked = job.paid_seconds + job.overrun_seconds
    overrun = max(0, job.overrun_seconds - max(0, booked - job.seconds))
    paid = job.seconds - overrun
    cost = charge(rate_per_hour=job.rate_per_hour, unit_seconds=paid) - job.charge
    if cost > room:
        affordable = seconds_paid_by(job.charge + room, job.rate_per_hour)
        fits = paid if affordable is None else min(paid, affordable)
        paid, overrun = fits, overrun + paid - fits
        cost = charge(rate_per_hour=job.rate_per_hour, unit_seconds=paid) - job.charge
    return Share(job, paid, overrun, cost)


@transaction.atomic
def batch_settle(*, id: str, final: bool = False, at: datetime) -> int:
    """
    Bring a batch hold's books up to date: charge what ended, return what was charged too much; safe to repeat.

    :param final: nothing can run any more: what is left returns, and the hold is closed
    :return: micro-credits charged; below zero when refunded
    """
    row = hold_locked(id)
    if final and row.state != S.CLOSING:
        return 0
    room = row.hold_amount if row.hold else _room_after(row)
    shares, total, spent = [], 0, 0
    for job in behind(hold=row).select_related("user"):
        share = share_of(job, room=room)
        shares.append(share)
        room -= max(0, share.cost)
        total += share.cost
        spent += max(0, share.cost)
    charged = [share for share in shares if share.cost > 0]
    if row.hold and (final or spent):
        _out_of_the_hold(row, charged, spent, final=final, at=at)
    elif spent:
        _adjust(row, -spent, charged, at=at)
    for share in shares:
        if share.cost < 0:
            _adjust(row, -share.cost, [share], at=at)
        _job_write(row, share, at=at)
    changes: dict[str, Any] = {
        "hold": row.hold,
        "hold_amount": row.hold_amount,
        "hold_number": row.hold_number,
        "corrections": row.corrections,
        "charged": row.charged + total,
        "settled_at": at,
        "due_at": at + settle_every(),
    }
    if final:
        changes |= {"state": S.CLOSED, "closed_at": at}
    BatchHold.objects.filter(pk=row.pk).update(**changes)
    if final:
        row.refresh_from_db()
        audit.event_record(
            kind="batch.closed", actor=None, about=row.subject, at=at, charged=row.charged, reason=row.close_reason
        )
        letters.closed(row, at=at)
    return total


def hold_locked(id: str) -> BatchHold:
    """A batch hold as it is now, locked until the caller's transaction ends."""
    rows = BatchHold.objects.select_for_update(of=("self",))
    return rows.select_related("allocation__organisation", "resource__site__provider", "opened_by").get(pk=id)


def _room_after(row: BatchHold) -> int:
    """Once nothing is held any more: what may still be charged, of what was set aside and of what the allocation has left."""
    return max(0, min(row.amount - row.charged, ledger_read.balance(code=row.allocation.account).available))


def _out_of_the_hold(row: BatchHold, charged: Sequence[Share], spent: int, *, final: bool, at: datetime) -> None:
    """Post what was used; hold the rest anew, or return it in the end."""
    keep = row.hold_amount - spent
    told = explanation(row, charged, spent) if spent else None
    provider = row.resource.site.provider.account
    if final or keep == 0:
        reason = "the batch hold was closed" if final else "all that was set aside is used"
        if not spent:
            reason += "; nothing of it was used"
        ledger.settle(
            id=f"{row.hold}-post", hold=row.hold, amount=spent, provider=provider, at=at, reason=reason, explanation=told
        )
        row.hold, row.hold_amount = "", 0
        return
    number = row.hold_number + 1
    ledger.roll(
        id=f"{row.hold}-post",
        hold=row.hold,
        used=spent,
        new_hold=f"{row.pk}-r{number}",
        keep=keep,
        provider=provider,
        at=at,
        explanation=told,
        kept={
            "text": f"batch hold {row.pk[-6:]} on {row.resource.slug}, what is left of it",
            "who": str(row.opened_by),
            "formula": f"{credits_text(row.hold_amount)} − {credits_text(spent)} = {credits_text(keep)}",
            "batch": row.pk,
        },
    )
    row.hold, row.hold_number, row.hold_amount = f"{row.pk}-r{number}", number, keep


def _adjust(row: BatchHold, amount: int, shares: Sequence[Share], *, at: datetime) -> None:
    """Right what was posted before: refund a positive amount, charge a negative one; the last hold first."""
    holds = [f"{row.pk}-r{number}" for number in range(row.hold_number, 0, -1)] + [row.pk]
    for hold in holds:
        paid = ledger_read.paid_for(hold=hold)
        if paid is None or amount == 0:
            continue
        part = min(amount, paid.net) if amount > 0 else -min(-amount, paid.held - paid.net)
        if part == 0:
            continue
        row.corrections += 1
        ledger.adjust(
            id=f"{row.pk}-corr-{row.corrections}",
            corrects=paid.settlement,
            amount=part,
            provider=row.resource.site.provider.account,
            reason="corrected by the scheduler's accounting, or by a declared outage",
            by=BY_RULE,
            at=at,
            explanation=explanation(row, shares, sum(share.job.charge + share.cost for share in shares)),
        )
        amount -= part


# --- one job --------------------------------------------------------------------------------------------------------------


def _job_write(row: BatchHold, share: Share, *, at: datetime) -> None:
    """The usage record of a job, or of what changed about it; and the job's own line."""
    job = share.job
    before = list(_records(job)) if job.settled_at else []
    record_id = f"{job.record}:correction-{len(before)}" if before else job.record
    used = Used(
        record_id=record_id,
        source=Source(job.source),
        kind="batch",
        user=job.user,
        allocation=row.allocation,
        resource=row.resource,
        launch=row.pk,
        size=_given(job).size,
        start=job.started,
        end=job.ended or at,
        unit_seconds=share.paid - job.paid_seconds,
        overrun_seconds=share.overrun - job.overrun_seconds,
        rate_per_hour=job.rate_per_hour,
        accounting=job.record.partition(":")[2] if job.source == Source.SCHEDULER else "",
    )
    reason = job.free_reason or ("corrected" if before else "")
    usage_write(used, charged=share.cost, at=at, corrects=before[-1] if before else None, reason=reason)
    BatchJob.objects.filter(pk=job.pk).update(
        paid_seconds=share.paid, overrun_seconds=share.overrun, charge=job.charge + share.cost, settled_at=at, is_behind=False
    )


def _records(job: BatchJob) -> Any:
    mine = Q(record_id=job.record) | Q(record_id__startswith=f"{job.record}:")
    return UsageRecord.objects.filter(mine, launch=job.hold_id).order_by("pk")


def _given(job: BatchJob) -> Given:
    return Given(job.cores, job.memory_mib, job.gpus)


def explanation(row: BatchHold, shares: Sequence[Share], amount: int) -> dict[str, Any]:
    """The words of a line: whose jobs, how long each ran, at which rate, and what that makes."""
    rates = {share.job.rate_per_hour for share in shares}
    spelled = [_spelled(row, share) for share in shares[:SPELLED_OUT]]
    rest = shares[SPELLED_OUT:]
    if rest:
        more = sum(share.job.charge + share.cost for share in rest)
        spelled.append(f"{len(rest)} more job{'s' * (len(rest) != 1)} = {credits_text(more)}")
    jobs = f"{len(shares)} job{'s' * (len(shares) != 1)}"
    return {
        "text": f"{jobs} of batch hold {row.pk[-6:]} on {row.resource.slug}",
        "who": ", ".join(sorted({str(share.job.user) for share in shares})),
        "formula": "; ".join(spelled) + (f"; in all {credits_text(amount)}" if len(shares) > 1 else ""),
        "seconds": sum(share.paid for share in shares),
        "rate_per_hour": credits_text(rates.pop()) if len(rates) == 1 else "",
        "batch": row.pk,
        "jobs": [
            {
                "job": share.job.job,
                "record": share.job.record,
                "who": str(share.job.user),
                "seconds": share.paid,
                "rate_per_hour": credits_text(share.job.rate_per_hour),
                "charge": credits_text(share.job.charge + share.cost),
            }
            for share in shares[:TOLD]
        ],
    }


def _spelled(row: BatchHold, share: Share) -> str:
    job = share.job
    name = f" “{job.name[:40]}”" if job.name else ""
    beyond = f" ({share.overrun} s beyond what was set aside: not charged)" if share.overrun else ""
    free = f" (not charged: {job.free_reason})" if job.free_reason else ""
    return (
        f"job {job.job}{name}: {job_formula(row.rate, _given(job))} × {share.paid} s = "
        f"{credits_text(job.charge + share.cost)}{beyond}{free}"
    )
