"""
What a site's accounting says of jobs under batch holds, written down as jobs. It never charges: `settling.py` does.

Windows overlap and records may come late, twice, or corrected: a record is known by site, cluster, job id and submit time, and
saying the same again changes nothing. Silence of the site changes nothing either.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from allocations.catalogue.models import Site
from allocations.usage.sources import Source
from notebooks_svc.metering.counting import Counted, Evidence, seconds_counted
from notebooks_svc.sessions.doors.agent import AgentRefused, AgentUnreachable, agent_door
from notebooks_svc.sessions.outages import outage_windows
from notebooks_svc.wire import BatchAsk, BatchLook, BatchRecord
from portal.accounts.models import User
from portal.core.enqueue import enqueue
from portal.core.quantities import charge
from portal.core.words import text_clean

from .models import BatchHold, BatchJob
from .pricing import Given, job_rate
from .states import S

log = logging.getLogger(__name__)
MARGIN = timedelta(hours=1)  # windows overlap by this much
CORRECTED_FOR = timedelta(days=14)  # so long after the end accounting may still put a charge right
OPEN_EVERY = timedelta(seconds=25)
WIDE_EVERY = timedelta(hours=1)  # how often holds that are closed are read again
LOST_AFTER = timedelta(hours=24)  # a job without a trace: then the last look that saw it decides
WAITED_LOST_AFTER = timedelta(minutes=5)
FACTS = ("user_id", "account", "name", "state", "waiting", "cores", "memory_mib", "gpus", "nodes", "billing", "rate_per_hour")
TIMES = ("source", "started", "ended", "elapsed", "seconds", "free_reason", "is_behind", "absent_since")
MOMENTS = ("counted_at", "seen_alive_at")


def batch_collect_soon(*, at: datetime) -> None:
    """Have it done beside the reconciler's loop, where there is anything to collect."""
    if _to_read(at).exists():
        enqueue("notebooks_svc.batch.tasks.batch_collect")


def _to_read(at: datetime) -> QuerySet[BatchHold]:
    """Open holds twice a minute, those that are closing at every turn, closed ones for two weeks once an hour."""
    due = Q(state=S.CLOSING) | Q(read_again_at=None)
    due |= Q(state=S.OPEN, read_again_at__lt=at - OPEN_EVERY)
    due |= Q(state=S.CLOSED, closed_at__gt=at - CORRECTED_FOR, read_again_at__lt=at - WIDE_EVERY)
    return BatchHold.objects.filter(due)


def batch_collect(*, at: datetime) -> None:
    """Read every batch site's accounting once."""
    sites = Site.objects.filter(pk__in=_to_read(at).values("resource__site"), enabled=True)
    for site in sites:
        try:
            site_collect(site=site, at=at)
        except (AgentUnreachable, AgentRefused) as error:
            log.warning("batch jobs of %s: %s", site, error)


def site_collect(*, site: Site, at: datetime) -> BatchLook | None:
    """
    Read one site's accounting for its batch holds, and write down what is new.

    :raises AgentUnreachable: no answer; nothing was changed
    """
    holds = list(_to_read(at).filter(resource__site=site).select_related("allocation", "resource__site"))
    if not holds:
        return None
    since = min(_since(hold) for hold in holds)
    look = agent_door(site.agent_url).batch_look(BatchAsk(holds=[hold.pk for hold in holds], since=since.timestamp()))
    if look.instance != settings.INSTANCE_ID:
        raise AgentUnreachable(f"the agent serves another portal ({look.instance})")
    look_apply(site=site, holds=holds, look=look, at=at)
    return look


def _since(hold: BatchHold) -> datetime:
    """From the beginning for what is closed: what was corrected there may be old."""
    if hold.state == S.CLOSED or hold.collected_at is None:
        return hold.opened_at - MARGIN
    return hold.collected_at - MARGIN


def look_apply(*, site: Site, holds: list[BatchHold], look: BatchLook, at: datetime) -> None:
    """Write down what a look says of each hold's jobs; each hold in a transaction of its own."""
    people = _people([*look.live, *look.ended])
    for hold in holds:
        live = [record for record in look.live if record.hold == hold.pk]
        ended = [record for record in look.ended if record.hold == hold.pk]
        try:
            _hold_apply(hold, live, ended, people, now=_moment(look.now), at=at)
        except Exception:
            log.exception("a look could not be applied to batch hold %s of %s", hold.pk, site)


def _people(records: list[BatchRecord]) -> dict[str, int]:
    names = {record.person for record in records if record.person}
    return dict(User.objects.filter(hub_username__in=names).values_list("hub_username", "pk"))


