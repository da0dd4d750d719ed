"""What a declared outage gives back to batch holds: jobs that ran through it are counted anew, and their hold is settled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from allocations.catalogue.models import Site
from notebooks_svc.sessions.models import Outage
from notebooks_svc.sessions.outages import Charged

from .collecting import count
from .models import BatchHold, BatchJob
from .settling import batch_settle, hold_locked


def holds_touched(site: Site, begin: datetime, end: datetime) -> Iterator[Charged]:
    """The holds of a site whose jobs ran then, those that still run among them."""
    ran = _ran(begin, end).filter(hold=OuterRef("pk"))
    holds = BatchHold.objects.filter(Exists(ran), resource__site=site).select_related("allocation", "opened_by")
    for hold in holds.iterator(chunk_size=500):
        allocation = hold.allocation
        recount = partial(_recount, hold.pk)
        yield Charged(hold.pk, "batch hold", hold.pk, str(hold.opened_by), allocation.code, allocation.organisation_id, recount)


def _ran(begin: datetime, end: datetime) -> QuerySet[BatchJob]:
    return BatchJob.objects.filter(Q(ended__gt=begin) | Q(ended=None), started__lt=end)


def _recount(pk: str, outage: Outage, at: datetime) -> int:
    hold = hold_locked(pk)
    booked: dict[int, int] = {}
    for job in _ran(outage.begin, outage.end).filter(hold=hold, ended__isnull=False):
        count(job, hold, at=at)
        job.save(update_fields=["seconds", "free_reason", "is_behind", "counted_at"])
        if job.settled_at and job.is_behind:
            booked[job.pk] = job.charge
    if not booked:
        return 0  # what the books do not have yet is settled without the outage in its turn
    batch_settle(id=pk, at=at)
    after = BatchJob.objects.filter(pk__in=booked).aggregate(sum=Sum("charge"))["sum"]
    return int(after) - sum(booked.values())
