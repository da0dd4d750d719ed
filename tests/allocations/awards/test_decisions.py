"""Reviews, decisions by people and by rule, appeals: what happens, and what is refused beside it."""

from __future__ import annotations

from datetime import date

import pytest

from allocations.applications import services as applications
from allocations.applications.models import Application
from allocations.applications.selectors import application_get_for_user
from allocations.applications.states import S
from allocations.awards import appeals, automatic, publishing, services
from allocations.awards.models import Appeal, Decision
from allocations.awards.terms import Terms
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.selectors import balance
from allocations.ledger.verify import verify
from allocations.projects import services as projects
from allocations.projects.models import Allocation
from allocations.reviews import services as reviews
from allocations.reviews.selectors import others_of
from allocations.reviews.states import S as ReviewS
from portal.audit.models import Letter
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.core.quantities import MICRO
from portal.organisations.models import OrgRole
from tests.support import portal
from tests.support.programme import Programme


def refusal(code: str):  # type: ignore[no-untyped-def]
    """Expect a refusal by its code."""
    return pytest.raises(Refusal, check=lambda refused: refused.code == code)


# --- reviewing ------------------------------------------------------------------------------------------------------------
def test_a_reviewer_opens_the_application_only_after_declaring_no_conflict(programme: Programme) -> None:
    row, (mine, _) = programme.in_review()
    reader = programme.reviewers[0]
    with pytest.raises(NotYours):
        application_get_for_user(user=reader, code=row.code)
    reviews.conflict_declare(review=mine, has_conflict=False, by=reader, at=programme.now)
    assert application_get_for_user(user=reader, code=row.code) == row
    reviews.conflict_declare(review=mine, has_conflict=True, kind="competitor", by=reader, at=programme.now)
    with pytest.raises(NotYours):
        application_get_for_user(user=reader, code=row.code)
    assert mine.state == ReviewS.CONFLICTED


def test_a_conflicted_reviewer_cannot_hand_in(programme: Programme) -> None:
    _, (mine, _) = programme.in_review()
    reviews.conflict_declare(review=mine, has_conflict=True, kind="family", by=mine.reviewer, at=programme.now)
    with refusal("move_not_allowed"):
        programme.judge(mine)
    with refusal("move_not_allowed"):
        reviews.review_submit(review=mine, scores={}, recommended=None, by=mine.reviewer, at=programme.now)


def test_a_reviewer_does_not_see_other_reviews_until_all_are_in(programme: Programme) -> None:
    _, (mine, theirs) = programme.in_review()
    programme.judge(mine)
    assert others_of(mine) is None
    programme.judge(theirs)
    seen = others_of(mine)
    assert seen is not None
    assert [review.pk for review in seen] == [theirs.pk]


def test_a_score_needs_a_reason(programme: Programme) -> None:
    _, (mine, _) = programme.in_review()
    reviews.conflict_declare(review=mine, has_conflict=False, by=mine.reviewer, at=programme.now)
    scores = {key: {"score": 3, "reason": "ok"} for key in ("value", "plan", "fit")}
    for wrong in ({"score": 3, "reason": "  "}, {"score": 6, "reason": "ok"}, {"score": None, "reason": "ok"}):
        with refusal("incomplete") as refused:
            reviews.review_submit(
                review=mine, scores={**scores, "plan": wrong}, recommended=None, by=mine.reviewer, at=programme.now
            )
        assert set(refused.value.facts["problems"]) == {"plan"}
    mine.refresh_from_db()
    assert mine.state == ReviewS.OPEN


def test_people_of_the_enterprise_and_outsiders_are_not_asked_to_review(programme: Programme) -> None:
    row = programme.sent()
    portal.member(programme.firm, programme.reviewers[0], OrgRole.MEMBER, at=programme.now)
    for person in (programme.reviewers[0], programme.stranger):
        with pytest.raises(NotAllowed):
            reviews.reviewers_assign(application=row, reviewers=[person], by=programme.officer, at=programme.now)
    row.refresh_from_db()
    assert row.state == S.SUBMITTED


