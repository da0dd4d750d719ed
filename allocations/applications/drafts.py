"""Writes about drafts: begun, saved piece by piece by several people at once, brought under changed rules."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from allocations.calls.answers import TITLE_MAX, answers_check, questions
from allocations.calls.conditions import conditions_against
from allocations.calls.eligibility import Facts
from allocations.calls.models import Call
from allocations.reports.selectors import reports_overdue
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Refusal
from portal.organisations.models import Organisation
from portal.organisations.policies import MAY_APPLY, check_org_role

from . import policies
from .asking import COLUMNS, CREDITS, UNIT, asked_check, unit_keys, units_asked
from .files import files_missing
from .merging import Marks, mark, own_changes
from .models import Application
from .screenings import screening_missing
from .selectors import eligibility_of, facts_for_conditions

FIRST_NUMBER = 1000
TRIES = 5


def draft_create(*, call: Call, organisation: Organisation, by: User, at: datetime) -> Application:
    """
    Begin an application.

    :raises NotAllowed: unless the person may apply for the enterprise
    :raises Refusal: `call_closed`, or `not_eligible` with the reasons
    """
    check_org_role(user=by, organisation=organisation, roles=MAY_APPLY, what="apply")
    intake, version = call.intake(at), call.current
    if version is None or not intake.open:
        raise Refusal("call_closed", f"{call.rules.title} takes no applications now. {intake.words}.")
    check_no_report_overdue(call=call, organisation=organisation, at=at)
    found = eligibility_of(call=call, organisation=organisation, today=at.date())
    if found.eligible is False:
        raise Refusal("not_eligible", f"{organisation} cannot apply: {' '.join(found.against)}", reasons=found.against)
    resources = call.rules.amounts.resources
    months = call.rules.amounts.months
    with transaction.atomic():
        application = Application.objects.create(
            code=secrets.token_hex(8),
            call=call,
            version=version,
            organisation=organisation,
            requested_resources=resources if len(resources) == 1 else [],
            requested_months=months[0] if len(months) == 1 else None,
            created_by=by,
            created_at=at,
            changed_at=at,
        )
        application.code = f"P-{FIRST_NUMBER + application.pk}"
        application.save(update_fields=["code"])
        audit.event_record(kind="application.begun", actor=by, about=f"application:{application.code}", at=at, call=call.slug)
    return application


def draft_from(*, earlier: Application, by: User, at: datetime) -> Application:
    """
    Begin a new application from an earlier one of the same enterprise: answers the call still asks for are taken over.

    :raises NotAllowed: unless the person may apply for the enterprise
    :raises Refusal: as `draft_create`
    """
    policies.check_may_write(user=by, application=earlier)
    application = draft_create(call=earlier.call, organisation=earlier.organisation, by=by, at=at)
    rules = application.version.rules
    asked = {question.key for question in questions(rules)}
    taken = {key: value for key, value in earlier.answers.items() if key in asked}
    fields = {**taken, **{key: value for key, value in earlier.requested.items() if key in COLUMNS}}
    draft_save(application=application, changes=fields, base=None, by=by, at=at)
    Application.objects.filter(pk=application.pk).update(follows=earlier)
    application.follows = earlier
    return application


def check_no_report_overdue(*, call: Call, organisation: Organisation, at: datetime) -> None:
    """
    Let an enterprise pass that owes no report, where the call says so.

    :raises Refusal: `report_overdue`, naming the first
    """
    if not call.rules.duties.blocked_while_report_overdue:
        return
    late = reports_overdue(organisation=organisation, today=at.date()).first()
    if late is not None:
        raise Refusal(
            "report_overdue",
            f"The {late.get_kind_display().lower()} on {late.allocation.code} was due on {late.due_on:%-d %B %Y}. "
            "Hand it in first; it takes a few minutes.",
            report=late.pk,
        )


def draft_save(
    *,
    application: Application,
    changes: Mapping[str, Any],
    base: int | None,
    by: User,
    at: datetime,
    shown: Marks | None = None,
) -> dict[str, Any]:
    """
    Save some answers. Where somebody else changed the same answer, theirs stays and is returned; all others are saved. Nothing
    is ever overwritten unseen.

    :param changes: answers by key, and what is asked for by the keys of `asking.py`
    :param base: the revision the writer had before them, or None to write over whatever is there
    :param shown: marks of the answers the writer had before them: what they did not change is left alone
    :return: the answers in conflict, as they stand now
    :raises Refusal: `not_editable`, `busy`
    """
    policies.check_may_write(user=by, application=application)
    changes = own_changes(changes, shown) if shown else changes
    for _ in range(TRIES):
        application.refresh_from_db()
        policies.check_still_editable(application=application)
        now = {**application.answers, **application.requested}
        conflicts = {
            key: now.get(key)
            for key, value in changes.items()
            if _by_another(application, key, now.get(key), base, shown or {}) and _differs(now.get(key), value)
        }
        wanted = {key: v for key, v in changes.items() if key not in conflicts and _differs(now.get(key), v)}
        if not wanted or _written(application, wanted, at=at):
            return conflicts
    raise Refusal("busy", "Several people save at this moment. Press the button once more.")


def _by_another(application: Application, key: str, now: Any, base: int | None, shown: Marks) -> bool:
    if key in shown:
        return shown[key] != mark(now)
    return base is not None and application.touched.get(key, 0) > base


def _differs(old: Any, new: Any) -> bool:
    return bool(old != new and not (old in (None, "", []) and new in (None, "", [])))


def _written(application: Application, wanted: Mapping[str, Any], *, at: datetime) -> bool:
    revision = application.revision + 1
    answers = {**application.answers, **{k: v for k, v in wanted.items() if k not in COLUMNS and not k.startswith(UNIT)}}
    fields: dict[str, Any] = {column: wanted[key] for key, column in COLUMNS.items() if key in wanted}
    if units := {key.removeprefix(UNIT): value for key, value in wanted.items() if key.startswith(UNIT)}:
        kept = {key: value for key, value in {**application.requested_units, **units}.items() if value}
        fields |= {"requested_units": kept, "requested_credits": units_asked(application.version.rules, kept)}
    fields |= {
        "answers": {key: value for key, value in answers.items() if value not in (None, "", [])},
        "title": str(answers.get("title") or "")[:TITLE_MAX],
        "touched": {**application.touched, **dict.fromkeys(wanted, revision)},
        "revision": revision,
        "changed_at": at,
    }
    rows = Application.objects.filter(pk=application.pk, revision=application.revision, state=application.state)
    if not rows.update(**fields):
        return False
    for name, value in fields.items():
        setattr(application, name, value)
    return True


def draft_problems(application: Application, *, facts: Facts | None = None) -> dict[str, str]:
    """What is missing or wrong before it can be sent, by key."""
    rules, asked = application.version.rules, application.requested
    wrong = {**answers_check(rules, application.answers), **asked_check(rules, asked)}
    against = conditions_against(rules, facts=facts or facts_of_draft(application), answers=application.answers, asked=asked)
    wrong |= {**files_missing(application), **screening_missing(application)}
    units = unit_keys(rules)
    for key, reason in against.items():
        wrong.setdefault(units[0] if key == CREDITS and units else key, reason)
    return wrong


def facts_of_draft(application: Application) -> Facts:
    """The facts its rules look at, today."""
    return facts_for_conditions(application=application, today=timezone.now().date())


@transaction.atomic
def draft_renew(*, application: Application, by: User, at: datetime) -> None:
    """Bring a draft that was never sent under the call's newest rules; what was written stays."""
    policies.check_may_write(user=by, application=application)
    policies.check_still_editable(application=application)
    current = application.call.current
    if application.submitted_at is not None or current is None or current.pk == application.version_id:
        return
    Application.objects.filter(pk=application.pk, submitted_at__isnull=True).update(version=current, changed_at=at)
    application.version = current
    about = f"application:{application.code}"
    audit.event_record(kind="application.renewed", actor=by, about=about, at=at, version=current.number)
