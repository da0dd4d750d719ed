"""Writes about an application's life: sent, returned, withdrawn, expired. Decisions are made upstairs, in awards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from allocations.calls import services as calls
from allocations.calls.answers import questions, shown
from allocations.calls.intake import clock_starts_on
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from . import letters, policies
from .clock import working_day_after, working_days_between
from .drafts import check_no_report_overdue, draft_problems
from .facts_kept import facts_kept
from .files import files_content
from .models import Application, Snapshot
from .ready import check_filled_in
from .selectors import eligibility_of, facts_for_conditions, facts_of
from .states import Actor, S, check_transition

ANSWER_DAYS = 30  # a returned application waits so long for its applicant


def application_move(*, application: Application, new: S, actor: Actor, at: datetime, **fields: Any) -> None:
    """
    Move an application by compare-and-set, so that two who act at once cannot both succeed.

    :param fields: other columns to write in the same statement
    :raises Refusal: `move_not_allowed`, or `changed_meanwhile` when somebody else was first
    """
    old = S(application.state)
    check_transition(old=old, new=new, actor=actor)
    fields = {**fields, "state": new, "changed_at": at}
    done = Application.objects.filter(pk=application.pk, state=old, revision=application.revision).update(
        **fields, revision=application.revision + 1
    )
    if not done:
        raise Refusal("changed_meanwhile", "Somebody else changed this application just now. Look at it again.")
    application.revision += 1
    for name, value in fields.items():
        setattr(application, name, value)


@transaction.atomic
def application_submit(*, application: Application, by: User, at: datetime) -> None:
    """
    Send a draft, or a returned application once more. The clock of the promise starts, or goes on.

    :raises Malformed: `incomplete`, with what is missing by key
    :raises Refusal: `call_closed`, `not_eligible`, `call_changed`, `move_not_allowed`, `changed_meanwhile`
    """
    policies.check_may_write(user=by, application=application)
    check_transition(old=S(application.state), new=S.SUBMITTED, actor=Actor.APPLICANT)
    first = application.submitted_at is None
    if first:
        _check_rules_unchanged(application)
        check_no_report_overdue(call=application.call, organisation=application.organisation, at=at)
        _check_eligible(application, at)
    facts = facts_of(organisation=application.organisation, today=at.date(), without=application)
    if problems := draft_problems(application, facts=facts_for_conditions(application=application, today=at.date())):
        raise _incomplete(problems)
    if first:
        calls.submission_count(call=application.call, at=at)
    rules = application.version.rules
    days = max(0, rules.promise_working_days - application.clock_used)
    counted_from = clock_starts_on(rules.intake, at.date()) if first else at.date()
    application_move(
        application=application,
        new=S.SUBMITTED,
        actor=Actor.APPLICANT,
        at=at,
        submitted_at=application.submitted_at or at,
        submitted_by=by,
        clock_from=counted_from,
        promised_on=working_day_after(counted_from, days=days, country=rules.holidays_of),
        answer_by=None,
    )
    Snapshot.objects.create(
        application=application,
        number=application.snapshots.count() + 1,
        content={**content_of(application), "facts": facts_kept(facts), "files": files_content(application)},
        at=at,
        by=by,
    )
    about = f"application:{application.code}"
    audit.event_record(kind="application.submitted", actor=by, about=about, at=at, promised=str(application.promised_on))
    letters.submitted(application, at=at)


@transaction.atomic
def application_return(*, application: Application, message: str, by: User, at: datetime) -> None:
    """
    Give an application back to be corrected. The clock of the promise stops.

    :raises NotAllowed: unless the person is an officer who does not belong to the enterprise
    :raises Malformed: without a message
    """
    policies.check_may_officiate(user=by, application=application)
    if not message.strip():
        raise Malformed("Say what should be corrected; the applicant reads exactly this.", field="message")
    check_filled_in(message, field="message")
    country = application.version.rules.holidays_of
    start = application.clock_from or at.date()
    application_move(
        application=application,
        new=S.RETURNED,
        actor=Actor.OFFICER,
        at=at,
        returned_at=at,
        returned_message=message.strip(),
        clock_used=application.clock_used + working_days_between(start, at.date(), country=country),
        clock_from=None,
        promised_on=None,
        answer_by=at.date() + timedelta(days=ANSWER_DAYS),
    )
    audit.event_record(
        kind="application.returned", actor=by, about=f"application:{application.code}", at=at, message=message.strip()
    )
    letters.returned(application, at=at)


@transaction.atomic
def application_withdraw(*, application: Application, by: User, at: datetime) -> None:
    """Take an application back for good; its text is kept for the enterprise."""
    policies.check_may_write(user=by, application=application)
    application_move(application=application, new=S.WITHDRAWN, actor=Actor.APPLICANT, at=at)
    audit.event_record(kind="application.withdrawn", actor=by, about=f"application:{application.code}", at=at)


@transaction.atomic
def person_want(*, application: Application, by: User, at: datetime) -> None:
    """Ask that a person, not the rule, decides an application that is not decided yet."""
    policies.check_may_write(user=by, application=application)
    if not application.is_open:
        raise Refusal("not_open", f"{application.code} is closed; ask for a second look on its decision letter instead.")
    if application.person_wanted_at is None:
        Application.objects.filter(pk=application.pk).update(person_wanted_at=at)
        application.person_wanted_at = at
        audit.event_record(kind="application.person_wanted", actor=by, about=f"application:{application.code}", at=at)


def applications_expire(*, at: datetime) -> None:
    """Close drafts whose call has closed for good, and returned ones that were not sent again in time."""
    for application in Application.objects.filter(state=S.RETURNED, answer_by__lt=at.date()).select_related("submitted_by"):
        _expire(application, at)
    drafts = Application.objects.filter(state=S.DRAFT).select_related("call__current", "submitted_by")
    for application in drafts:
        closes = application.call.rules.intake.closes_at
        if closes is not None and closes <= at:
            _expire(application, at)


@transaction.atomic
def _expire(application: Application, at: datetime) -> None:
    application_move(application=application, new=S.EXPIRED, actor=Actor.CLOCK, at=at)
    audit.event_record(kind="application.expired", actor=None, about=f"application:{application.code}", at=at)


def content_of(application: Application) -> dict[str, Any]:
    """What counts of an application: answers to questions that were asked, and what is asked for."""
    asked = [q for q in questions(application.version.rules) if shown(q, application.answers)]
    return {
        "answers": {q.key: application.answers.get(q.key) for q in asked},
        "requested": dict(application.requested),
        "version": application.version.number,
    }


def _check_rules_unchanged(application: Application) -> None:
    current = application.call.current
    if current is not None and current.pk != application.version_id:
        raise Refusal(
            "call_changed",
            f"The rules of this call changed after you began: {current.reason}. Your draft is kept. "
            "Bring it under the new rules, look it over, and send it again.",
            version=current.number,
        )


def _check_eligible(application: Application, at: datetime) -> None:
    found = eligibility_of(call=application.call, organisation=application.organisation, today=at.date(), without=application)
    if found.eligible is False:
        raise Refusal(
            "not_eligible", f"{application.organisation} cannot apply: {' '.join(found.against)}", reasons=found.against
        )


def _incomplete(problems: dict[str, str]) -> Malformed:
    first = next(iter(problems))
    refusal = Malformed(
        f"{len(problems)} answer{'s' * (len(problems) != 1)} must be looked at first: {', '.join(sorted(problems))}.",
        field=first,
        code="incomplete",
    )
    refusal.facts["problems"] = problems
    return refusal
