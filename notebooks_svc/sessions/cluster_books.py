"""What clusters cost: rolled every ten minutes, settled once at their end, corrected by what is reported later."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F

from allocations.catalogue.rates import Size
from allocations.ledger import selectors as ledger_read
from allocations.ledger import services as ledger
from allocations.usage.models import UsageRecord
from allocations.usage.services import Used, usage_write
from allocations.usage.sources import Source
from notebooks_svc.metering.counting import FREE_STOPS, Counted, Evidence, seconds_counted
from notebooks_svc.metering.paying import BY_RULE, Bill, explain, holds_correct
from portal.core.quantities import charge, credits_text

from .failures import ENDS
from .models import Cluster, ClusterState
from .outages import outage_windows
from .services import note_add
from .states import Target


def unit_seconds(cluster: Cluster, *, until: float | None = None) -> Counted:
    """
    Worker- and scheduler-seconds so far: for each process from the moment it was ready to its end, the lease's end, or a minute
    after a stop was asked for, without declared outages. What ran beyond is the provider's overrun.

    :param until: the site's clock when it was last seen, for what still runs; None counts only what has ended
    """
    total = overrun = 0
    deadline = cluster.lease_end.timestamp()
    stop = cluster.stop_asked_at.timestamp() if cluster.stop_asked_at else None
    processes = list(cluster.processes.all())
    # The site's clock, by which processes begin, may be behind the one by which the cluster was granted.
    begin = min((process.ready_at for process in processes if process.ready_at is not None), default=deadline)
    windows = outage_windows(cluster.session.resource.site_id, begin=begin, end=deadline)
    for process in processes:
        ended = process.ended if process.ended is not None else until
        if ended is None:
            continue
        counted = seconds_counted(
            Evidence(process.ready_at, process.ready_at, ended, process.reason),
            deadline=deadline,
            stop_asked=stop,
            stop_reason=cluster.stop_reason,
            outages=windows,
        )
        total += counted.seconds
        overrun += counted.overrun
    return Counted(total, overrun)


def source_of(cluster: Cluster) -> Source:
    """Who says what the cluster used: the weakest source of any of its processes; a journal while there is none."""
    sources = {Source(source) for source in cluster.processes.values_list("source", flat=True)}
    return max(sources, key=lambda source: source.rank, default=Source.JOURNAL)


def _seconds_paid_by(amount: int, cluster: Cluster) -> int:
    """The most unit-seconds an amount pays for."""
    return amount * 3600 // cluster.rate_per_hour if cluster.rate_per_hour else 0


@transaction.atomic
def cluster_roll(*, cluster: Cluster, at: datetime) -> None:
    """Post what was used and hold only what can still be used."""
    row = _locked(cluster.pk)
    if row.state != ClusterState.RUNNING or row.target_state != Target.READY:
        return
    seen = row.session.resource.site.seen_complete_at
    if seen is None or seen < row.rolled_at:
        return
    # What ran since the last look is not counted yet: the new hold covers it from that moment on.
    left_s = max(0, int((row.lease_end - seen).total_seconds()) + 1)
    keep = min(charge(rate_per_hour=row.rate_per_hour, unit_seconds=(row.workers_max + 1) * left_s), row.hold_amount)
    if keep == 0:
        return
    seconds = max(0, unit_seconds(row, until=seen.timestamp()).seconds - row.unit_seconds_posted)
    # What this hold cannot pay beside what is kept is left to the next one.
    seconds = min(seconds, _seconds_paid_by(row.hold_amount - keep, row))
    used = charge(rate_per_hour=row.rate_per_hour, unit_seconds=seconds)
    number = row.hold_number + 1
    new_hold = f"{row.pk}-r{number}"
    ledger.roll(
        id=f"{row.hold}-post",
        hold=row.hold,
        used=used,
        new_hold=new_hold,
        keep=keep,
        provider=row.session.resource.site.provider.account,
        at=at,
        explanation=explain(_bill(row), seconds=seconds, amount=used),
        kept=_kept(row, left_s, keep),
    )
    _record(row, record_id=row.hold, seconds=seconds, overrun=0, charged=used, at=at)
    Cluster.objects.filter(pk=row.pk).update(
        hold=new_hold,
        hold_number=number,
        hold_amount=keep,
        rolled_at=at,
        charged=F("charged") + used,
        unit_seconds_posted=F("unit_seconds_posted") + seconds,
    )


@transaction.atomic
def cluster_settle(*, cluster: Cluster, at: datetime) -> bool:
    """Charge what the last hold was used for, return the rest, end the cluster. Happens once."""
    row = _locked(cluster.pk)
    if row.state == ClusterState.ENDED:
        return False
    counted = unit_seconds(row)
    owed = max(0, counted.seconds - row.unit_seconds_posted)
    seconds = min(owed, _seconds_paid_by(row.hold_amount, row))
    used = charge(rate_per_hour=row.rate_per_hour, unit_seconds=seconds)
    free = " An operator ended it, so it is free." if row.stop_reason in FREE_STOPS else ""
    ledger.settle(
        id=f"{row.hold}-post",
        hold=row.hold,
        amount=used,
        provider=row.session.resource.site.provider.account,
        at=at,
        reason=(ENDS.get(row.stop_reason, "It ended.") + free) if used else "not charged: no worker was ready",
        explanation=explain(_bill(row), seconds=seconds, amount=used),
    )
    _record(row, record_id=row.hold, seconds=seconds, overrun=counted.overrun + owed - seconds, charged=used, at=at)
    Cluster.objects.filter(pk=row.pk).update(
        state=ClusterState.ENDED,
        target_state=Target.ENDED,
        charged=F("charged") + used,
        unit_seconds_posted=F("unit_seconds_posted") + seconds,
        ended_at=_last_end(row) or at,
    )
    note_add(row.session, f"The Dask cluster ended. {credits_text(row.charged + used)} credits charged for it.", at=at)
    if counted.seconds < row.unit_seconds_posted:
        # Earlier holds were rolled for more than the whole is worth now: an outage was declared, or a record was put right.
        cluster_recount(cluster=row, reason="less was used than the earlier holds had paid for", at=at)
    return True


@transaction.atomic
def cluster_recount(*, cluster: Cluster, reason: str, by: str = BY_RULE, at: datetime) -> int:
    """
    Bring an ended cluster's charges to what its processes say now: adjusting transfers, the last hold first.

    :return: the difference charged, in micro-credits; below zero when refunded
    """
    row = _locked(cluster.pk)
    if row.state != ClusterState.ENDED or row.claimed_at is None:
        return 0
    Cluster.objects.filter(pk=row.pk).update(ended_at=_last_end(row) or row.ended_at)
    owed = unit_seconds(row).seconds
    difference_s = owed - row.unit_seconds_posted
    total = 0
    for hold, records in reversed(_records_by_hold(row).items()):
        paid_s = sum(record.unit_seconds for record in records)
        held = ledger_read.paid_for(hold=hold)
        most_s = _seconds_paid_by(held.held, row) if held else 0
        wanted_s = min(max(0, paid_s + difference_s), most_s)
        if wanted_s == paid_s:
            continue
        difference_s -= wanted_s - paid_s
        number = len(records)
        moved = holds_correct([(hold, wanted_s)], bill=_bill(row), reason=reason, number=number, by=by, at=at)
        _record(
            row,
            record_id=f"{hold}:correction-{number}",
            seconds=wanted_s - paid_s,
            overrun=0,
            charged=moved,
            at=at,
            corrects=records[-1],
            reason=reason,
        )
        total += moved
    changed_s = owed - row.unit_seconds_posted - difference_s
    if changed_s:
        Cluster.objects.filter(pk=row.pk).update(
            charged=F("charged") + total, unit_seconds_posted=F("unit_seconds_posted") + changed_s
        )
        what = f"{credits_text(abs(total))} credits {'charged' if total > 0 else 'refunded'}"
        note_add(row.session, f"The Dask cluster was corrected: {what}.", at=at)
    return total


def _records_by_hold(cluster: Cluster) -> dict[str, list[UsageRecord]]:
    """A cluster's records, corrections after what they correct, by hold in the order they were placed."""
    found: dict[str, list[UsageRecord]] = {}
    rows = UsageRecord.objects.filter(launch=cluster.session_id, kind="cluster", record_id__startswith=cluster.pk)
    for record in rows.order_by("pk"):
        found.setdefault(record.record_id.partition(":")[0], []).append(record)
    return found


