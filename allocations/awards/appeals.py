"""Appeals: the applicant asks, somebody who did not decide answers, other people look again."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from allocations.applications import services as applications
from allocations.applications.clock import working_day_after
from allocations.applications.models import Application
from allocations.applications.policies import check_may_officiate, check_may_write
from allocations.applications.ready import check_filled_in
from allocations.applications.states import Actor, S
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.core.words import text_fitting

from . import letters
from .models import Appeal, Decision

ANSWER_WORKING_DAYS = 10
TEXT_MAX = 10_000


def decision_of(application: Application) -> Decision | None:
    """The newest decision."""
    rows = application.decisions.filter(taken_back_at=None)  # type: ignore[attr-defined]
    return rows.select_related("allocation", "by").order_by("-number").first()  # type: ignore[attr-defined]


def appeal_until(application: Application) -> datetime | None:
    """Until when a decision may be appealed."""
    if application.published_at is None:
        return None
    return application.published_at + timedelta(days=application.version.rules.appeal_days)


@transaction.atomic
def appeal_create(*, application: Application, text: str, by: User, at: datetime) -> Appeal:
    """
    Ask that other people look at a decision again; for a decision by rule, that a person does.

    :raises Malformed: without words, or with more than `TEXT_MAX` characters
    :raises Refusal: `not_decided`, `appeal_too_late`, `appeal_exists`
    """
    check_may_write(user=by, application=application)
    words = text_fitting(text, most=TEXT_MAX, field="text")
    if not words:
        raise Malformed("Say what should be looked at again.", field="text")
    decision, until = decision_of(application), appeal_until(application)
    if application.shown_state != S.DECIDED or decision is None or until is None:
        raise Refusal("not_decided", f"{application.code} has no decision that could be appealed.")
    if at > until:
        raise Refusal("appeal_too_late", f"The time to appeal ended on {until:%-d %B %Y}. You may apply again.")
    due = working_day_after(at.date(), days=ANSWER_WORKING_DAYS, country=application.version.rules.holidays_of)
    try:
        with transaction.atomic():
            appeal = Appeal.objects.create(application=application, decision=decision, text=words, by=by, at=at, due_on=due)
    except IntegrityError:
        raise Refusal("appeal_exists", "This decision was appealed already. You will be told the answer.") from None
    audit.event_record(kind="application.appealed", actor=by, about=f"application:{application.code}", at=at, text=words)
    return appeal


@transaction.atomic
def appeal_answer(*, appeal: Appeal, accepted: bool, answer: str, by: User, at: datetime) -> None:
    """
    Accept an appeal, which opens the application again for other people, or dismiss it with a reason.

    :raises NotAllowed: for the officer who decided
    """
    application = appeal.application
    check_may_officiate(user=by, application=application)
    if appeal.decision.by_id == by.pk:
        raise NotAllowed("You decided this application, so somebody else must answer the appeal. Nothing was changed.")
    if not answer.strip():
        raise Malformed("Give a reason; the applicant reads exactly this.", field="answer")
    check_filled_in(answer, field="answer")
    state = Appeal.State.ACCEPTED if accepted else Appeal.State.DISMISSED
    done = Appeal.objects.filter(pk=appeal.pk, state=Appeal.State.OPEN).update(
        state=state, answer=answer.strip(), answered_by=by, answered_at=at
    )
    if not done:
        raise Refusal("changed_meanwhile", "Somebody else answered this appeal just now.")
    appeal.refresh_from_db()
    if accepted:
        rules = application.version.rules
        applications.application_move(
            application=application,
            new=S.IN_REVIEW,
            actor=Actor.OFFICER,
            at=at,
            outcome="",
            decided_at=None,
            published_at=None,
            round=application.round + 1,
            clock_from=at.date(),
            clock_used=0,
            promised_on=working_day_after(at.date(), days=rules.promise_working_days, country=rules.holidays_of),
        )
    kind = "application.appeal_accepted" if accepted else "application.appeal_dismissed"
    audit.event_record(kind=kind, actor=by, about=f"application:{application.code}", at=at, answer=answer.strip())
    letters.appeal_answered(appeal, at=at)
