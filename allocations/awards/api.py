from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema

from allocations.applications.api import application_row
from allocations.applications.selectors import application_get_for_user
from portal.api.root import caller
from portal.core.quantities import credits_parse

from . import appeals, services
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
