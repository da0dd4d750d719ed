"""
Decisions. An award is one transaction: the application is decided, the allocation and its account are made, the credits leave
the pool, and the datasets asked for become requests. A refusal anywhere changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from dateutil.relativedelta import relativedelta
from django.db import transaction

from allocations.applications import services as applications
from allocations.applications.models import Application
from allocations.applications.policies import check_may_officiate
from allocations.applications.states import Actor, Outcome, S, check_transition
from allocations.datasets import services as datasets
from allocations.projects import services as projects
from allocations.projects.models import Allocation
from allocations.reviews import services as reviews
from allocations.reviews.models import Review
from allocations.reviews.selectors import all_in
from allocations.reviews.states import COUNTED
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.core.quantities import credits_text

from . import letters
from .models import Decision


@dataclass(frozen=True)
class Terms:
    """What is awarded. Credits in micro-credits."""

    credits: int
    months: int
    resources: list[str]
    datasets: list[str] = field(default_factory=list)


def asked_terms(application: Application) -> Terms:
    """What was asked for, as terms."""
    return Terms(
        application.requested_credits or 0,
        application.requested_months or 1,
        list(application.requested_resources),
        list(application.requested_datasets),
    )


@transaction.atomic
def application_award(*, application: Application, terms: Terms, reason: str, by: User, at: datetime) -> Decision:
    """
    Award, never more than was asked for.

    :raises NotAllowed: not an officer, an officer of the applicant's own, or a reviewer of this application
    :raises Malformed: no reason, or terms beyond what was asked for
    :raises Refusal: `reviews_missing`, `move_not_allowed`, `changed_meanwhile`
    :raises LedgerRefusal: `exceeds_pool`
    """
    _check_may_decide(application, by)
    _check_reason(reason)
    _check_terms(application, terms)
    if not all_in(application):
        raise Refusal("reviews_missing", "Not all reviews are in. Wait for them, ask others, or release those not needed.")
    return award_write(application=application, terms=terms, reason=reason.strip(), by=by, at=at, actor=Actor.OFFICER)


@transaction.atomic
def application_reject(*, application: Application, reason: str, by: User, at: datetime) -> Decision:
    """
    Reject, with a reason the applicant reads. Needs no reviews: what cannot be funded need not wait.

    :raises Refusal: `appeal_cannot_worsen` when an award stands already
    """
    _check_may_decide(application, by)
    _check_reason(reason)
    if application.allocation_id is not None:
        raise Refusal("appeal_cannot_worsen", "An award stands already; an appeal never takes it away. Award at least as much.")
    applications.application_move(
        application=application,
        new=S.DECIDED,
        actor=Actor.OFFICER,
        at=at,
        outcome=Outcome.REJECTED,
        decided_at=at,
        published_at=at,
        clock_from=None,
    )
    reviews.reviews_close(application=application)
    decision = Decision.objects.create(
        application=application,
        number=_number(application),
        outcome=Outcome.REJECTED,
        reason=reason.strip(),
        by=by,
        at=at,
    )
    audit.event_record(kind="application.rejected", actor=by, about=f"application:{application.code}", at=at, reason=reason)
    letters.decided(decision, at=at)
    return decision


def award_write(
    *,
    application: Application,
    terms: Terms,
    reason: str,
    by: User | None,
    at: datetime,
    actor: Actor,
    rule_words: str = "",
) -> Decision:
    """Everything an award is, inside the caller's transaction. Who may, and how much, was checked before."""
    allocation = application.allocation or _allocation_make(application, terms, reason=reason, by=by, at=at)
    if application.allocation is not None:
        _allocation_raise(allocation, application, terms, reason=reason, by=by, at=at)
    applications.application_move(
        application=application,
        new=S.DECIDED,
        actor=actor,
        at=at,
        outcome=Outcome.AWARDED,
        allocation=allocation,
        decided_at=at,
        published_at=at,
        clock_from=None,
    )
    reviews.reviews_close(application=application)
    decision = Decision.objects.create(
        application=application,
        number=_number(application),
        outcome=Outcome.AWARDED,
        credits=terms.credits,
        months=terms.months,
        resources=terms.resources,
        datasets=terms.datasets,
        reason=reason,
        by=by,
        automatic=actor == Actor.RULE,
        rule_words=rule_words,
        at=at,
        allocation=allocation,
    )
    if terms.datasets:
        datasets.requests_from_award(
            allocation=allocation, slugs=terms.datasets, by=application.submitted_by, purpose=application.title, at=at
        )
    audit.event_record(
        kind="application.awarded",
        actor=by,
        about=f"application:{application.code}",
        at=at,
        credits=credits_text(terms.credits),
        allocation=allocation.code,
        reason=reason,
        **({"rule": rule_words} if rule_words else {}),
    )
    letters.decided(decision, at=at)
    return decision


