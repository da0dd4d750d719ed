"""Writes of usage records. A record is written once and never changed; a correction is another row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allocations.catalogue.carbon import footprint
from allocations.catalogue.models import Resource
from allocations.catalogue.rates import Size
from allocations.projects.models import Allocation
from portal.accounts.models import User
from portal.core.quantities import charge

from .models import UsageRecord
from .sources import Source


@dataclass(frozen=True)
class Used:
    """
    Who used what. `size` is that of one process; times are by the site's clock.

    :param record_id: unique within the source
    :param accounting: which record of the scheduler's accounting says so, where one does
    """

    record_id: str
    source: Source
    kind: str
    user: User
    allocation: Allocation
    resource: Resource
    launch: str
    size: Size
    start: datetime | None
    end: datetime
    unit_seconds: int
    overrun_seconds: int
    rate_per_hour: int
    accounting: str = ""


def usage_write(
    used: Used, *, charged: int, at: datetime, corrects: UsageRecord | None = None, reason: str = ""
) -> UsageRecord:
    """
    Keep what was used; the same record twice is kept once.

    :param used: for a correction, `unit_seconds` and `overrun_seconds` are differences to what was recorded before
    :param charged: micro-credits, for a correction the difference
    """
    resource, size = used.resource, used.size
    print_of = footprint(
        country=resource.site.provider.country,
        cores=size.cores,
        gpus=size.gpus,
        watts_per_core=resource.watts_per_core,
        watts_per_gpu=resource.watts_per_gpu,
        pue=resource.pue,
        seconds=used.unit_seconds,
    )
    record, _ = UsageRecord.objects.get_or_create(
        source=used.source,
        record_id=used.record_id,
        defaults={
            "accounting": used.accounting,
            "user": used.user,
            "organisation_id": used.allocation.organisation_id,
            "allocation": used.allocation,
            "resource": resource,
            "launch": used.launch,
            "site": resource.site.slug,
            "engine": resource.site.engine,
            "kind": used.kind,
            "cores": size.cores,
            "gpus": size.gpus,
            "memory_gib": size.memory_gib,
            "start": used.start,
            "end": used.end,
            "unit_seconds": used.unit_seconds,
            "rate_per_hour": used.rate_per_hour,
            "charge": charged,
            "overrun_seconds": used.overrun_seconds,
            "overrun": charge(rate_per_hour=used.rate_per_hour, unit_seconds=used.overrun_seconds),
            "kwh": print_of.kwh,
            "gco2e": print_of.gco2e,
            "carbon_basis": print_of.basis,
            "carbon_vintage": print_of.vintage,
            "corrects": corrects,
            "reason": reason,
            "recorded_at": at,
        },
    )
    return record
