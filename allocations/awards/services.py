"""
Decisions. An award is one transaction: the application is decided, the allocation and its account are made, the credits leave
the pool, and the datasets asked for become requests. A refusal anywhere changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from allocations.applications import services as applications
from allocations.applications.models import Application
from allocations.applications.policies import check_may_officiate
from allocations.applications.states import Actor, Outcome, S, check_transition
from allocations.reviews import services as reviews
from allocations.reviews.models import Review
from allocations.reviews.ranking import threshold_findings
from allocations.reviews.reciprocal import duty_owed
from allocations.reviews.selectors import all_in, reviews_of
from allocations.reviews.states import COUNTED
from allocations.reviews.states import S as ReviewS
from allocations.reviews.steps import steps_missing
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.core.quantities import credits_text

from . import publishing
from .models import Decision
from .reasons import check_reason
from .terms import Terms, asked_terms


@transaction.atomic
def application_award(
    *, application: Application, terms: Terms, reason: str, by: User, at: datetime, hold: bool = False
) -> Decision:
    """
    Award, never more than was asked for.

    :param hold: decide now and publish later; the credits are set aside at once
    :raises NotAllowed: not an officer, an officer of the applicant's own, or a reviewer of this application
    :raises Malformed: no reason, or terms beyond what was asked for
    :raises Refusal: `reviews_missing`, `move_not_allowed`, `changed_meanwhile`, `appeal_cannot_worsen`, `allocation_ended`
    :raises LedgerRefusal: `exceeds_pool`
    """
    _check_may_decide(application, by)
    check_reason(reason)
    _check_terms(application, terms)
    if missing := steps_missing(application):
        titles = ", ".join(plan.step.title for plan in missing)
        raise Refusal("steps_missing", f"Not every step of this call is done: {titles}. Record each with its outcome first.")
    if not all_in(application):
        raise Refusal("reviews_missing", "Not all reviews are in. Wait for them, ask others, or release those not needed.")
    _check_judged_well(application)
    return award_write(
        application=application, terms=terms, reason=reason.strip(), by=by, at=at, actor=Actor.OFFICER, hold=hold
    )


@transaction.atomic
def application_reject(*, application: Application, reason: str, by: User, at: datetime, hold: bool = False) -> Decision:
    """
    Reject, with a reason the applicant reads. Needs no reviews: what cannot be funded need not wait.

    :raises Refusal: `appeal_cannot_worsen` when an award stands already
    """
    _check_may_decide(application, by)
    check_reason(reason)
    if application.allocation_id is not None:
        raise Refusal("appeal_cannot_worsen", "An award stands already; an appeal never takes it away. Award at least as much.")
    _decide(application, Outcome.REJECTED, Actor.OFFICER, at=at)
    decision = Decision.objects.create(
        application=application,
        number=_number(application),
        outcome=Outcome.REJECTED,
        reason=reason.strip(),
        by=by,
        at=at,
    )
    audit.event_record(kind="application.rejected", actor=by, about=f"application:{application.code}", at=at, reason=reason)
    if not hold:
        _publish_now(decision, at=at)
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
    hold: bool = False,
) -> Decision:
    """Everything an award is, inside the caller's transaction. Who may, and how much, was checked before."""
    publishing.check_not_worse(application, terms.credits)
    publishing.check_not_over(application, terms)
    number = _number(application)
    earmark = ""
    if hold and by is not None:
        earmark = publishing.set_aside(application=application, number=number, credits=terms.credits, by=by, at=at)
    _decide(application, Outcome.AWARDED, actor, at=at)
    decision = Decision.objects.create(
        application=application,
        number=number,
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
        earmark=earmark,
    )
    if not earmark:
        _publish_now(decision, at=at)
    audit.event_record(
        kind="application.awarded",
        actor=by,
        about=f"application:{application.code}",
        at=at,
        credits=credits_text(terms.credits),
        reason=reason,
        **({"allocation": decision.allocation.code} if decision.allocation else {}),
        **({"rule": rule_words} if rule_words else {}),
    )
    return decision


def _decide(application: Application, outcome: Outcome, actor: Actor, *, at: datetime) -> None:
    applications.application_move(
        application=application, new=S.DECIDED, actor=actor, at=at, outcome=outcome, decided_at=at, clock_from=None
    )
    reviews.reviews_close(application=application)


def _publish_now(decision: Decision, *, at: datetime) -> None:
    application = decision.application
    publishing.deliver(decision=decision, at=at)
    application.allocation, application.published_at = decision.allocation or application.allocation, at
    Application.objects.filter(pk=application.pk).update(allocation=application.allocation, published_at=at)


def _number(application: Application) -> int:
    return Decision.objects.filter(application=application).count() + 1


def _check_may_decide(application: Application, by: User) -> None:
    check_may_officiate(user=by, application=application)
    check_transition(old=S(application.state), new=S.DECIDED, actor=Actor.OFFICER)
    if Review.objects.filter(application=application, reviewer=by, state__in=COUNTED).exists():
        raise NotAllowed(f"You review {application.code}, so another officer must decide it. Nothing was changed.")
    if application.decisions.filter(by=by, taken_back_at=None).exists():  # type: ignore[attr-defined]
        raise NotAllowed(f"You decided {application.code} before; an appeal is decided by other people. Nothing was changed.")


def _check_judged_well(application: Application) -> None:
    """The call's thresholds, and the duty to review others where a call has one."""
    rules = application.version.rules.review
    if rules is None:
        return
    handed = [review.scores for review in reviews_of(application) if review.state == ReviewS.SUBMITTED]
    below = [finding.reason for finding in threshold_findings(rules, handed) if not finding.passes]
    if below:
        raise Refusal("below_threshold", f"The call's thresholds are not met. {' '.join(below)}")
    owed = duty_owed(application) if rules.reciprocal and rules.reciprocal.missing == "reject" else 0
    if owed:
        raise Refusal("review_duty_missing", f"Its applicant owes {owed} review{'s' * (owed != 1)} of others' applications.")


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
