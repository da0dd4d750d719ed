from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from allocations.ledger.selectors import Balance
from portal.api.paging import PageAsk, cursor_read, cursor_write, page
from portal.api.root import caller
from portal.core.quantities import credits_text

from . import selectors
from .models import Allocation
from .statement import statement

router = Router(tags=["allocations"])


@router.get("/allocations")
def allocation_list(request: HttpRequest, ask: Query[PageAsk]) -> dict[str, Any]:
    """The allocations you may use."""
    found = page(selectors.allocation_list_for_user(user=caller(request)), ask, lambda row: row)
    balances = selectors.balances(found["items"])
    return {**found, "items": [_row(row, balances[row.code]) for row in found["items"]]}


@router.get("/allocations/{code}")
def allocation_get(request: HttpRequest, code: str) -> dict[str, Any]:
    """One allocation: balances, dates, rates frozen at the award."""
    allocation = selectors.allocation_get_for_user(user=caller(request), code=code)
    rates = [
        {
            "resource": row.resource.slug,
            "core_hour": credits_text(row.rate.core_hour),
            "gib_hour": credits_text(row.rate.gib_hour),
            "gpu_hour": credits_text(row.rate.gpu_hour),
            "rule": row.rate.rule,
            "cap": credits_text(row.cap) if row.cap is not None else None,
        }
        for row in selectors.covered_resources(allocation=allocation)
    ]
    return {**_row(allocation, selectors.balances([allocation])[allocation.code]), "rates": rates}


@router.get("/allocations/{code}/statement")
def allocation_statement(request: HttpRequest, code: str, ask: Query[PageAsk]) -> dict[str, Any]:
    """Every movement of an allocation, explained, newest first."""
    allocation = selectors.allocation_get_for_user(user=caller(request), code=code)
    before = cursor_read(ask.cursor, Allocation) if ask.cursor else None
    lines = statement(allocation=allocation, before_seq=before, limit=ask.limit + 1)
    shown = lines[: ask.limit]
    following = cursor_write(shown[-1].seq) if len(lines) > ask.limit else None
    return {"items": [line.as_dict() for line in shown], "next": following}


def _row(allocation: Allocation, balance: Balance) -> dict[str, Any]:
    return {
        "id": allocation.code,
        "title": allocation.title,
        "organisation": allocation.organisation_id,
        "state": allocation.state,
        "granted": credits_text(balance.granted),
        "returned": credits_text(balance.returned),
        "adjusted": credits_text(balance.adjusted),
        "held": credits_text(balance.held),
        "spent": credits_text(balance.spent),
        "available": credits_text(balance.available),
        "unit": "credits",
        "starts_on": allocation.starts_on,
        "ends_on": allocation.ends_on,
    }
