from __future__ import annotations

import hashlib
import secrets
from datetime import date
from typing import Any, Literal

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from ninja import Query, Router, Schema

from allocations.ledger.selectors import Balance
from portal.accounts.models import User
from portal.api.paging import PageAsk, cursor_read, cursor_write, page
from portal.api.root import caller
from portal.core.quantities import credits_parse, credits_text

from . import asking, budget, reclaim, selectors, services
from .export import statement_download
from .giving import Kind
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
    balance = selectors.balances([allocation])[allocation.code]
    seen = budget.forecast(allocation=allocation, balance=balance, today=timezone.now().date())
    return {
        **_row(allocation, balance),
        "rates": rates,
        "runs_out_on": seen.on if seen and not seen.lasts else None,
    }


@router.get("/allocations/{code}/statement.{form}")
def allocation_statement_file(request: HttpRequest, code: str, form: Literal["csv", "json"]) -> HttpResponseBase:
    """The whole statement as a file, oldest first."""
    allocation = selectors.allocation_get_for_user(user=caller(request), code=code)
    return statement_download(allocation=allocation, form=form)


@router.get("/allocations/{code}/statement")
def allocation_statement(request: HttpRequest, code: str, ask: Query[PageAsk]) -> dict[str, Any]:
    """Every movement of an allocation, explained, newest first."""
    allocation = selectors.allocation_get_for_user(user=caller(request), code=code)
    before = cursor_read(ask.cursor, Allocation) if ask.cursor else None
    lines = statement(allocation=allocation, before_seq=before, limit=ask.limit + 1)
    shown = lines[: ask.limit]
    following = cursor_write(shown[-1].seq) if len(lines) > ask.limit else None
    return {"items": [line.as_dict() for line in shown], "next": following}


class CreditsIn(Schema):
    """Credits as a decimal string, and why. The Idempotency-Key makes it happen once."""

    credits: str
    reason: str


class GrantIn(CreditsIn):
    """As what they are given: the rules of the call know limits for each."""

    kind: Literal["supplement", "topup", "burst"] = "supplement"


class ReasonIn(Schema):
    """Why; the enterprise reads it."""

    reason: str


class ExtendIn(ReasonIn):
    """The new last day."""

    ends_on: date


class TransferIn(CreditsIn):
    """To which other allocation of the enterprise."""

    to: str


class ReclaimIn(CreditsIn):
    """After how many days' notice."""

    days: int = reclaim.NOTICE_DAYS


class MoreIn(Schema):
    """What more credits are for."""

    message: str = ""


@router.post("/allocations/{code}/supplement")
def allocation_supplement(request: HttpRequest, code: str, body: GrantIn) -> dict[str, Any]:
    """An officer grants more credits."""
    user, allocation = _asked(request, code)
    services.allocation_supplement(
        allocation=allocation,
        id=f"{code.lower()}-supplement-{_once(request)}",
        amount=credits_parse(body.credits),
        reason=body.reason,
        by=user,
        at=timezone.now(),
        kind=Kind(body.kind),
    )
    return _row_now(allocation)


@router.post("/allocations/{code}/extend")
def allocation_extend(request: HttpRequest, code: str, body: ExtendIn) -> dict[str, Any]:
    """An officer moves the last day later."""
    user, allocation = _asked(request, code)
    services.allocation_extend(allocation=allocation, ends_on=body.ends_on, reason=body.reason, by=user, at=timezone.now())
    return _row_now(allocation)


@router.post("/allocations/{code}/suspend")
def allocation_suspend(request: HttpRequest, code: str, body: ReasonIn) -> dict[str, Any]:
    """An officer stops spending for a while."""
    user, allocation = _asked(request, code)
    services.allocation_suspend(allocation=allocation, reason=body.reason, by=user, at=timezone.now())
    return _row_now(allocation)


@router.post("/allocations/{code}/resume")
def allocation_resume(request: HttpRequest, code: str) -> dict[str, Any]:
    """An officer allows spending again."""
    user, allocation = _asked(request, code)
    services.allocation_resume(allocation=allocation, by=user, at=timezone.now())
    return _row_now(allocation)


@router.post("/allocations/{code}/end")
def allocation_end(request: HttpRequest, code: str, body: ReasonIn) -> dict[str, Any]:
    """An owner or an officer ends it early; what is left returns to the pool."""
    user, allocation = _asked(request, code)
    services.allocation_end(allocation=allocation, reason=body.reason, by=user, at=timezone.now())
    return _row_now(allocation)


@router.post("/allocations/{code}/transfer")
def allocation_transfer(request: HttpRequest, code: str, body: TransferIn) -> dict[str, Any]:
    """Move credits to another allocation of the same enterprise, where their calls allow it."""
    user, allocation = _asked(request, code)
    services.allocation_transfer(
        source=allocation,
        target=selectors.allocation_get_for_user(user=user, code=body.to),
        id=f"{code.lower()}-transfer-{_once(request)}",
        amount=credits_parse(body.credits),
        reason=body.reason,
        by=user,
        at=timezone.now(),
    )
    return _row_now(allocation)


@router.post("/allocations/{code}/reclaim")
def allocation_reclaim(request: HttpRequest, code: str, body: ReclaimIn) -> dict[str, Any]:
    """An officer gives notice that idle credits return to the pool."""
    user, allocation = _asked(request, code)
    notice = reclaim.reclaim_announce(
        allocation=allocation,
        amount=credits_parse(body.credits),
        reason=body.reason,
        days=body.days,
        by=user,
        at=timezone.now(),
    )
    return {"allocation": allocation.code, "credits": credits_text(notice.amount), "due_on": notice.due_on}


@router.post("/allocations/{code}/decline")
def allocation_decline(request: HttpRequest, code: str, body: ReasonIn) -> dict[str, Any]:
    """An officer says no to what is asked for, with the reason."""
    user, allocation = _asked(request, code)
    asking.more_decline(allocation=allocation, reason=body.reason, by=user, at=timezone.now())
    return _row_now(allocation)


@router.post("/allocations/{code}/ask-more")
def allocation_ask_more(request: HttpRequest, code: str, body: MoreIn) -> dict[str, Any]:
    """Ask the officers for more credits. Asked twice, they are told once."""
    user, allocation = _asked(request, code)
    asked = asking.more_ask(allocation=allocation, message=body.message, by=user, at=timezone.now())
    return {"allocation": allocation.code, "asked_at": asked.at}


def _asked(request: HttpRequest, code: str) -> tuple[User, Allocation]:
    user = caller(request)
    return user, selectors.allocation_get_for_user(user=user, code=code)


def _once(request: HttpRequest) -> str:
    """The part of a transfer's id that makes a repeated request the same one."""
    key = request.headers.get("Idempotency-Key", "")
    return hashlib.sha256(key.encode()).hexdigest()[:20] if key else secrets.token_hex(10)


def _row_now(allocation: Allocation) -> dict[str, Any]:
    allocation.refresh_from_db()
    return _row(allocation, selectors.balances([allocation])[allocation.code])


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
        "used_percent": budget.credits_percent(balance),
        "transfers_allowed": allocation.transfers_allowed,
        "starts_on": allocation.starts_on,
        "ends_on": allocation.ends_on,
    }
