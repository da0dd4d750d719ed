from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from portal.api.paging import PageAsk, page
from portal.api.root import caller
from portal.core.errors import Malformed
from portal.core.quantities import credits_text

from . import selectors
from .models import UsageRecord

router = Router(tags=["usage"])


class UsageAsk(PageAsk):
    """Whose usage, from when to when (days, in UTC, both included); `overrun` lists only what ran beyond what was bought."""

    allocation: str = ""
    from_: date | None = Query(None, alias="from")
    to: date | None = None
    overrun: bool = False


@router.get("/usage")
def usage(request: HttpRequest, ask: Query[UsageAsk]) -> dict[str, Any]:
    """
    Usage records you may see, newest first. A row with `corrects` carries differences: sum all rows. What it costs to
    keep files is no use of a machine: see the statement (resource `storage`) and, by day, /allocations/{code}/files.
    """
    if ask.from_ and ask.to and ask.to < ask.from_:
        raise Malformed("`to` is before `from`.", field="to")
    rows = selectors.usage_list_for_user(user=caller(request))
    if ask.allocation:
        rows = rows.filter(allocation__code__iexact=ask.allocation)
    if ask.from_:
        rows = rows.filter(end__gte=datetime.combine(ask.from_, time.min, UTC))
    if ask.to:
        rows = rows.filter(end__lte=datetime.combine(ask.to, time.max, UTC))
    if ask.overrun:
        rows = rows.filter(overrun__gt=0)
    return page(rows, ask, _row)


def _row(record: UsageRecord) -> dict[str, Any]:
    return {
        "id": record.pk,
        "source": record.source,
        "record_id": record.record_id,
        "accounting": record.accounting,
        "launch": record.launch,
        "kind": record.kind,
        "user": record.user.email,
        "organisation": record.organisation_id,
        "allocation": record.allocation.code,
        "resource": record.resource.slug,
        "site": record.site,
        "engine": record.engine,
        "cores": record.cores,
        "gpus": record.gpus,
        "memory_gib": record.memory_gib,
        "start": record.start,
        "end": record.end,
        "seconds": record.unit_seconds,
        "rate_per_hour": credits_text(record.rate_per_hour),
        "charge": credits_text(record.charge),
        "overrun_seconds": record.overrun_seconds,
        "overrun": credits_text(record.overrun),
        "kwh": record.kwh,
        "gco2e": record.gco2e,
        "carbon_basis": record.carbon_basis,
        "carbon_vintage": record.carbon_vintage,
        "corrects": record.corrects_id,
        "reason": record.reason,
    }
