"""Supplements, extensions, early ends, moves between allocations, reclaims: each a transfer with a person and a reason."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from allocations.ledger.models import Account, Transfer
from allocations.projects import asking, policies, reclaim, services
from allocations.projects.models import Allocation, MoreAsked, ReclaimNotice
from allocations.projects.states import TRANSITIONS, Actor, S, check_transition
from portal.audit.models import Event, Letter
from portal.core.errors import Refusal
from portal.core.quantities import MICRO

from .conftest import Firm

WEEK = timedelta(days=7)


@pytest.mark.parametrize(("old", "new", "actor"), list(itertools.product(S, S, Actor)))
def test_every_move_is_allowed_or_refused(old: S, new: S, actor: Actor) -> None:
    if actor in TRANSITIONS.get((old, new), frozenset()):
        check_transition(old=old, new=new, actor=actor)
    else:
        with pytest.raises(Refusal, match="cannot become"):
            check_transition(old=old, new=new, actor=actor)


def supplement(firm: Firm, **changes: Any) -> None:
    asked = {"allocation": firm.allocation, "id": "sup-1", "amount": 20 * MICRO, "reason": "good use", "by": firm.officer}
    pool = Account.objects.filter(code="pool:test", available__lt=1000 * MICRO)
    pool.update(available=10**10)
    Account.objects.filter(code="issuer:test").update(available=-(10**10) - 100 * MICRO)
    services.allocation_supplement(at=firm.now, **{**asked, **changes})


def test_a_supplement_is_a_grant_with_an_officer_a_reason_a_letter_and_an_answer(firm: Firm) -> None:
    asking.more_ask(allocation=firm.allocation, message="two more models", by=firm.owner, at=firm.now)
    supplement(firm)
    row = Transfer.objects.get(pk="sup-1")
    assert (row.kind, row.amount, row.by, row.reason) == ("grant", 20 * MICRO, f"person:{firm.officer.pk}", "good use")
    assert firm.balance().available == 120 * MICRO
    assert Event.objects.filter(kind="allocation.supplemented", actor=firm.officer).count() == 1
    letters = Letter.objects.filter(kind="allocation.supplemented")
    assert sorted(letters.values_list("to", flat=True)) == ["manager@example.org", "owner@example.org"]
    assert "good use" in letters[0].body
    assert not MoreAsked.objects.filter(answered_at=None).exists()
    supplement(firm)
    assert firm.balance().available == 120 * MICRO
    assert Letter.objects.filter(kind="allocation.supplemented").count() == 2


DEEDS: dict[str, Callable[[Firm, Any], Any]] = {
    "supplement": lambda firm, by: supplement(firm, by=by),
    "extend": lambda firm, by: services.allocation_extend(
        allocation=firm.allocation, ends_on=date(2026, 12, 31), reason="late data", by=by, at=firm.now
    ),
    "suspend": lambda firm, by: services.allocation_suspend(allocation=firm.allocation, reason="audit", by=by, at=firm.now),
    "reclaim": lambda firm, by: reclaim.reclaim_announce(
        allocation=firm.allocation, amount=MICRO, reason="idle", by=by, at=firm.now
    ),
    "end": lambda firm, by: services.allocation_end(allocation=firm.allocation, reason="done", by=by, at=firm.now),
    "ask": lambda firm, by: asking.more_ask(allocation=firm.allocation, message="", by=by, at=firm.now),
    "transfer": lambda firm, by: transfer(firm, by=by),
}
WHO = {
    "supplement": {"officer"},
    "extend": {"officer"},
    "suspend": {"officer"},
    "reclaim": {"officer"},
    "end": {"officer", "owner"},
    "ask": {"owner", "manager"},
    "transfer": {"owner", "manager"},
}
PEOPLE = ["owner", "manager", "member", "officer", "officer_of_the_firm", "outsider"]


@pytest.mark.parametrize(("deed", "who"), list(itertools.product(DEEDS, PEOPLE)))
def test_each_deed_has_its_people_and_no_others(firm: Firm, deed: str, who: str) -> None:
    before = Transfer.objects.count()
    if who in WHO[deed]:
        DEEDS[deed](firm, getattr(firm, who))
        return
    with pytest.raises(Refusal) as refused:
        DEEDS[deed](firm, getattr(firm, who))
    assert refused.value.status in (403, 404)
    assert Transfer.objects.exclude(kind__in=["issue"]).count() <= before + (1 if deed == "transfer" else 0)
    assert Allocation.objects.get(pk=firm.allocation.pk).state == S.ACTIVE
    assert not Letter.objects.filter(kind__startswith="allocation.").exists()


def test_an_extension_moves_the_last_day_later_and_never_earlier(firm: Firm) -> None:
    DEEDS["extend"](firm, firm.officer)
    firm.allocation.refresh_from_db()
    assert firm.allocation.ends_on == date(2026, 12, 31)
    for wrong in (date(2026, 12, 31), date(2026, 1, 1)):
        with pytest.raises(Refusal, match="must be after"):
            services.allocation_extend(allocation=firm.allocation, ends_on=wrong, reason="x", by=firm.officer, at=firm.now)
    services.allocation_end(allocation=firm.allocation, reason="done", by=firm.owner, at=firm.now)
    with pytest.raises(Refusal, match="has ended"):
        services.allocation_extend(
            allocation=firm.allocation, ends_on=date(2027, 1, 1), reason="x", by=firm.officer, at=firm.now
        )


@pytest.mark.parametrize("deed", ["extend", "suspend", "end", "reclaim"])
def test_a_change_without_a_reason_is_refused(firm: Firm, deed: str) -> None:
    calls = {
        "extend": lambda: services.allocation_extend(
            allocation=firm.allocation, ends_on=date(2027, 1, 1), reason=" ", by=firm.officer, at=firm.now
        ),
        "suspend": lambda: services.allocation_suspend(allocation=firm.allocation, reason="", by=firm.officer, at=firm.now),
        "end": lambda: services.allocation_end(allocation=firm.allocation, reason="", by=firm.owner, at=firm.now),
        "reclaim": lambda: reclaim.reclaim_announce(
            allocation=firm.allocation, amount=MICRO, reason="", by=firm.officer, at=firm.now
        ),
    }
    with pytest.raises(Refusal) as refused:
        calls[deed]()
    assert refused.value.status == 422
    assert firm.balance().available == 100 * MICRO


def test_an_early_end_returns_what_is_left_and_what_is_freed_later(firm: Firm) -> None:
    from allocations.ledger import services as ledger

    firm.spend(10)
    firm.hold(30, id="s-2")
    services.allocation_end(allocation=firm.allocation, reason="the product is out", by=firm.owner, at=firm.now)
    assert (firm.balance().available, firm.balance().held, firm.balance().returned) == (0, 30 * MICRO, 60 * MICRO)
    ledger.post(id="s-2-post", hold="s-2", amount=5 * MICRO, provider="provider:here", at=firm.now)
    assert (firm.balance().returned, firm.balance().state) == (85 * MICRO, "closed")
    services.allocations_by_date(at=firm.now)
    firm.allocation.refresh_from_db()
    assert firm.allocation.state == S.CLOSED
    assert Event.objects.get(kind="allocation.ended").facts["reason"] == "the product is out"
    assert Letter.objects.filter(kind="allocation.ended").count() == 2
    firm.books()


# --- moving credits -------------------------------------------------------------------------------------------------------


def transfer(firm: Firm, *, target: Allocation | None = None, **changes: Any) -> Allocation:
    if target is None:
        Allocation.objects.filter(pk=firm.allocation.pk).update(transfers_allowed=True)
        firm.allocation.refresh_from_db()
        target = firm.another(transfers_allowed=True)
    asked = {"source": firm.allocation, "target": target, "id": "t-1", "amount": 30 * MICRO, "reason": "phase two"}
    services.allocation_transfer(at=firm.now, **{**asked, "by": firm.owner, **changes})
    return target


def test_credits_move_between_two_allocations_of_an_enterprise_as_two_transfers(firm: Firm) -> None:
    target = transfer(firm)
    assert (firm.balance().available, firm.balance(target).available) == (70 * MICRO, 130 * MICRO)
    kinds = dict(Transfer.objects.filter(pk__in=["t-1-out", "t-1-in"]).values_list("pk", "kind"))
    assert kinds == {"t-1-out": "return", "t-1-in": "grant"}
    transfer(firm, target=target)
    assert firm.balance(target).available == 130 * MICRO
    assert Letter.objects.filter(kind="allocation.moved").count() == 2
    firm.books()


def test_credits_stay_where_a_call_does_not_allow_it_or_the_enterprise_is_another(firm: Firm) -> None:
    from tests.support import portal

    target = firm.another()
    with pytest.raises(Refusal) as refused:
        transfer(firm, target=target)
    assert refused.value.code == "transfers_not_allowed"
    foreign = portal.award(portal.firm(firm.outsider, at=firm.now), at=firm.now, transfers_allowed=True)
    Allocation.objects.filter(pk=firm.allocation.pk).update(transfers_allowed=True)
    firm.allocation.refresh_from_db()
    with pytest.raises(Refusal) as refused:
        transfer(firm, target=foreign)
    assert refused.value.status == 404
    other = firm.another(transfers_allowed=True)
    with pytest.raises(Refusal, match=r"needs 101 credits; 100 are left"):
        transfer(firm, target=other, amount=101 * MICRO)
    services.allocation_end(allocation=other, reason="done", by=firm.owner, at=firm.now)
    with pytest.raises(Refusal) as refused:
        transfer(firm, target=other)
    assert refused.value.code == "allocation_not_active"
    assert firm.balance().available == 100 * MICRO


# --- reclaiming -----------------------------------------------------------------------------------------------------------


def test_idle_credits_return_after_the_notice_and_not_before(firm: Firm) -> None:
    notice = reclaim.reclaim_announce(
        allocation=firm.allocation, amount=80 * MICRO, reason="not used since January", by=firm.officer, at=firm.now, days=14
    )
    assert "Idle credits return on 16 March 2026" in Letter.objects.first().subject
    reclaim.reclaims_due(at=firm.now + 13 * timedelta(days=1))
    assert firm.balance().available == 100 * MICRO
    reclaim.reclaims_due(at=firm.now + 2 * WEEK)
    reclaim.reclaims_due(at=firm.now + 3 * WEEK)
    row = Transfer.objects.get(kind="return")
    assert (row.amount, row.by) == (80 * MICRO, f"person:{firm.officer.pk}")
    assert "not used since January" in row.reason
    notice.refresh_from_db()
    assert (notice.state, firm.balance().available) == ("taken", 20 * MICRO)
    assert Letter.objects.filter(kind="allocation.reclaimed").count() == 2
    firm.books()


def test_whoever_uses_the_allocation_before_keeps_the_credits(firm: Firm) -> None:
    reclaim.reclaim_announce(allocation=firm.allocation, amount=80 * MICRO, reason="idle", by=firm.officer, at=firm.now)
    firm.spend(0.1)
    reclaim.reclaims_due(at=firm.now + 3 * WEEK)
    assert (ReclaimNotice.objects.get().state, Transfer.objects.filter(kind="return").count()) == ("dropped", 0)
    assert "used again" in Letter.objects.filter(kind="allocation.reclaim_dropped").first().body


def test_a_notice_is_one_at_a_time_is_a_week_at_least_and_can_be_taken_back(firm: Firm) -> None:
    asked = {"allocation": firm.allocation, "reason": "idle", "by": firm.officer, "at": firm.now}
    for wrong in ({"amount": 101 * MICRO}, {"amount": 0}, {"amount": MICRO, "days": 6}):
        with pytest.raises(Refusal) as refused:
            reclaim.reclaim_announce(**asked, **wrong)
        assert refused.value.status == 422
    notice = reclaim.reclaim_announce(**asked, amount=MICRO)
    with pytest.raises(Refusal) as refused:
        reclaim.reclaim_announce(**asked, amount=MICRO)
    assert refused.value.code == "reclaim_announced"
    reclaim.reclaim_drop(notice=notice, by=firm.officer, at=firm.now)
    reclaim.reclaims_due(at=firm.now + 3 * WEEK)
    assert firm.balance().available == 100 * MICRO


def test_what_ended_meanwhile_is_not_reclaimed(firm: Firm) -> None:
    reclaim.reclaim_announce(allocation=firm.allocation, amount=MICRO, reason="idle", by=firm.officer, at=firm.now)
    services.allocation_end(allocation=firm.allocation, reason="done", by=firm.owner, at=firm.now)
    reclaim.reclaims_due(at=firm.now + 3 * WEEK)
    assert ReclaimNotice.objects.get().state == "dropped"


def test_asking_twice_tells_the_officers_once_and_never_an_officer_of_the_firm(firm: Firm) -> None:
    for _ in range(2):
        asking.more_ask(allocation=firm.allocation, message="more data came", by=firm.manager, at=firm.now)
    letter = Letter.objects.get(kind="allocation.more_asked")
    assert (letter.to, "more data came" in letter.body) == ("officer@example.org", True)


def test_an_officer_may_not_officiate_for_their_own_enterprise(firm: Firm) -> None:
    assert policies.may_officiate(user=firm.officer, allocation=firm.allocation)
    assert not policies.may_officiate(user=firm.officer_of_the_firm, allocation=firm.allocation)
