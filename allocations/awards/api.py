from __future__ import annotations

import secrets
from typing import Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema

from allocations.applications.api import application_row
from allocations.applications.selectors import application_get_for_user
from allocations.projects.giving import Kind
from allocations.projects.selectors import allocation_get_for_user
from portal.api.root import caller
from portal.core.errors import Malformed
from portal.core.quantities import credits_parse, credits_text

from . import appeals, services, wishes
from .aftercare import later_words
from .growing import award_of
from .terms import Terms, asked_terms

router = Router(tags=["decisions"])


class DecideIn(Schema):
    """A decision. What is not given is as asked for. Credits as a decimal string."""

    outcome: Literal["award", "reject"]
    credits: str | int | None = None
    months: int | None = None
    resources: list[str] | None = None
    datasets: list[str] | None = None
    reason: str
    hold: bool = False


class AskIn(Schema):
    """What is asked for: credits as a decimal string for a top-up or a burst, months for more time."""

    what: Literal["topup", "burst", "extension"]
    credits: str | int | None = None
    months: int = 1
    message: str = ""


class AppealIn(Schema):
    """What should be looked at again."""

    text: str


@router.post("/applications/{code}/decide")
def application_decide(request: HttpRequest, code: str, body: DecideIn) -> dict[str, Any]:
    """Officer: award or reject; the row names the allocation that was made."""
    user, now = caller(request), timezone.now()
    application = application_get_for_user(user=user, code=code)
    if body.outcome == "reject":
        services.application_reject(application=application, reason=body.reason, by=user, at=now, hold=body.hold)
        return application_row(application)
    asked = asked_terms(application)
    terms = Terms(
        asked.credits if body.credits is None else credits_parse(body.credits),
        asked.months if body.months is None else body.months,
        asked.resources if body.resources is None else body.resources,
        asked.datasets if body.datasets is None else body.datasets,
    )
    services.application_award(application=application, terms=terms, reason=body.reason, by=user, at=now, hold=body.hold)
    return application_row(application)


@router.post("/applications/{code}/appeal")
def application_appeal(request: HttpRequest, code: str, body: AppealIn) -> dict[str, Any]:
    """Ask that other people look at the decision again."""
    user = caller(request)
    application = application_get_for_user(user=user, code=code)
    appeal = appeals.appeal_create(application=application, text=body.text, by=user, at=timezone.now())
    return {**application_row(application), "appeal": {"state": appeal.state, "due_on": appeal.due_on}}


@router.get("/allocations/{code}/rules")
def allocation_rules(request: HttpRequest, code: str) -> dict[str, Any]:
    """What the rules of its call say of asking for more, who would decide, and what was given so far."""
    allocation = allocation_get_for_user(user=caller(request), code=code)
    award = award_of(allocation)
    if award is None:
        return {"allocation": allocation.code, "rules": [], "given": [], "unused": []}
    today = timezone.now().date()
    return {
        "allocation": allocation.code,
        "rules": [
            {
                "what": wish.kind,
                "allowed": wish.finding.passes,
                "reason": wish.finding.reason,
                "decided_by": "rule" if wish.by_rule and wish.finding.passes else "officer",
                "credits_max": credits_text(wish.most) if wish.most else None,
                "months_max": wish.months or None,
            }
            for wish in wishes.wishes(award, today=today)
        ],
        "given": [
            {
                "what": row.kind,
                "credits": credits_text(row.amount) if row.amount else None,
                "ends_on": row.ends_on,
                "at": row.at,
                "reason": row.reason,
                "automatic": row.automatic,
                "lapses_on": row.lapses_on,
                "returned": credits_text(row.returned) if row.lapsed_at else None,
            }
            for row in award.grown
        ],
        "unused": later_words(award, today=today),
    }


@router.post("/allocations/{code}/ask")
def allocation_ask(request: HttpRequest, code: str, body: AskIn) -> dict[str, Any]:
    """Ask for a top-up, a burst or more time: given at once where the call's rule says yes and may, else by an officer."""
    user, now = caller(request), timezone.now()
    allocation = allocation_get_for_user(user=user, code=code)
    if body.what == "extension":
        answer = wishes.time_ask(allocation=allocation, months=body.months, ends_on=None, message=body.message, by=user, at=now)
    else:
        if body.credits is None:
            raise Malformed("Say how many credits.", field="credits")
        answer = wishes.credits_ask(
            allocation=allocation,
            kind=Kind(body.what),
            amount=credits_parse(body.credits),
            once=secrets.token_hex(10),
            message=body.message,
            by=user,
            at=now,
        )
    return {
        "allocation": allocation.code,
        "given": answer.given,
        "by": "rule" if answer.given else "officer",
        "reason": answer.reason,
    }
