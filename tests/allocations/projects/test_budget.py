"""The budget watch: marks told once, to the people chosen; the forecast; what happens at zero."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocations.ledger import services as ledger
from allocations.ledger.refusals import LedgerRefusal
from allocations.projects import budget, services
from allocations.projects.models import BudgetNotice, DailyUse
from portal.audit.models import Letter
from portal.core.errors import Refusal
from portal.core.quantities import MICRO

from .conftest import Firm

DAY = timedelta(days=1)


def told() -> list[str]:
    """Subjects of the letters to the owner, in their order."""
    return list(
        Letter.objects.filter(kind="allocation.budget", to="owner@example.org").order_by("pk").values_list("subject", flat=True)
    )


def test_each_mark_of_the_credits_is_told_once(firm: Firm) -> None:
    assert budget.budgets_watch(at=firm.now) == 0
    for number, (spend, subject) in enumerate(
        [
            (49, ""),
            (1, "50 % of the credits are used"),
            (29, ""),
            (1, "80 % of the credits are used"),
            (15, "95 % of the credits are used"),
            (4, ""),
            (1, "All credits are used or set aside"),
        ]
    ):
        before = told()
        firm.spend(spend, id=f"s-{number}")
        for _ in range(2):
            budget.budgets_watch(at=firm.now)
        assert told()[len(before) :] == ([subject] if subject else [])
    assert BudgetNotice.objects.count() == 4


def test_marks_that_are_passed_at_once_are_told_by_the_highest(firm: Firm) -> None:
    firm.spend(96)
    budget.budgets_watch(at=firm.now)
    budget.budgets_watch(at=firm.now)
    assert told() == ["95 % of the credits are used"]


def test_each_mark_of_the_time_is_told_once(firm: Firm) -> None:
    subjects = []
    for days in range(0, 91):
        budget.budgets_watch(at=firm.now + days * DAY)
        subjects = told()
    assert subjects == ["50 % of the time is over", "80 % of the time is over", "95 % of the time is over", "The last day"]
    assert "100 credits are left" in Letter.objects.filter(kind="allocation.budget").first().body


def test_after_a_supplement_and_an_extension_the_marks_count_anew(firm: Firm) -> None:
    firm.spend(60)
    budget.budgets_watch(at=firm.now)
    ledger.issue(id="more", pool="pool:test", issuer="issuer:test", amount=100 * MICRO, reason="x", by="x", at=firm.now)
    services.allocation_supplement(
        allocation=firm.allocation, id="sup", amount=100 * MICRO, reason="good use", by=firm.officer, at=firm.now
    )
    budget.budgets_watch(at=firm.now)
    firm.spend(45, id="s-2")
    budget.budgets_watch(at=firm.now)
    assert told() == ["50 % of the credits are used", "50 % of the credits are used"]


def test_at_zero_nothing_new_starts_and_what_runs_goes_on_inside_its_hold(firm: Firm) -> None:
    firm.hold(60, id="running")
    firm.spend(40)
    budget.budgets_watch(at=firm.now)
    assert told() == ["All credits are used or set aside"]
    body = Letter.objects.filter(kind="allocation.budget").first().body
    assert "nothing is deleted" in body
    assert f"/allocations/{firm.allocation.code}/" in body
    with pytest.raises(LedgerRefusal) as refused:
        firm.hold(0.000001, id="new")
    assert refused.value.code == "exceeds_available"
    ledger.post(id="running-post", hold="running", amount=60 * MICRO, provider="provider:here", at=firm.now)
    assert (firm.balance().available, firm.balance().spent) == (0, 100 * MICRO)
    firm.allocation.refresh_from_db()
    assert firm.allocation.state == "active"


def test_the_people_chosen_are_told_and_nobody_else(firm: Firm) -> None:
    budget.budget_readers_choose(allocation=firm.allocation, users=[firm.member], by=firm.manager, at=firm.now)
    firm.spend(50)
    budget.budgets_watch(at=firm.now)
    assert list(Letter.objects.values_list("to", flat=True)) == ["member@example.org"]
    budget.budget_readers_choose(allocation=firm.allocation, users=[], by=firm.owner, at=firm.now)
    firm.spend(30, id="s-2")
    budget.budgets_watch(at=firm.now)
    newer = Letter.objects.filter(subject__startswith="80 %")
    assert sorted(newer.values_list("to", flat=True)) == ["manager@example.org", "owner@example.org"]


def test_a_chosen_person_who_left_is_told_no_more(firm: Firm) -> None:
    budget.budget_readers_choose(allocation=firm.allocation, users=[firm.member], by=firm.manager, at=firm.now)
    firm.member.memberships.update(left_at=firm.now)
    firm.spend(50)
    budget.budgets_watch(at=firm.now)
    assert sorted(Letter.objects.values_list("to", flat=True)) == ["manager@example.org", "owner@example.org"]


def test_only_its_people_can_be_chosen_and_only_managers_choose(firm: Firm) -> None:
    with pytest.raises(Refusal, match="not one of the people"):
        budget.budget_readers_choose(allocation=firm.allocation, users=[firm.outsider], by=firm.owner, at=firm.now)
    with pytest.raises(Refusal) as refused:
        budget.budget_readers_choose(allocation=firm.allocation, users=[], by=firm.member, at=firm.now)
    assert refused.value.status == 403


def test_the_forecast_names_the_day_on_which_credits_run_out(firm: Firm) -> None:
    assert budget.forecast(allocation=firm.allocation, balance=firm.balance(), today=firm.now.date()) is None
    for day in range(11):
        budget.budgets_watch(at=firm.now + day * DAY)
        firm.spend(2, id=f"day-{day}", at=firm.now + day * DAY)
    today = (firm.now + 10 * DAY).date()
    seen = budget.forecast(allocation=firm.allocation, balance=firm.balance(), today=today)
    # 22 credits in ten days; 78 are left: 35 days more, before the end of May.
    assert (seen.per_day, seen.on, seen.lasts) == (2_200_000, date(2026, 4, 16), False)
    budget.budgets_watch(at=firm.now + 60 * DAY)
    quiet = budget.forecast(allocation=firm.allocation, balance=firm.balance(), today=(firm.now + 61 * DAY).date())
    assert (quiet.on, quiet.lasts) == (None, True)


def test_use_is_noted_once_a_day_and_queries_do_not_grow(firm: Firm) -> None:
    budget.budgets_watch(at=firm.now)
    with CaptureQueriesContext(
        connection,
    ) as few:
        budget.budgets_watch(at=firm.now)
    for _ in range(5):
        firm.another()
    budget.budgets_watch(at=firm.now)
    with CaptureQueriesContext(connection) as many:
        budget.budgets_watch(at=firm.now)
    assert len(many) == len(few)
    assert DailyUse.objects.count() == 6


def test_an_allocation_that_is_not_active_is_not_watched(firm: Firm) -> None:
    firm.spend(60)
    services.allocation_suspend(allocation=firm.allocation, reason="audit", by=firm.officer, at=firm.now)
    assert budget.budgets_watch(at=firm.now) == 0
