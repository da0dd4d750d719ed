"""The steps of a call between sending and decision: what applies to an application, what is done, what is missing."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from allocations.applications.models import Application
from allocations.applications.policies import check_may_officiate
from allocations.applications.states import S as ApplicationS
from allocations.calls.deciding import StepPlan, steps_of
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from .models import StepDone
from .selectors import all_in

JUDGED = (ApplicationS.SUBMITTED, ApplicationS.IN_REVIEW)


def steps_planned(application: Application) -> list[StepPlan]:
    """Every step of the call, with whether this application takes it and why."""
    return steps_of(application.version.rules, application.requested_credits or 0)


def steps_done(application: Application) -> dict[str, StepDone]:
    """The newest record of each step in this round, in one query."""
    return {
        row.key: row for row in StepDone.objects.filter(application=application, round=application.round).select_related("by")
    }


def steps_missing(application: Application) -> list[StepPlan]:
    """Steps that apply and are not passed. A review step is passed when all reviews are in."""
    planned = [plan for plan in steps_planned(application) if plan.applies]
    if not planned:
        return []
    done = steps_done(application)
    return [plan for plan in planned if not _passed(plan, application, done)]


def _passed(plan: StepPlan, application: Application, done: dict[str, StepDone]) -> bool:
    if plan.step.kind == "review":
        return all_in(application)
    return plan.step.key in done and done[plan.step.key].passed


@transaction.atomic
def step_record(*, application: Application, key: str, passed: bool, note: str, by: User, at: datetime) -> StepDone:
    """
    Record that a step is done. Steps are taken in order; a failed one may be recorded anew.

    :raises NotAllowed: not an officer, or one of the applicant's own
    :raises Malformed: no such step, or no words
    :raises Refusal: `not_in_review`, `step_not_due` while an earlier one is missing
    """
    check_may_officiate(user=by, application=application)
    if application.state not in JUDGED:
        raise Refusal("not_in_review", f"{application.code} is not being looked at now. Nothing was changed.")
    planned = [plan for plan in steps_planned(application) if plan.applies]
    plan = next((plan for plan in planned if plan.step.key == key and plan.step.kind != "review"), None)
    if plan is None:
        raise Malformed(f"There is no step {key!r} to record for {application.code}.", field="key")
    if not note.strip():
        raise Malformed("Say what was looked at and what came out.", field="note")
    missing = steps_missing(application)
    before = [one.step.title for one in planned[: planned.index(plan)] if one in missing]
    if before:
        raise Refusal("step_not_due", f"{plan.step.title} comes after {', '.join(before)}. Record that first.")
    row = StepDone.objects.create(
        application=application, round=application.round, key=key, passed=passed, note=note.strip(), by=by, at=at
    )
    about = f"application:{application.code}"
    audit.event_record(kind="application.step", actor=by, about=about, at=at, step=key, passed=passed, note=note.strip())
    return row