def test_a_review_is_final_until_an_officer_opens_it_again(programme: Programme) -> None:
    _, (mine, _) = programme.in_review()
    programme.judge(mine)
    with refusal("move_not_allowed"):
        reviews.review_submit(review=mine, scores={}, recommended=None, by=mine.reviewer, at=programme.now)
    with pytest.raises(Malformed):
        reviews.review_reopen(review=mine, reason="", by=programme.officer, at=programme.now)
    reviews.review_reopen(review=mine, reason="Scores and reasons differ.", by=programme.officer, at=programme.now)
    assert mine.state == ReviewS.OPEN


# --- deciding -------------------------------------------------------------------------------------------------------------
def test_an_award_takes_exactly_its_credits_from_the_pool(programme: Programme) -> None:
    row = programme.judged()
    decision = programme.award(row, credits=300)
    assert programme.left() == 700
    assert decision.allocation is not None
    found = balance(code=decision.allocation.account)
    assert (found.granted, found.available) == (300 * MICRO, 300 * MICRO)
    assert decision.allocation.ends_on == date(2026, 6, 1)
    assert (row.state, row.outcome, row.allocation) == (S.DECIDED, "awarded", decision.allocation)
    assert "300 credits" in Letter.objects.get(kind="application.decided").body
    verify(chain=True)


def test_awarding_twice_is_once(programme: Programme) -> None:
    row = programme.judged()
    stale = Application.objects.get(pk=row.pk)
    programme.award(row)
    with refusal("changed_meanwhile"):
        programme.award(stale, by=programme.second_officer)
    assert (programme.left(), Decision.objects.count(), Allocation.objects.count()) == (700, 1, 1)


def test_the_pool_is_never_overcommitted(programme: Programme) -> None:
    first, second = programme.judged(credits=700), programme.judged(by=programme.rival, credits=700)
    programme.award(first, credits=700)
    with pytest.raises(LedgerRefusal) as refused:
        programme.award(second, credits=301)
    assert refused.value.code == "exceeds_pool"
    second.refresh_from_db()
    assert (second.state, second.allocation, Allocation.objects.count()) == (S.IN_REVIEW, None, 1)
    programme.award(second, credits=300)
    assert programme.left() == 0


def test_an_award_waits_for_the_reviews_and_a_rejection_does_not(programme: Programme) -> None:
    row, _ = programme.in_review()
    with refusal("reviews_missing"):
        programme.award(row)
    other = programme.sent(by=programme.rival)
    with refusal("reviews_missing"):
        programme.award(other)
    services.application_reject(application=row, reason="Not an SME.", by=programme.officer, at=programme.now)
    assert (row.state, row.outcome) == (S.DECIDED, "rejected")
    assert [review.state for review in row.reviews.all()] == [ReviewS.RELEASED, ReviewS.RELEASED]
    assert programme.left() == 1000


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (Terms(401 * MICRO, 3, ["cpu"]), "credits"),
        (Terms(0, 3, ["cpu"]), "credits"),
        (Terms(MICRO, 13, ["cpu"]), "months"),
        (Terms(MICRO, 3, []), "resources"),
        (Terms(MICRO, 3, ["moon"]), "resources"),
        (Terms(MICRO, 3, ["cpu"], ["secret"]), "datasets"),
    ],
)
def test_terms_beyond_what_was_asked_for_are_refused(programme: Programme, terms: Terms, field: str) -> None:
    row = programme.judged()
    with pytest.raises(Malformed) as refused:
        services.application_award(application=row, terms=terms, reason="x", by=programme.officer, at=programme.now)
    assert refused.value.facts["field"] == field
    assert programme.left() == 1000


def test_a_decision_has_a_reason(programme: Programme) -> None:
    row = programme.judged()
    for decide in (
        lambda: services.application_award(
            application=row, terms=Terms(MICRO, 3, ["cpu"]), reason=" ", by=programme.officer, at=programme.now
        ),
        lambda: services.application_reject(application=row, reason="", by=programme.officer, at=programme.now),
    ):
        with pytest.raises(Malformed):
            decide()