def _last_end(cluster: Cluster) -> datetime | None:
    """When the last of its processes ended, by what is known now; None when none is known to have."""
    ended = max((process.ended or 0 for process in cluster.processes.all()), default=0)
    return datetime.fromtimestamp(ended, UTC) if ended else None


def _locked(pk: str) -> Cluster:
    rows = Cluster.objects.select_for_update(of=("self",))
    return rows.select_related("session__user", "session__allocation", "session__resource__site__provider").get(pk=pk)


def _bill(cluster: Cluster) -> Bill:
    return Bill(
        text=f"Dask cluster {cluster.pk[-6:]} of session {cluster.session_id[-6:]}",
        who=str(cluster.session.user),
        rate_words=f"{credits_text(cluster.rate_per_hour)} credits per hour of a worker or the scheduler",
        rate_per_hour=cluster.rate_per_hour,
        provider=cluster.session.resource.site.provider.account,
        facts={"launch": cluster.session_id, "cluster": cluster.pk},
    )


def _kept(cluster: Cluster, seconds: int, amount: int) -> dict[str, object]:
    return {
        "text": f"Dask cluster {cluster.pk[-6:]} of session {cluster.session_id[-6:]}, what it can still use",
        "who": str(cluster.session.user),
        "formula": f"({cluster.workers_max} workers + scheduler) × {credits_text(cluster.rate_per_hour)} credits per hour × "
        f"{seconds} s, at most what was held = {credits_text(amount)}",
        "launch": cluster.session_id,
        "cluster": cluster.pk,
    }


def _record(
    cluster: Cluster,
    *,
    record_id: str,
    seconds: int,
    overrun: int,
    charged: int,
    at: datetime,
    corrects: UsageRecord | None = None,
    reason: str = "",
) -> None:
    session = cluster.session
    used = Used(
        record_id=record_id,
        source=source_of(cluster),
        kind="cluster",
        user=session.user,
        allocation=session.allocation,
        resource=session.resource,
        launch=session.pk,
        size=Size(cluster.worker_cores, cluster.worker_memory_gib),
        start=cluster.rolled_at,
        end=at,
        unit_seconds=seconds,
        overrun_seconds=overrun,
        rate_per_hour=cluster.rate_per_hour,
    )
    usage_write(used, charged=charged, at=at, corrects=corrects, reason=reason)