def last_day(start: date, months: int) -> date:
    """The last day of so many months that begin on `start`."""
    return start + relativedelta(months=months) - timedelta(days=1)


def _allocation_make(application: Application, terms: Terms, *, reason: str, by: User | None, at: datetime) -> Allocation:
    return projects.allocation_create(
        title=application.title,
        organisation=application.organisation,
        pool=application.version.rules.pool,
        amount=terms.credits,
        caps=dict.fromkeys(terms.resources),
        starts_on=at.date(),
        ends_on=last_day(at.date(), terms.months),
        reason=reason,
        by=by,
        at=at,
        subject=f"application:{application.code}",
    )


def _allocation_raise(
    allocation: Allocation, application: Application, terms: Terms, *, reason: str, by: User | None, at: datetime
) -> None:
    """After an appeal: the difference to what was awarded before."""
    before = Decision.objects.filter(application=application, outcome=Outcome.AWARDED).order_by("-number").first()
    had = before.credits if before else 0
    if terms.credits < had:
        raise Refusal("appeal_cannot_worsen", f"{credits_text(had)} credits were awarded before; award at least as much.")
    if by is not None and terms.credits > had:
        projects.allocation_supplement(
            allocation=allocation,
            id=f"{allocation.code.lower()}-appeal-{_number(application)}",
            amount=terms.credits - had,
            reason=reason,
            by=by,
            at=at,
        )


def _number(application: Application) -> int:
    return Decision.objects.filter(application=application).count() + 1


def _check_may_decide(application: Application, by: User) -> None:
    check_may_officiate(user=by, application=application)
    check_transition(old=S(application.state), new=S.DECIDED, actor=Actor.OFFICER)
    if Review.objects.filter(application=application, reviewer=by, state__in=COUNTED).exists():
        raise NotAllowed(f"You review {application.code}, so another officer must decide it. Nothing was changed.")
    if application.decisions.filter(by=by).exists():  # type: ignore[attr-defined]
        raise NotAllowed(f"You decided {application.code} before; an appeal is decided by other people. Nothing was changed.")


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Malformed("Give a reason; the applicant reads exactly this.", field="reason")


def _check_terms(application: Application, terms: Terms) -> None:
    asked = asked_terms(application)
    if terms.credits > asked.credits:
        raise Malformed(f"{credits_text(asked.credits)} credits were asked for; award at most that.", field="credits")
    if terms.credits <= 0:
        raise Malformed("An award has credits; to give none, reject.", field="credits")
    longest = max(application.version.rules.amounts.months)
    if not 1 <= terms.months <= longest:
        raise Malformed(f"This call gives 1 to {longest} months.", field="months")
    if not terms.resources:
        raise Malformed("An award covers at least one machine.", field="resources")
    for name, given, wanted in (
        ("resources", terms.resources, application.version.rules.amounts.resources),
        ("datasets", terms.datasets, asked.datasets),
    ):
        if beyond := [one for one in given if one not in wanted]:
            raise Malformed(f"{beyond[0]} was not asked for.", field=name)