def test_nobody_decides_for_their_own_enterprise_nor_what_they_review(programme: Programme) -> None:
    row = programme.judged()
    portal.member(programme.firm, programme.officer, OrgRole.MEMBER, at=programme.now)
    with pytest.raises(NotAllowed, match="You belong to"):
        programme.award(row)
    from portal.accounts.models import Role
    from portal.accounts.services import role_grant

    reviewer = programme.reviewers[0]
    role_grant(user=reviewer, role=Role.OFFICER, by=None, at=programme.now)
    del reviewer.role_set
    with pytest.raises(NotAllowed, match="You review"):
        programme.award(row, by=reviewer)
    for person in (programme.founder, programme.operator, programme.reviewers[1]):
        with pytest.raises(NotAllowed):
            programme.award(row, by=person)
    programme.award(row, by=programme.second_officer)


# --- by rule --------------------------------------------------------------------------------------------------------------
def test_the_rule_says_yes_and_is_shown(programme: Programme) -> None:
    row = programme.sent("starter")
    automatic.decide_due(at=programme.now)
    row.refresh_from_db()
    decision = row.decisions.get()
    assert (row.state, row.outcome, decision.automatic, decision.by) == (S.DECIDED, "awarded", True, None)
    assert decision.rule_words.startswith("Your enterprise qualifies")
    assert programme.left("pool:starter") == 170
    automatic.decide_due(at=programme.now)
    assert programme.left("pool:starter") == 170


def test_the_rule_leaves_to_a_person_what_it_cannot_say_yes_to(programme: Programme) -> None:
    from allocations.ledger import services as ledger

    taken = portal.award(programme.rivals_firm, at=programme.now, pool="pool:starter", amount=180 * MICRO)
    row = programme.sent("starter")
    automatic.decide_due(at=programme.now)
    row.refresh_from_db()
    assert (row.state, row.rule_said) == (S.SUBMITTED, "the pool does not hold it (exceeds_pool)")
    ledger.account_close(allocation=taken.account, at=programme.now, reason="over")
    automatic.decide_due(at=programme.now)
    row.refresh_from_db()
    assert row.state == S.SUBMITTED  # it was left to a person, and stays there
    programme.award(row, credits=20)
    assert not row.decisions.get().automatic


def test_a_person_may_be_wanted_instead_of_the_rule(programme: Programme) -> None:
    row = programme.sent("starter")
    applications.person_want(application=row, by=programme.founder, at=programme.now)
    automatic.decide_due(at=programme.now)
    row.refresh_from_db()
    assert (row.state, row.allocation) == (S.SUBMITTED, None)


def test_the_rule_never_decides_a_call_of_people(programme: Programme) -> None:
    row = programme.sent("build")
    automatic.decide_due(at=programme.now)
    row.refresh_from_db()
    assert (row.state, row.rule_said) == (S.SUBMITTED, "")


# --- appeals --------------------------------------------------------------------------------------------------------------
def test_an_appeal_goes_to_other_people_who_may_give_more_but_never_less(programme: Programme) -> None:
    row = programme.judged()
    programme.award(row, credits=200)
    appeal = appeals.appeal_create(application=row, text="The plan needs 300.", by=programme.founder, at=programme.now)
    with refusal("appeal_exists"):
        appeals.appeal_create(application=row, text="Again.", by=programme.founder, at=programme.now)
    with pytest.raises(NotAllowed, match="You decided"):
        appeals.appeal_answer(appeal=appeal, accepted=True, answer="Yes.", by=programme.officer, at=programme.now)
    appeals.appeal_answer(appeal=appeal, accepted=True, answer="Look again.", by=programme.second_officer, at=programme.now)
    row.refresh_from_db()
    assert (row.state, row.round, row.outcome) == (S.IN_REVIEW, 2, "")
    made = reviews.reviewers_assign(
        application=row, reviewers=programme.reviewers, by=programme.second_officer, at=programme.now
    )
    for review in made:
        programme.judge(review)
    with pytest.raises(NotAllowed, match="You decided"):
        programme.award(row, credits=300)
    with refusal("appeal_cannot_worsen"):
        programme.award(row, credits=100, by=programme.second_officer)
    with refusal("appeal_cannot_worsen"):
        services.application_reject(application=row, reason="No.", by=programme.second_officer, at=programme.now)
    assert row.allocation is not None
    before = row.allocation.ends_on
    programme.award(row, credits=300, months=6, by=programme.second_officer)
    assert programme.left() == 700
    row.allocation.refresh_from_db()
    assert (before, row.allocation.ends_on) == (date(2026, 6, 1), date(2026, 9, 1))
    assert balance(code=row.allocation.account).granted == 300 * MICRO
    assert Allocation.objects.count() == 1
    verify(chain=True)


