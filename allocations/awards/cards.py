"""What other pages say about decisions."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from allocations.applications.models import Application
from allocations.applications.policies import may_officiate
from allocations.applications.states import Outcome, S, Turn
from allocations.projects.models import Allocation
from allocations.projects.policies import may_manage
from portal.organisations.models import Organisation

from . import appeals, selectors
from .aftercare import later_words, reports_words
from .figures import pace_of
from .forms import DecideForm
from .growing import award_of
from .lapsing import LIVE
from .models import Rest
from .wish_views import wish_form
from .wishes import wishes

QUESTIONS_SHOWN = 5


def on_dashboard(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """For officers: what waits, and what is late."""
    user: Any = request.user
    if "officer" not in user.role_set:
        return None
    waiting = selectors.waiting_for_officer(user=user, today=timezone.now().date())
    return "awards/card_officer.html", {"waiting": waiting, "pools": selectors.pools()}


def questions_on_dashboard(request: HttpRequest) -> tuple[str, dict[str, Any]] | None:
    """For officers: what enterprises asked, the soonest due first."""
    user: Any = request.user
    if "officer" not in user.role_set:
        return None
    found, today = selectors.questions(user=user), timezone.now().date()
    late = sum(one.due_on < today for one in found)
    shown = {"questions": found[:QUESTIONS_SHOWN], "more": max(0, len(found) - QUESTIONS_SHOWN)}
    return ("awards/card_questions.html", {**shown, "late": late, "today": today}) if found else None


def decision_on_application(request: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """The decision, for all who may know it; an open appeal, for officers."""
    user: Any = request.user
    officiates = may_officiate(user=user, application=application)
    decision = appeals.decision_of(application)
    if decision is None or (application.published_at is None and not officiates):
        return None
    return "awards/card_decision.html", {
        "decision": decision,
        "appeal": getattr(decision, "appeal", None),
        "officiates": officiates,
    }


def deciding_on_application(request: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """The form that decides."""
    user: Any = request.user
    if application.state not in (S.SUBMITTED, S.IN_REVIEW) or not may_officiate(user=user, application=application):
        return None
    pool = application.version.rules.pool
    return "awards/card_decide.html", {
        "form": DecideForm(application),
        "pool": pool,
        "left": selectors.pools().get(pool),
    }


def pace_on_application(request: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """For the enterprise, while it is under way: how long decisions of this call took so far."""
    user: Any = request.user
    if application.turn == Turn.NOBODY or may_officiate(user=user, application=application):
        return None
    found = pace_of(call=application.call, at=timezone.now())
    return ("awards/card_pace.html", {"found": found}) if found.days_p50 is not None else None


def embargo_on_application(request: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """For officers: keep the names of an award out of the register for a while."""
    user: Any = request.user
    if application.outcome != Outcome.AWARDED or not may_officiate(user=user, application=application):
        return None
    return "awards/card_embargo.html", {}


def rest_on_application(request: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """An award in parts: what is still set aside; for officers the button that grants it."""
    allocation = application.allocation if application.published_at else None
    rest = Rest.objects.filter(allocation=allocation).select_related("by").first() if allocation else None
    if rest is None:
        return None
    user: Any = request.user
    may_grant = may_officiate(user=user, application=application) and rest.ended_at is None
    return "awards/card_rest.html", {"rest": rest, "allocation": allocation, "may_grant": may_grant}


def aid_on_organisation(_: HttpRequest, *, organisation: Organisation) -> tuple[str, dict[str, Any]]:
    """The letter about aid received, at hand."""
    return "awards/card_aid.html", {"organisation": organisation}


def aftercare_on_allocation(request: HttpRequest, *, allocation: Allocation) -> tuple[str, dict[str, Any]] | None:
    """What the call's rules say of this award: more, longer, idle, reports; for the team, the buttons that ask."""
    award = award_of(allocation)
    if award is None:
        return None
    user: Any = request.user
    today = timezone.now().date()
    may_ask = allocation.state in LIVE and may_manage(user=user, allocation=allocation)
    found = wishes(award, today=today)
    return "awards/card_aftercare.html", {
        "wishes": [(wish, wish_form(wish, allocation) if may_ask and not wish.never else None) for wish in found],
        "grown": award.grown,
        "later": later_words(award, today=today),
        "owed": reports_words(allocation=allocation, decision=award.decision),
    }
