"""
A decision becomes real when it is published: the allocation is made and the applicant is told.

One that is held until then has its credits set aside in the ledger, out of the pool, on an account of its own: so the pool is
never promised twice, and nothing can be seen before the day.
"""

from __future__ import annotations

from datetime import UTC, datetime, time

from django.db import transaction

from allocations.applications import services as applications
from allocations.applications.models import Application
from allocations.applications.policies import check_may_officiate
from allocations.applications.states import Actor, Outcome, S
from allocations.calls.afterwards import last_day
from allocations.calls.deciding import pool_of
from allocations.datasets import services as datasets
from allocations.ledger import services as ledger
from allocations.ledger.states import AccountKind
from allocations.projects import services as projects
from allocations.projects.giving import Kind
from allocations.projects.models import Allocation
from allocations.projects.states import OVER
from allocations.reports import services as reports
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.core.quantities import credits_text

from . import letters, shaping
from .aid import aid_record
from .models import Decision
from .terms import Terms


def credits_before(application: Application) -> int:
    """Micro-credits awarded by an earlier, published decision."""
    last = _before(application)
    return last.credits if last else 0


def _before(application: Application) -> Decision | None:
    rows = Decision.objects.filter(application=application, outcome=Outcome.AWARDED, taken_back_at=None)
    return rows.exclude(allocation=None).order_by("-number").first()


def check_not_worse(application: Application, credits: int) -> None:
    """
    Let an award pass that is no less than one that stands.

    :raises Refusal: `appeal_cannot_worsen`
    """
    had = credits_before(application) if application.allocation_id else 0
    if credits < had:
        raise Refusal("appeal_cannot_worsen", f"{credits_text(had)} credits were awarded before; award at least as much.")


def check_not_over(application: Application, terms: Terms) -> None:
    """
    Let an award pass that adds nothing to an allocation that has ended. An appeal may come to its end after the allocation did,
    and what has ended is never opened again: its books are closed, and what was left went back to the pool.

    :raises Refusal: `allocation_ended`, with what may be done instead
    """
    allocation = application.allocation
    if allocation is None or allocation.state not in OVER:
        return
    before = _before(application)
    had, months = (before.credits, before.months) if before else (0, 1)
    if terms.credits > had or last_day(allocation.starts_on, terms.months) > allocation.ends_on:
        ended = allocation.ended_at or datetime.combine(allocation.ends_on, time(), tzinfo=UTC)
        raise Refusal(
            "allocation_ended",
            f"{allocation.code} ended on {ended:%-d %B %Y}, so an appeal can add neither credits nor months to it. Award what "
            f"stood, {credits_text(had)} credits for {months} months, and say in the reason that the enterprise may apply anew "
            "from this application.",
        )


def set_aside(*, application: Application, number: int, credits: int, by: User, at: datetime) -> str:
    """
    Take the credits of a held decision out of the pool; returns the account they wait on.

    :raises LedgerRefusal: `exceeds_pool`
    """
    account = f"held:{application.code.lower()}-{number}"
    pool = pool_of(application.version.rules, application.answers).value
    ledger.account_open(code=account, kind=AccountKind.ALLOCATION, pool=pool)
    if amount := credits - credits_before(application):
        ledger.grant(
            id=f"{account}:grant",
            allocation=account,
            amount=amount,
            reason="set aside until the decision is published",
            by=_ref(by),
            at=at,
            subject=f"application:{application.code}",
        )
    return account


def deliver(*, decision: Decision, at: datetime) -> None:
    """Make what was awarded, ask for the datasets, tell the applicant; inside the caller's transaction."""
    application = decision.application
    if decision.outcome == Outcome.AWARDED:
        terms = Terms(decision.credits, decision.months or 1, decision.resources, decision.datasets)
        allocation = _allocation(application, decision, terms, at=at)
        Decision.objects.filter(pk=decision.pk).update(allocation=allocation)
        decision.allocation = allocation
        duties = application.version.rules.duties
        reports.reports_owe(
            allocation=allocation,
            final_days=duties.final_report_days,
            midterm_days=getattr(duties, "midterm_report_days", None),
            blocks=duties.blocked_while_report_overdue,
        )
        if terms.datasets and allocation.state not in OVER:
            datasets.requests_from_award(
                allocation=allocation, slugs=terms.datasets, by=application.submitted_by, purpose=application.title, at=at
            )
    letters.decided(decision, at=at)