def judged_again(programme: Programme) -> tuple[Application, Allocation]:
    """An award of 200 credits for three months that was appealed and judged anew."""
    row = programme.judged(credits=400)
    allocation = programme.award(row, credits=200).allocation
    assert allocation is not None
    second, now = programme.second_officer, programme.now
    appeal = appeals.appeal_create(application=row, text="The plan needs 300.", by=programme.founder, at=now)
    appeals.appeal_answer(appeal=appeal, accepted=True, answer="Look again.", by=second, at=now)
    row.refresh_from_db()
    for review in reviews.reviewers_assign(application=row, reviewers=programme.reviewers, by=second, at=now):
        programme.judge(review)
    return row, allocation


@pytest.mark.parametrize("hold", [False, True])
def test_an_appeal_opens_no_allocation_that_has_ended(programme: Programme, hold: bool) -> None:
    """The officer is told what is left to do, and does it: what stood is confirmed, and nothing comes back to life."""
    row, allocation = judged_again(programme)
    projects.allocation_end(allocation=allocation, reason="We stop.", by=programme.founder, at=programme.now)
    for credits, months in ((300, 3), (200, 6), (300, 6)):
        again = Application.objects.get(pk=row.pk)
        with refusal("allocation_ended"):
            services.application_award(
                application=again, terms=Terms(credits * MICRO, months, ["cpu"]), reason="More.", by=programme.second_officer,
                at=programme.now, hold=hold,
            )  # fmt: skip
        assert (again.decisions.count(), programme.left()) == (1, 1000)
    projects.allocations_by_date(at=programme.now)
    again = Application.objects.get(pk=row.pk)
    decision = programme.award(again, credits=200, by=programme.second_officer)
    allocation.refresh_from_db()
    assert (decision.allocation, allocation.state, programme.left()) == (allocation, "closed", 1000)
    verify(chain=True)


def test_an_allocation_that_ends_before_a_held_appeal_is_published_stays_ended(programme: Programme) -> None:
    row, allocation = judged_again(programme)
    terms, second = Terms(300 * MICRO, 3, ["cpu"]), programme.second_officer
    row = Application.objects.get(pk=row.pk)
    decision = services.application_award(application=row, terms=terms, reason="More.", by=second, at=programme.now, hold=True)
    assert programme.left() == 700
    projects.allocation_end(allocation=allocation, reason="We stop.", by=programme.founder, at=programme.now)
    with refusal("allocation_ended"):
        publishing.decision_publish(decision=decision, by=second, at=programme.now)
    assert programme.left() == 900  # what is set aside for the decision stays so
    decision = Decision.objects.get(pk=decision.pk)
    publishing.decision_take_back(decision=decision, reason="It ended.", by=second, at=programme.now)
    allocation.refresh_from_db()
    assert (allocation.state, programme.left()) == ("closing", 1000)
    verify(chain=True)


def test_an_appeal_comes_in_time_and_from_the_applicant(programme: Programme) -> None:
    row = programme.judged()
    with refusal("not_decided"):
        appeals.appeal_create(application=row, text="x", by=programme.founder, at=programme.now)
    services.application_reject(application=row, reason="No.", by=programme.officer, at=programme.now)
    with pytest.raises(NotAllowed):
        appeals.appeal_create(application=row, text="x", by=programme.colleague, at=programme.now)
    with pytest.raises(NotYours):
        appeals.appeal_create(application=row, text="x", by=programme.rival, at=programme.now)
    with refusal("appeal_too_late"):
        appeals.appeal_create(application=row, text="x", by=programme.founder, at=programme.later(days=29))
    assert not Appeal.objects.exists()