@transaction.atomic
def _hold_apply(
    hold: BatchHold, live: list[BatchRecord], ended: list[BatchRecord], people: dict[str, int], *, now: datetime, at: datetime
) -> None:
    row = BatchHold.objects.select_for_update(of=("self",)).select_related("resource__site").get(pk=hold.pk)
    if row.collected_at is not None and now < row.collected_at:
        return  # an older answer that came later
    names = {_key(row, record): record for record in [*live, *ended]}  # what accounting has counts more than a queue's line
    known = {job.record: job for job in row.jobs.filter(Q(record__in=list(names)) | Q(ended__isnull=True))}
    made, changed = [], []
    for key, record in names.items():
        job = known.get(key)
        before = _facts(job) if job else None
        job = job or BatchJob(hold=row, record=key, job=record.job, user_id=row.opened_by_id)
        _write_down(job, row, record, people, now=now, at=at)
        if before is None:
            made.append(job)
        elif _facts(job) != before or record.ended is None:
            changed.append(job)
    for key, job in known.items():
        if job.ended is None and key not in names and _without_trace(job, row, now=now, at=at):
            changed.append(job)
    BatchJob.objects.bulk_create(made)
    BatchJob.objects.bulk_update(changed, [*(name.removesuffix("_id") for name in FACTS), *TIMES, *MOMENTS], batch_size=200)
    quiet = not live and not row.jobs.filter(ended__isnull=True).exists()
    changes: dict[str, object] = {"collected_at": now, "read_again_at": at, "quiet_since": None}
    if quiet:
        changes["quiet_since"] = row.quiet_since or now
    if row.state == S.CLOSED and row.jobs.filter(is_behind=True).exists():
        changes["due_at"] = at
    BatchHold.objects.filter(pk=row.pk).update(**changes)


def _key(hold: BatchHold, record: BatchRecord) -> str:
    return f"{hold.resource.site.slug}:{record.record}"


def _facts(job: BatchJob) -> tuple[object, ...]:
    return tuple(getattr(job, name) for name in (*FACTS, *TIMES))


def _write_down(
    job: BatchJob, hold: BatchHold, record: BatchRecord, people: dict[str, int], *, now: datetime, at: datetime
) -> None:
    """What a record says of a job. One that was known to have ended does not live again in a queue's late line."""
    if record.ended is None and job.ended is not None and job.source != Source.LAST_SEEN:
        return
    job.user_id = people.get(record.person, job.user_id)
    job.account, job.state = record.account[:40], record.state[:30]
    job.name = " ".join(text_clean(record.name).split())[:120]
    job.waiting = record.waiting[:300]
    job.started = _moment(record.started) if record.started is not None else None
    job.source, job.absent_since = Source.SCHEDULER, None
    job.cores, job.memory_mib, job.gpus, job.nodes = record.cores, record.memory_mib, record.gpus, record.nodes
    job.rate_per_hour = job_rate(hold.rate, Given(record.cores, record.memory_mib, record.gpus))
    if record.ended is None:
        job.ended, job.seen_alive_at = None, now
        return
    job.billing, job.elapsed = record.billing, max(0, record.elapsed)
    job.ended = _moment(record.ended)
    count(job, hold, at=at)


def _without_trace(job: BatchJob, hold: BatchHold, *, now: datetime, at: datetime) -> bool:
    """
    It lived at an earlier look; now neither the controller nor accounting has it. Accounting may be late: after a day of
    looks that were answered it counts until it was last seen. One that was only ever seen waiting is soon given up: what is
    cancelled while it goes back into the queue has no record (seen with 22.05).
    """
    if job.absent_since is None:
        job.absent_since = now
        return True
    if now - job.absent_since < (LOST_AFTER if job.started else WAITED_LOST_AFTER) or job.seen_alive_at is None:
        return False
    job.state, job.source = "LOST", Source.LAST_SEEN
    job.ended = job.seen_alive_at
    if job.started is not None:
        job.elapsed = max(0, int((job.ended - job.started).total_seconds()))
    count(job, hold, at=at)
    return True


def count(job: BatchJob, hold: BatchHold, *, at: datetime) -> None:
    """
    Work out which of a job's seconds count by what is known now, and whether the books are behind that.

    From its start to its end, without declared outages; at most a minute beyond the moment it was asked to stop; nothing when
    the site or an operator ended it.
    """
    counted = _counted(job, hold)
    job.seconds, job.free_reason, job.counted_at = min(counted.seconds, job.elapsed), counted.free_reason[:100], at
    never = job.settled_at is None and job.started is not None
    due = charge(rate_per_hour=job.rate_per_hour, unit_seconds=job.paid_seconds)
    job.is_behind = never or job.seconds != job.paid_seconds + job.overrun_seconds or due != job.charge


def _counted(job: BatchJob, hold: BatchHold) -> Counted:
    if job.started is None or job.ended is None or job.ended < job.started:
        return Counted(0)
    cancelled = hold.close_asked_at is not None and not hold.let_finish and job.ended >= hold.close_asked_at
    begin, end = job.started.timestamp(), job.ended.timestamp()
    return seconds_counted(
        Evidence(begin, begin, end, job.state),
        deadline=None,
        stop_asked=hold.close_asked_at.timestamp() if cancelled and hold.close_asked_at else None,
        stop_reason=hold.close_reason if cancelled else "",
        outages=outage_windows(hold.resource.site_id, begin=begin, end=end),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
