"""Thresholds, tiers, lots and the duty to review others: what they mean, and that an award keeps to them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from allocations.awards.models import Decision
from allocations.calls import services as calls
from allocations.calls.document import Review as ReviewRules
from allocations.reviews import services
from allocations.reviews.lots import lot_announce, lot_draw
from allocations.reviews.models import Review
from allocations.reviews.ranking import commitment, drawn, reciprocal_pairs, threshold_findings, tier_of
from allocations.reviews.reciprocal import duty_owed, reciprocal_assign
from portal.core.errors import NotAllowed, Refusal
from tests.support.programme import Programme, document

pytestmark = pytest.mark.django_db(databases="__all__")
CODES = st.sets(st.text(alphabet="ABC123", min_size=1, max_size=4), max_size=12)


def rules_with(programme: Programme, **changes: Any) -> None:
    """Put other review rules in force for `build`."""
    new = document("build")
    new["review"] = {**new["review"], **changes}
    new["intake"] = changes.pop("intake", new["intake"])
    new["review"].pop("intake", None)
    calls.version_add(call=programme.build, document=new, reason="test", by=None, at=programme.now)


def refusal(code: str) -> Any:
    """Expect a refusal by its code."""
    return pytest.raises(Refusal, check=lambda refused: refused.code == code)


# --- plain --------------------------------------------------------------------------------------------------------------
@given(st.text(), CODES, st.data())
def test_the_lot_is_fair_to_remove_from_and_the_same_for_everybody(seed: str, codes: set[str], data: st.DataObject) -> None:
    order = drawn(seed, codes)
    assert sorted(order) == sorted(codes)
    assert drawn(seed, reversed(order)) == order
    if codes:
        gone = data.draw(st.sampled_from(sorted(codes)))
        assert drawn(seed, codes - {gone}) == [code for code in order if code != gone]


@given(st.dictionaries(st.text(alphabet="ABC123", min_size=1, max_size=4), st.integers(1, 6), max_size=14), st.integers(1, 5))
def test_nobody_reviews_their_own_enterprise_nor_the_same_twice(firms: dict[str, int], each: int) -> None:
    pairs = reciprocal_pairs(firms, each)
    for code, others in pairs.items():
        assert all(firms[other] != firms[code] for other in others)
        assert len(set(others)) == len(others)
        possible = sum(firms[other] != firms[code] for other in firms)
        assert len(others) == min(each, possible)


def test_where_all_firms_differ_everybody_is_reviewed_as_often_as_they_review() -> None:
    pairs = reciprocal_pairs({f"P-{n}": n for n in range(7)}, 3)
    received = list(itertools.chain.from_iterable(pairs.values()))
    assert {received.count(code) for code in pairs} == {3}


def test_tiers_and_thresholds() -> None:
    rules = ReviewRules.model_validate(
        {
            "reviewers": 1,
            "percent_min": 50,
            "tiers": [{"key": "a", "title": "A", "percent_from": 80}, {"key": "b", "title": "B", "percent_from": 50}],
            "criteria": [
                {"key": "plan", "title": "Plan", "threshold": "3", "anchors": {"0": "no", "5": "yes"}},
                {"key": "fit", "title": "Fit", "anchors": {"0": "no", "5": "yes"}},
            ],
        }
    )
    tiers = [tier_of(rules, percent) for percent in (80, 79.9, 50, 49, None)]
    assert [tier and tier.key for tier in tiers] == ["a", "b", "b", None, None]
    scores = [{"plan": {"score": 2}, "fit": {"score": 5}}, {"plan": {"score": 3}, "fit": {"score": 5}}]
    assert [found.passes for found in threshold_findings(rules, scores)] == [False, True]
    assert threshold_findings(rules, []) == []


# --- at the award -------------------------------------------------------------------------------------------------------
def test_an_award_below_the_threshold_is_refused_by_name(programme: Programme) -> None:
    rules_with(programme, percent_min=60)
    poor, good = programme.judged(score=2), programme.judged(by=programme.rival, score=4)
    with refusal("below_threshold"):
        programme.award(poor)
    assert programme.award(good).credits
    assert Decision.objects.count() == 1


# --- lots ---------------------------------------------------------------------------------------------------------------
def test_a_lot_is_sealed_first_and_drawn_once(programme: Programme) -> None:
    tiers = [{"key": "a", "title": "A", "percent_from": 90}, {"key": "b", "title": "B", "percent_from": 40}]
    with refusal("no_lottery"):
        lot_announce(call=programme.build, by=programme.officer, at=programme.now)
    rules_with(programme, tiers=tiers, lottery={"tier": "b"})
    with pytest.raises(NotAllowed):
        lot_announce(call=programme.build, by=programme.founder, at=programme.now)
    draw = lot_announce(call=programme.build, by=programme.officer, at=programme.now)
    assert lot_announce(call=programme.build, by=programme.officer, at=programme.now) == draw
    public = Client(headers={"host": settings.PORTAL_HOST})
    page = public.get("/awards/rules/").content.decode()
    assert draw.seal in page
    assert draw.seed not in page
    middle = [programme.judged(score=3), programme.judged(by=programme.rival, score=3)]
    top = programme.judged(score=5)
    waiting, made = programme.in_review()
    with refusal("reviews_missing"):
        lot_draw(draw=draw, by=programme.officer, at=programme.now)
    for review in made:
        programme.judge(review, score=1)
    lot_draw(draw=draw, by=programme.officer, at=programme.now)
    assert draw.order == drawn(draw.seed, [row.code for row in middle])
    assert commitment(draw.seed) == draw.seal
    assert {top.code, waiting.code}.isdisjoint(draw.order)
    assert draw.seed in public.get("/awards/rules/").content.decode()
    with refusal("changed_meanwhile"):
        lot_draw(draw=draw, by=programme.officer, at=programme.now)
    officer = Client(headers={"host": settings.PORTAL_HOST})
    officer.force_login(programme.officer)
    assert "lot 1" in officer.get("/queue/panel/build/").content.decode()


# --- applicants review each other -----------------------------------------------------------------------------------------
def test_applicants_review_each_other_and_who_does_not_is_not_awarded(programme: Programme) -> None:
    rules_with(
        programme,
        reviewers=1,
        reciprocal={"reviews_each": 1},
        intake={"kind": "dated", "closes_at": "2026-03-03T09:00:00Z"},
    )
    mine, theirs = programme.sent(), programme.sent(by=programme.rival)
    with refusal("call_open"):
        reciprocal_assign(call=programme.build, by=programme.officer, at=programme.now)
    programme.later(days=2)
    made = reciprocal_assign(call=programme.build, by=programme.officer, at=programme.now)
    assert reciprocal_assign(call=programme.build, by=programme.officer, at=programme.now) == []
    asked = {(review.application_id, review.reviewer_id) for review in made}
    assert asked == {(mine.pk, programme.rival.pk), (theirs.pk, programme.founder.pk)}
    by_rival = Review.objects.select_related("application__version", "reviewer").get(application=mine)
    programme.judge(by_rival)
    mine.refresh_from_db()
    assert (duty_owed(mine), duty_owed(theirs)) == (1, 0)
    with refusal("review_duty_missing"):
        programme.award(mine)
    rival = Client(headers={"host": settings.PORTAL_HOST})
    rival.force_login(programme.rival)
    assert rival.get("/reviews/").status_code == 200
    by_founder = Review.objects.select_related("application__version", "reviewer").get(application=theirs)
    services.conflict_declare(review=by_founder, has_conflict=True, kind="competitor", by=programme.founder, at=programme.now)
    assert programme.award(mine).credits  # an honest conflict is no debt


# --- steps ----------------------------------------------------------------------------------------------------------------
def test_an_officer_records_steps_on_the_page(programme: Programme) -> None:
    new = document("build", steps=[{"key": "admin", "title": "Papers", "kind": "check"}])
    calls.version_add(call=programme.build, document=new, reason="test", by=None, at=programme.now)
    row = programme.judged()
    with refusal("steps_missing"):
        programme.award(row)
    officer = Client(headers={"host": settings.PORTAL_HOST})
    officer.force_login(programme.officer)
    at = f"/applications/{row.code}/"
    assert "Papers: what was found" in officer.get(at).content.decode()
    assert officer.post(f"{at}step/", {"key": "admin", "passed": "1", "note": ""}).status_code == 422
    officer.post(f"{at}step/", {"key": "admin", "passed": "1", "note": "All there."})
    assert "All there." in officer.get(at).content.decode()
    founder = Client(headers={"host": settings.PORTAL_HOST})
    founder.force_login(programme.founder)
    assert founder.post(f"{at}step/", {"key": "admin", "passed": "1", "note": "x"}).status_code == 403
    assert programme.award(row).credits


# --- conflicts that the portal proposes -----------------------------------------------------------------------------------
def test_a_shared_sector_or_mail_domain_is_proposed_as_a_conflict(programme: Programme) -> None:
    from allocations.reviews.policies import conflicts_proposed
    from allocations.reviews.states import Conflict
    from tests.support import portal

    row = programme.sent()
    reviewer = programme.reviewers[0]
    assert [kind for kind, _ in conflicts_proposed(application=row, reviewer=reviewer)] == [Conflict.EMPLOYER]  # example.org
    programme.founder.email, programme.colleague.email = "founder@savanna.test", "colleague@savanna.test"
    programme.founder.save()
    programme.colleague.save()
    assert conflicts_proposed(application=row, reviewer=reviewer) == []
    own = portal.firm(reviewer, at=programme.now, sector="C")
    assert conflicts_proposed(application=row, reviewer=reviewer) == []
    row.organisation.sector = "C"
    assert [kind for kind, _ in conflicts_proposed(application=row, reviewer=reviewer)] == [Conflict.COMPETITOR]
    own.sector = "A"
    own.save()
    assert conflicts_proposed(application=row, reviewer=reviewer) == []
