"""Reads of decisions and of the officer's queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import Count, Q, QuerySet, Value
from django.db.models.functions import Concat

from allocations.applications.models import Application
from allocations.applications.selectors import application_list_for_officer
from allocations.applications.states import S
from allocations.ledger.selectors import pool_list
from allocations.projects.models import Allocation
from allocations.reviews.states import COUNTED
from allocations.reviews.states import S as ReviewS
from portal.accounts.models import User
from portal.core.errors import NotYours
from portal.core.quantities import credits_text
from portal.threads.models import Message
from portal.threads.selectors import waiting_for_staff

from .models import Appeal, Decision

QUEUE_STATES = (S.SUBMITTED, S.IN_REVIEW, S.RETURNED)


@dataclass(frozen=True)
class QueueAsk:
    """What an officer looks for."""

    state: str = ""
    call: str = ""
    words: str = ""


def queue_for_user(*, user: User, ask: QueueAsk) -> QuerySet[Application]:
    """What waits, the earliest promise first; those with the applicant last."""
    rows = application_list_for_officer(user=user)
    rows = rows.filter(state=ask.state) if ask.state else rows.filter(state__in=QUEUE_STATES)
    if ask.call:
        rows = rows.filter(call__slug=ask.call)
    if ask.words:
        rows = rows.filter(
            Q(title__icontains=ask.words) | Q(code__iexact=ask.words) | Q(organisation__name__icontains=ask.words)
        )
    counted = Q(reviews__state__in=COUNTED)
    return rows.annotate(
        reviews_asked=Count("reviews", filter=counted, distinct=True),
        reviews_in=Count("reviews", filter=Q(reviews__state=ReviewS.SUBMITTED), distinct=True),
    ).order_by("promised_on", "pk")


def waiting_for_officer(*, user: User, today: date) -> dict[str, int]:
    """How much waits for officers, and how much is late."""
    rows = application_list_for_officer(user=user)
    return rows.order_by().aggregate(
        new=Count("pk", filter=Q(state=S.SUBMITTED)),
        reviewing=Count("pk", filter=Q(state=S.IN_REVIEW)),
        late=Count("pk", filter=Q(state__in=[S.SUBMITTED, S.IN_REVIEW], promised_on__lt=today)),
    )


def appeals_open(*, user: User) -> QuerySet[Appeal]:
    """Appeals this officer may answer."""
    own = user.memberships.filter(left_at__isnull=True).values("organisation_id")  # type: ignore[attr-defined]
    return (
        Appeal.objects.filter(state=Appeal.State.OPEN)
        .exclude(application__organisation_id__in=own)
        .select_related("application__organisation", "decision")
        .order_by("due_on", "pk")
    )


def appeal_get_for_officer(*, user: User, pk: int) -> Appeal:
    """
    One appeal.

    :raises NotYours: for people who are no officers, and for officers of the enterprise itself
    """
    own = user.memberships.filter(left_at__isnull=True).values("organisation_id")  # type: ignore[attr-defined]
    appeal = (
        Appeal.objects.select_related("application__version__call", "application__organisation", "decision", "by")
        .filter(pk=pk)
        .exclude(application__organisation_id__in=own)
        .first()
    )
    if appeal is None or "officer" not in user.role_set:
        raise NotYours("appeal")
    return appeal


def decisions_of(applications: list[Application]) -> dict[int, Decision]:
    """The newest decision of each application, in one query."""
    rows = Decision.objects.filter(application__in=[a.pk for a in applications], taken_back_at=None).select_related(
        "allocation", "by"
    )
    return {decision.application_id: decision for decision in rows.order_by("application_id", "number")}


def api_extras(applications: list[Application]) -> dict[int, dict[str, object]]:
    """What decisions add to an application's row in the API."""
    shown = [a for a in applications if a.published_at is not None]
    return {
        pk: {
            "decision": {
                "outcome": decision.outcome,
                "credits": credits_text(decision.credits),
                "months": decision.months,
                "resources": decision.resources,
                "datasets": decision.datasets,
                "reason": decision.reason,
                "automatic": decision.automatic,
                "rule": decision.rule_words or None,
                "at": decision.at,
            }
        }
        for pk, decision in decisions_of(shown).items()
    }


@dataclass(frozen=True)
class Question:
    """A thread in which an enterprise waits for an answer: what about, where, its newest message, and by when."""

    code: str
    url: str
    message: Message
    due_on: date


def questions(*, user: User) -> list[Question]:
    """What enterprises wait for, the soonest due first; an officer answers none of their own enterprise."""
    own = user.memberships.filter(left_at__isnull=True).values("organisation_id")  # type: ignore[attr-defined]
    theirs = [
        rows.filter(organisation_id__in=own).values_list(Concat(Value(f"{kind}:"), "code"))
        for kind, rows in (("application", Application.objects), ("allocation", Allocation.objects))
    ]
    found = []
    for one in waiting_for_staff(besides=theirs):
        kind, _, code = one.about.partition(":")
        found.append(Question(code, f"/{kind}s/{code}/#messages", one.message, one.due_on))
    return found


def pools() -> dict[str, int]:
    """Credits left in each pool, in micro-credits."""
    return {account.code: account.available for account in pool_list()}