@transaction.atomic
def decision_publish(*, decision: Decision, by: User, at: datetime) -> None:
    """
    Publish a held decision. Publishing twice is once.

    :raises NotAllowed: unless the person is an officer from elsewhere
    :raises Refusal: `changed_meanwhile`
    """
    application = decision.application
    check_may_officiate(user=by, application=application)
    rows = Application.objects.filter(pk=application.pk, state=S.DECIDED, published_at=None)
    if decision.taken_back_at is not None or not rows.exists():
        raise _overtaken(application)
    _release(decision, reason="the decision is published", by=by, at=at)
    deliver(decision=decision, at=at)
    allocation = decision.allocation or application.allocation
    if not rows.update(published_at=at, allocation=allocation):
        raise _overtaken(application)
    application.published_at, application.allocation = at, allocation
    audit.event_record(kind="application.published", actor=by, about=f"application:{application.code}", at=at)


@transaction.atomic
def decision_take_back(*, decision: Decision, reason: str, by: User, at: datetime) -> None:
    """
    Open an application again whose decision was not published; the credits set aside return to the pool.

    :raises Malformed: without a reason
    :raises Refusal: `published` when it was
    """
    application = decision.application
    check_may_officiate(user=by, application=application)
    if not reason.strip():
        raise Malformed("Say why the decision is taken back; it is kept.", field="reason")
    if application.published_at is not None or decision.taken_back_at is not None:
        raise Refusal("published", "A published decision is changed by an appeal only.")
    _release(decision, reason="the decision was taken back before it was published", by=by, at=at)
    Decision.objects.filter(pk=decision.pk).update(taken_back_at=at)
    applications.application_move(
        application=application, new=S.IN_REVIEW, actor=Actor.OFFICER, at=at, outcome="", decided_at=None, clock_from=at.date()
    )
    about = f"application:{application.code}"
    audit.event_record(kind="application.taken_back", actor=by, about=about, at=at, reason=reason.strip())


def _overtaken(application: Application) -> Refusal:
    return Refusal("changed_meanwhile", f"{application.code} was published or opened again just now.")


def _release(decision: Decision, *, reason: str, by: User, at: datetime) -> None:
    """Return what was set aside to the pool; in the same transaction it is granted anew, or left there."""
    if decision.earmark:
        ledger.account_close(allocation=decision.earmark, at=at, reason=reason, by=_ref(by))


def _allocation(application: Application, decision: Decision, terms: Terms, *, at: datetime) -> Allocation:
    if application.allocation is None:
        return shaping.allocation_make(application, terms, reason=decision.reason, by=decision.by, at=at)
    application.allocation.refresh_from_db(fields=["state", "ends_on", "ended_at"])
    check_not_over(application, terms)
    more = terms.credits - credits_before(application)
    if more > 0:
        if decision.by is None:
            raise NotAllowed("A rule never raises an award.")
        shaping.award_shape(application, credits=more, months=terms.months, today=at.date())
        part = f"appeal-{decision.number}"
        aid_record(rules=application.version.rules, allocation=application.allocation, credits=more, at=at, part=part)
        projects.allocation_supplement(
            allocation=application.allocation,
            id=f"{application.allocation.code.lower()}-{part}",
            amount=more,
            reason=decision.reason,
            by=decision.by,
            at=at,
            kind=Kind.APPEAL,
        )
    _end_later(application.allocation, decision, terms, at=at)
    return application.allocation


def _end_later(allocation: Allocation, decision: Decision, terms: Terms, *, at: datetime) -> None:
    """An appeal that awards more months moves the last day, unless it lies beyond that already."""
    ends_on = last_day(allocation.starts_on, terms.months)
    if ends_on > allocation.ends_on:
        projects.allocation_extend(
            allocation=allocation, ends_on=ends_on, reason=decision.reason, by=decision.by, at=at, kind=Kind.APPEAL
        )


def _ref(person: User) -> str:
    return f"person:{person.pk}"
