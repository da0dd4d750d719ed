"""The panel's view: a call's applications side by side, what awards would do to the pool, many decisions in one go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Avg, Count, F, Max, Min, Q, QuerySet

from allocations.applications.models import Application
from allocations.applications.selectors import application_list_for_officer
from allocations.applications.states import Outcome, S
from allocations.calls.models import Call
from allocations.ledger.selectors import balance_map
from allocations.reviews.states import COUNTED
from allocations.reviews.states import S as ReviewS
from portal.accounts.models import User
from portal.core.errors import Refusal
from portal.core.quantities import credits_text

from . import publishing, services
from .models import Decision
from .reasons import reason_filled
from .terms import Terms

SORTS = {
    "score": F("score").desc(nulls_last=True),
    "asked": F("requested_credits").desc(nulls_last=True),
    "promised": F("promised_on").asc(nulls_last=True),
    "country": F("organisation__country").asc(),
    "title": F("title").asc(),
}
SORT_WORDS = [
    ("score", "Best score first"),
    ("asked", "Largest first"),
    ("promised", "Earliest promise first"),
    ("country", "By country"),
    ("title", "By title"),
]
DIVERGENCE = 30  # points of 100 between the highest and the lowest reviewer


@dataclass(frozen=True)
class PanelAsk:
    """What the panel looks at: part of a call's applications, in some order."""

    state: str = "open"
    score_from: float | None = None
    country: str = ""
    words: str = ""
    sort: str = "score"


def panel_for_user(*, user: User, call: Call, ask: PanelAsk) -> QuerySet[Application]:
    """A call's applications with what reviewers made of them, in one query however many."""
    rows = application_list_for_officer(user=user).filter(call=call)
    states = {"open": [S.SUBMITTED, S.IN_REVIEW], "held": [S.DECIDED], "decided": [S.DECIDED]}.get(ask.state, [S.IN_REVIEW])
    rows = rows.filter(state__in=states)
    if ask.state == "held":
        rows = rows.filter(published_at=None)
    if ask.country:
        rows = rows.filter(organisation__country=ask.country)
    if ask.words:
        rows = rows.filter(Q(title__icontains=ask.words) | Q(organisation__name__icontains=ask.words))
    now = Q(reviews__round=F("round"))
    handed = Q(reviews__state=ReviewS.SUBMITTED) & now
    rows = rows.annotate(
        score=Avg("reviews__total", filter=handed),
        score_low=Min("reviews__total", filter=handed),
        score_high=Max("reviews__total", filter=handed),
        recommended=Avg("reviews__recommended_credits", filter=handed),
        reviews_in=Count("reviews", filter=handed),
        reviews_asked=Count("reviews", filter=Q(reviews__state__in=COUNTED) & now),
    )
    if ask.score_from is not None:
        rows = rows.filter(score__gte=ask.score_from)
    return rows.order_by(SORTS.get(ask.sort, SORTS["score"]), "pk")


def countries_of(*, user: User, call: Call) -> list[str]:
    """Countries among a call's applications, for the filter."""
    rows = application_list_for_officer(user=user).filter(call=call)
    return sorted(rows.order_by().values_list("organisation__country", flat=True).distinct())


@dataclass(frozen=True)
class Simulation:
    """What a set of awards would do to the pool. Micro-credits."""

    count: int
    total: int
    left: int

    @property
    def fits(self) -> bool:
        return self.total <= self.left

    @property
    def percent(self) -> int:
        """Of what is left, rounded up, so that 100 means all of it."""
        return -(-100 * self.total // self.left) if self.left else (0 if not self.total else 999)

    @property
    def after(self) -> int:
        return self.left - self.total


def simulate(*, call: Call, amounts: Sequence[int]) -> Simulation:
    """Add up awards against the pool as it is now; nothing is written."""
    left = balance_map(codes=[call.rules.pool])
    return Simulation(len(amounts), sum(amounts), left[call.rules.pool].available if left else 0)


def suggested(application: Application) -> int:
    """What to offer in the form: what reviewers would give on average, in whole credits, else what was asked for."""
    recommended = getattr(application, "recommended", None)
    asked = application.requested_credits or 0
    if recommended is None:
        return asked
    whole = int(Decimal(recommended) // 1_000_000) * 1_000_000
    return min(asked, whole)


@dataclass(frozen=True)
class Result:
    """What became of one application in a decision of many."""

    code: str
    title: str
    done: bool
    words: str


def decide_many(
    *,
    applications: Sequence[Application],
    outcome: str,
    amounts: Mapping[int, int],
    template: str,
    hold: bool,
    by: User,
    at: datetime,
) -> list[Result]:
    """
    Decide several, each in a transaction of its own: one that is refused leaves the others decided, and says why.

    :param amounts: micro-credits by application, for awards
    """
    results = []
    for application in applications:
        credits = amounts.get(application.pk, 0)
        reason = reason_filled(template, application, credits=credits, score=getattr(application, "score", None))
        try:
            if outcome == Outcome.AWARDED:
                _award(application, credits, reason, hold=hold, by=by, at=at)
                words = f"{credits_text(credits)} credits"
            else:
                services.application_reject(application=application, reason=reason, by=by, at=at, hold=hold)
                words = "rejected"
        except Refusal as refusal:
            results.append(Result(application.code, application.title, False, refusal.message))
        else:
            results.append(Result(application.code, application.title, True, words + (", held" if hold else "")))
    return results


def _award(application: Application, credits: int, reason: str, *, hold: bool, by: User, at: datetime) -> None:
    terms = Terms(
        credits,
        application.requested_months or 1,
        list(application.requested_resources),
        list(application.requested_datasets),
    )
    services.application_award(application=application, terms=terms, reason=reason, by=by, at=at, hold=hold)


def publish_many(*, decisions: Sequence[Decision], by: User, at: datetime) -> list[Result]:
    """Publish held decisions together, all with the same moment; one that cannot be is named and the others go out."""
    results = []
    for decision in decisions:
        application = decision.application
        try:
            publishing.decision_publish(decision=decision, by=by, at=at)
        except Refusal as refusal:
            results.append(Result(application.code, application.title, False, refusal.message))
        else:
            results.append(Result(application.code, application.title, True, "published"))
    return results


def held_for_user(*, user: User, call: Call) -> list[Decision]:
    """Decisions of a call that wait to be published."""
    ids = application_list_for_officer(user=user).filter(call=call, state=S.DECIDED, published_at=None).values("pk")
    rows = Decision.objects.filter(application__in=ids, taken_back_at=None).select_related(
        "application__version__call", "application__organisation", "application__submitted_by", "application__allocation", "by"
    )
    return list(rows.order_by("application_id"))
