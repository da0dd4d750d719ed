"""Held decisions and the panel: credits are set aside at once, nothing is seen before the day, each stands or falls alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from allocations.applications.models import Application
from allocations.applications.states import S
from allocations.awards import panel, publishing, services
from allocations.awards.appeals import decision_of
from allocations.awards.panel import PanelAsk
from allocations.awards.terms import Terms
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.verify import verify
from allocations.projects.models import Allocation
from portal.accounts.models import User
from portal.audit.models import Letter
from portal.core.errors import NotAllowed, Refusal
from portal.core.quantities import MICRO
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")


def browser(user: User) -> Client:
    """A browser, signed in."""
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def held(programme: Programme, row: Application, credits: int) -> Any:
    """The officer awards and holds."""
    terms = Terms(credits * MICRO, 3, ["cpu"])
    return services.application_award(
        application=row, terms=terms, reason="Sound.", by=programme.officer, at=programme.now, hold=True
    )


def test_a_held_award_leaves_the_pool_at_once_and_is_seen_by_nobody(programme: Programme) -> None:
    row = programme.judged()
    decision = held(programme, row, 300)
    assert (programme.left(), Allocation.objects.count(), decision.allocation) == (700, 0, None)
    assert not Letter.objects.filter(kind="application.decided").exists()
    founder, at = browser(programme.founder), f"/applications/{row.code}/"
    page = founder.get(at).content.decode()
    assert "In review" in page
    assert "Sound." not in page
    assert "Awarded" not in founder.get(f"{at}history/").content.decode()
    assert founder.get(f"{at}decision/").status_code == 404
    assert "Held" in browser(programme.officer).get(at).content.decode()

    publishing.decision_publish(decision=decision, by=programme.officer, at=programme.later(days=1))
    row.refresh_from_db()
    assert (programme.left(), row.published_at, Allocation.objects.count()) == (700, programme.now, 1)
    assert row.allocation is not None
    assert row.allocation.starts_on == programme.now.date()
    assert "300" in founder.get(f"{at}decision/").content.decode()
    with pytest.raises(Refusal, check=lambda r: r.code == "changed_meanwhile"):
        publishing.decision_publish(decision=decision, by=programme.officer, at=programme.now)
    assert (programme.left(), Allocation.objects.count()) == (700, 1)
    verify(chain=True)


def test_a_held_award_is_taken_back_and_decided_anew(programme: Programme) -> None:
    row = programme.judged()
    decision = held(programme, row, 300)
    publishing.decision_take_back(decision=decision, reason="Wrong row.", by=programme.officer, at=programme.now)
    assert (programme.left(), row.state, row.outcome) == (1000, S.IN_REVIEW, "")
    programme.award(row, credits=200)
    found = decision_of(row)
    assert found is not None
    assert (found.number, found.credits, programme.left()) == (2, 200 * MICRO, 800)
    with pytest.raises(Refusal, check=lambda r: r.code == "published"):
        publishing.decision_take_back(decision=found, reason="x", by=programme.officer, at=programme.now)
    verify(chain=True)


def test_held_awards_never_promise_the_pool_twice(programme: Programme) -> None:
    first, second = programme.judged(credits=700), programme.judged(by=programme.rival, credits=700)
    held(programme, first, 700)
    with pytest.raises(LedgerRefusal, check=lambda r: r.code == "exceeds_pool"):
        held(programme, second, 301)
    with pytest.raises(LedgerRefusal, check=lambda r: r.code == "exceeds_pool"):
        programme.award(second, credits=301)
    assert programme.left() == 300
    second.refresh_from_db()
    assert second.state == S.IN_REVIEW


def test_only_officers_from_elsewhere_publish(programme: Programme) -> None:
    decision = held(programme, programme.judged(), 10)
    for person in (programme.founder, programme.reviewers[0], programme.operator):
        with pytest.raises(NotAllowed):
            publishing.decision_publish(decision=decision, by=person, at=programme.now)


def test_the_panel_orders_by_score_and_says_who_is_apart(programme: Programme) -> None:
    good, poor = programme.judged(score=5), programme.judged(by=programme.rival, score=1)
    apart, made = programme.in_review(title="Apart")
    programme.judge(made[0], score=5)
    programme.judge(made[1], score=1)
    rows = list(panel.panel_for_user(user=programme.officer, call=programme.build, ask=PanelAsk()))
    assert [row.pk for row in rows] == [good.pk, apart.pk, poor.pk]
    assert [round(row.score) for row in rows] == [100, 60, 20]  # type: ignore[attr-defined]
    page = browser(programme.officer).get("/queue/panel/build/").content.decode()
    assert page.count("apart: 20–100") == 1
    found = panel.panel_for_user(user=programme.officer, call=programme.build, ask=PanelAsk(score_from=50, country="KE"))
    assert [row.pk for row in found] == [good.pk, apart.pk]


def test_a_simulation_adds_up_and_writes_nothing(programme: Programme) -> None:
    rows = [programme.judged(credits=600), programme.judged(by=programme.rival, credits=600)]
    officer = browser(programme.officer)
    given = {"take": [row.code for row in rows], f"credits-{rows[0].code}": "430", f"credits-{rows[1].code}": "400"}
    page = officer.post("/queue/panel/build/decide/", {**given, "simulate": "1"}).content.decode()
    assert "These 2 commit 830 credits: 83 % of the 1\u2009000 left" in page
    over = officer.post("/queue/panel/build/decide/", {**given, f"credits-{rows[1].code}": "600", "simulate": "1"})
    assert "more than there is" in over.content.decode()
    assert (programme.left(), Allocation.objects.count()) == (1000, 0)


def test_many_are_decided_each_for_itself_and_published_together(programme: Programme) -> None:
    rows = [programme.judged(credits=600), programme.judged(by=programme.rival, credits=600)]
    waiting, _ = programme.in_review(title="Not judged yet")
    officer = browser(programme.officer)
    given = {
        "take": [row.code for row in [*rows, waiting]],
        f"credits-{rows[0].code}": "600",
        f"credits-{rows[1].code}": "500",
        f"credits-{waiting.code}": "1",
        "outcome": "award",
        "reason": "You scored {score}; {awarded} of {asked}.",
        "hold": "on",
    }
    page = officer.post("/queue/panel/build/decide/", given).content.decode()
    assert "600 credits, held" in page
    assert "This grant needs 500 credits; 400 are left" in page
    assert "Not all reviews are in" in page
    found = decision_of(rows[0])
    assert found is not None
    assert found.reason == "You scored 80; 600 of 600."
    assert programme.left() == 400
    done = officer.post("/queue/panel/build/publish/").content.decode()
    assert "published" in done
    assert (Allocation.objects.count(), programme.left()) == (1, 400)
    assert browser(programme.founder).post("/queue/panel/build/publish/").status_code == 403
    assert browser(programme.reviewers[0]).get("/queue/panel/build/").status_code == 403
    verify(chain=True)


def test_the_panel_asks_as_many_questions_of_the_database_whatever_the_rows(
    programme: Programme, django_assert_max_num_queries: Any
) -> None:
    officer = browser(programme.officer)
    for _ in range(3):
        programme.judged(credits=10)
    with django_assert_max_num_queries(15):
        officer.get("/queue/panel/build/")
    with django_assert_max_num_queries(15):
        officer.get("/queue/")


def test_a_single_decision_may_be_held_as_well(programme: Programme) -> None:
    row = programme.judged()
    officer = browser(programme.officer)
    given = {"outcome": "award", "credits": "10", "months": "3", "resources": ["cpu"], "reason": "Sound.", "hold": "on"}
    officer.post(f"/applications/{row.code}/decide/", given)
    row.refresh_from_db()
    assert (row.state, row.published_at, programme.left(), Allocation.objects.count()) == (S.DECIDED, None, 990, 0)
