"""Writes about reports: owed since the award, reminded of, handed in, accepted or returned."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from allocations.projects.models import Allocation
from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.core.words import text_fitting
from portal.organisations.models import OrgRole
from portal.organisations.policies import MAY_APPLY, check_org_role, org_role

from .facts import facts_of
from .models import Report
from .states import OWED, Actor, S, check_transition

QUESTIONS = {
    "done": "What did you do with the compute?",
    "learned": "What did you learn, and what will you do next?",
    "outputs": "What can others see? Links to products, papers, data, code",
}
TEXT_MAX = 10_000
REMIND_DAYS = (14, 0, -14)  # before the day, on it, and after it


@transaction.atomic
def reports_owe(*, allocation: Allocation, final_days: int | None, midterm_days: int | None, blocks: bool) -> None:
    """Write down what an award obliges to; twice is once."""
    for kind, days, start in (
        (Report.Kind.MIDTERM, midterm_days, allocation.starts_on),
        (Report.Kind.FINAL, final_days, allocation.ends_on),
    ):
        if days is not None:
            values = {"days": days, "due_on": start + timedelta(days=days), "blocks": blocks}
            Report.objects.get_or_create(allocation=allocation, kind=kind, defaults=values)


def report_save(*, report: Report, answers: Mapping[str, str], base: int | None, by: User) -> bool:
    """
    Keep a draft. False when somebody else saved a newer one since `base`.

    :raises Malformed: an answer longer than `TEXT_MAX` characters
    """
    check_org_role(user=by, organisation=report.allocation.organisation, roles=MAY_APPLY, what="write its reports")
    if report.state not in OWED:
        raise Refusal("not_editable", "This report was handed in and cannot be changed now.")
    rows = Report.objects.filter(pk=report.pk, state=report.state, revision=report.revision if base is None else base)
    kept = _answers(answers)
    if not rows.update(answers=kept, revision=report.revision + 1):
        return False
    report.answers, report.revision = kept, report.revision + 1
    return True


@transaction.atomic
def report_hand_in(*, report: Report, answers: Mapping[str, str], by: User, at: datetime) -> None:
    """
    Hand a report in; the portal adds what it knows itself.

    :raises Malformed: `incomplete`, or an answer that is too long
    """
    check_org_role(user=by, organisation=report.allocation.organisation, roles=MAY_APPLY, what="hand in its reports")
    kept = _answers(answers)
    for key in ("done", "learned"):
        if not kept.get(key):
            raise Malformed(f"Please answer: {QUESTIONS[key]}", field=key, code="incomplete")
    _move(
        report,
        S.HANDED_IN,
        Actor.TEAM,
        answers=kept,
        facts=facts_of(report.allocation),
        revision=report.revision + 1,
        handed_in_at=at,
        handed_in_by=by,
    )
    _event(report, "report.handed_in", by=by, at=at)


@transaction.atomic
def report_answer(*, report: Report, accepted: bool, answer: str, by: User, at: datetime) -> None:
    """
    Accept a report, or return it with what is missing.

    :raises NotAllowed: not an officer, or one of the team's own
    :raises Malformed: returned without words
    """
    _check_officer(report, by)
    if not accepted and not answer.strip():
        raise Malformed("Say what is missing; the team reads exactly this.", field="answer")
    _move(report, S.ACCEPTED if accepted else S.RETURNED, Actor.OFFICER, answer=answer.strip())
    _event(report, "report.accepted" if accepted else "report.returned", by=by, at=at, answer=answer.strip())
    words = "was accepted. Thank you." if accepted else f"needs another look:\n\n{answer.strip()}"
    _tell(report, subject=f"Your report on {report.allocation.code}", body=f"Your report {words}\n", at=at)


@transaction.atomic
def report_waive(*, report: Report, reason: str, by: User, at: datetime) -> None:
    """Want a report no more, with a reason that is kept."""
    _check_officer(report, by)
    if not reason.strip():
        raise Malformed("Say why it is not wanted any more; it is kept.", field="reason")
    _move(report, S.WAIVED, Actor.OFFICER, answer=reason.strip())
    _event(report, "report.waived", by=by, at=at, reason=reason.strip())


def reports_by_date(*, at: datetime) -> None:
    """Let due days follow extended allocations, and remind of what comes due; safe to run twice at once."""
    rows = Report.objects.filter(state__in=OWED).select_related("allocation__organisation")
    for report in rows.filter(due_on__lte=at.date() + timedelta(days=400)):
        due = _due(report)
        if due != report.due_on:
            Report.objects.filter(pk=report.pk).update(due_on=due)
            report.due_on = due
        _remind(report, at=at)


def _due(report: Report) -> date:
    allocation = report.allocation
    start = allocation.starts_on if report.kind == Report.Kind.MIDTERM else allocation.ends_on
    if report.kind == Report.Kind.FINAL and allocation.ended_at is not None:
        start = min(start, allocation.ended_at.date())
    return start + timedelta(days=report.days)


@transaction.atomic
def _remind(report: Report, *, at: datetime) -> None:
    passed = sum(at.date() >= report.due_on - timedelta(days=days) for days in REMIND_DAYS)
    if passed <= report.reminded:
        return
    if not Report.objects.filter(pk=report.pk, reminded=report.reminded).update(reminded=passed):
        return
    late = at.date() > report.due_on
    blocks = " Until then your enterprise cannot apply anew." if late and report.blocks else ""
    _tell(
        report,
        subject=f"{report.get_kind_display()} on {report.allocation.code} {'is late' if late else 'is due'}",
        body=f"It {'was' if late else 'is'} due on {report.due_on:%-d %B %Y}. Three questions; hours, people and credits are "
        f"filled in already.{blocks}\n",
        at=at,
    )


def _answers(given: Mapping[str, str]) -> dict[str, str]:
    found = {key: str(given.get(key) or "").replace("\x00", "") for key in QUESTIONS}
    return {key: text_fitting(text, most=TEXT_MAX, field=key) for key, text in found.items()}


def _move(report: Report, new: S, actor: Actor, **fields: Any) -> None:
    check_transition(old=S(report.state), new=new, actor=actor)
    if not Report.objects.filter(pk=report.pk, state=report.state).update(state=new, **fields):
        raise Refusal("changed_meanwhile", "This report changed just now. Look at it again.")
    report.state = new
    for name, value in fields.items():
        setattr(report, name, value)


def _check_officer(report: Report, by: User) -> None:
    check_role(by, Role.OFFICER)
    if org_role(user=by, organisation_id=report.allocation.organisation_id) is not None:
        raise NotAllowed("You belong to this enterprise, so another officer must answer its report. Nothing was changed.")


def _event(report: Report, kind: str, *, by: User, at: datetime, **facts: Any) -> None:
    audit.event_record(kind=kind, actor=by, about=f"allocation:{report.allocation.code}", at=at, report=report.pk, **facts)


def _tell(report: Report, *, subject: str, body: str, at: datetime) -> None:
    owners = report.allocation.organisation.memberships.filter(role=OrgRole.OWNER, left_at__isnull=True)
    for owner in owners.select_related("user"):
        audit.letter_queue(
            kind="report",
            to=owner.user,
            at=at,
            about=f"allocation:{report.allocation.code}",
            subject=subject,
            body=f"{body}\n{settings.PORTAL_URL}/reports/{report.pk}/\n",
        )
