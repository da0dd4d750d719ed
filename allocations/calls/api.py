from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router

from portal.api.paging import PageAsk, page
from portal.api.root import caller

from . import selectors, staff_api
from .answers import form_schema
from .models import Call

router = Router(tags=["calls"])
# One address, one router: beside the list stands what begins a call.
router.post("/calls", response={201: dict[str, Any]}, tags=["calls: programme staff"])(staff_api.call_begin)


@router.get("/calls")
def call_list(request: HttpRequest, ask: Query[PageAsk]) -> dict[str, Any]:  # noqa: ARG001 (the framework gives it)
    """Every published call."""
    return page(selectors.call_list_public(), ask, call_row)


@router.get("/calls/{slug}")
def call_get(request: HttpRequest, slug: str) -> dict[str, Any]:
    """One call: its whole document, and its form as JSON Schema."""
    call = selectors.call_get_for_user(slug=slug, user=caller(request))
    document = call.rules.model_dump(mode="json")
    return {**call_row(call), "document": document, "form": form_schema(call.rules)}


def call_row(call: Call) -> dict[str, Any]:
    """A call for lists."""
    rules, state = call.rules, call.intake(timezone.now())
    assert call.current is not None  # noqa: S101 (selectors hand out calls with rules only)
    return {
        "slug": call.slug,
        "title": rules.title,
        "summary": rules.summary,
        "open": state.open,
        "intake": state.words,
        "version": call.current.number,
        "credits_min": str(rules.amounts.credits_min),
        "credits_max": str(rules.amounts.credits_max),
        "months": rules.amounts.months,
        "resources": rules.amounts.resources,
        "promise_working_days": rules.promise_working_days,
        "automatic": rules.automatic is not None,
    }
