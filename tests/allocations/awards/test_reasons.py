"""An officer never begins with an empty page, and nobody reads a reason with a gap in it."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client

from allocations.applications.models import Application
from allocations.applications.ready import RETURN
from allocations.awards.appeals import appeal_create, decision_of
from allocations.awards.reasons import APPEAL, AWARD, AWARD_ALONE, REJECT, REJECT_ALONE
from portal.accounts.models import User
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")


def browser(user: User) -> Client:
    """A browser, signed in."""
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def test_a_single_decision_begins_from_ready_words_with_the_figures_put_in(programme: Programme) -> None:
    row = programme.judged(score=4, credits=400)
    officer = browser(programme.officer)
    page = officer.get(f"/applications/{row.code}/").content.decode()
    assert AWARD[0][1] in page
    assert REJECT[0][1] in page
    given = {"outcome": "award", "credits": "120", "months": "3", "resources": ["cpu"], "reason": AWARD[0][1]}
    officer.post(f"/applications/{row.code}/decide/", {**given, "reason_reject": "Not this one."})
    decision = decision_of(row)
    assert decision is not None
    assert decision.reason == (
        "The reviewers scored your application 80 of 100. You asked for 400 credits and are awarded 120."
    )


def test_a_rejection_reads_its_own_reason(programme: Programme) -> None:
    row = programme.judged(score=2)
    given = {"outcome": "reject", "reason": AWARD[0][1], "reason_reject": "Scored {score} of 100 {sic}."}
    browser(programme.officer).post(f"/applications/{row.code}/decide/", given)
    decision = decision_of(row)
    assert decision is not None
    assert (decision.outcome, decision.reason) == ("rejected", "Scored 40 of 100 {sic}.")


@pytest.mark.parametrize("words", [AWARD[1][1], "", "  "])
def test_a_reason_with_a_gap_or_none_is_refused_and_kept_on_the_page(programme: Programme, words: str) -> None:
    row = programme.judged()
    officer = browser(programme.officer)
    given = {"outcome": "award", "credits": "120", "months": "3", "resources": ["cpu"], "reason": words}
    answer = officer.post(f"/applications/{row.code}/decide/", given)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert words.strip() in page
    assert ("[say why]" in words) == ("Fill in what stands in brackets first: [say why]" in page)
    row.refresh_from_db()
    assert (row.state, programme.left()) == ("in_review", 1000)


def test_in_the_panel_each_outcome_has_its_own_words(programme: Programme) -> None:
    rows = [programme.judged(score=3), programme.judged(by=programme.rival, score=1)]
    officer = browser(programme.officer)
    page = officer.get("/queue/panel/build/").content.decode()
    assert AWARD[0][1] in page
    assert REJECT[0][1] in page
    given = {"take": [row.code for row in rows], "outcome": "reject", "reason": AWARD[0][1], "reason_reject": REJECT[0][1]}
    officer.post("/queue/panel/build/decide/", given)
    reasons = [decision.reason for row in rows if (decision := decision_of(row))]
    assert [
        words.startswith(f"The reviewers scored your application {n} of 100. Others")
        for words, n in zip(reasons, (60, 20), strict=True)
    ] == [True, True]
    left = programme.judged(title="Third")
    gap = officer.post("/queue/panel/build/decide/", {"take": [left.code], "outcome": "reject", "reason_reject": REJECT[1][1]})
    assert "Fill in what stands in brackets first" in gap.content.decode()
    assert Application.objects.get(pk=left.pk).state == "in_review"


def test_a_return_and_an_answer_to_an_appeal_begin_so_too(programme: Programme) -> None:
    row = programme.judged()
    officer, second = browser(programme.officer), browser(programme.second_officer)
    assert RETURN[0][1] in officer.get(f"/applications/{row.code}/").content.decode()
    answer = officer.post(f"/applications/{row.code}/return/", {"message": RETURN[0][1]})
    assert (answer.status_code, "Fill in what stands in brackets" in answer.content.decode()) == (422, True)
    programme.award(row)
    appeal = appeal_create(application=row, text="Look again.", by=programme.founder, at=programme.now)
    assert APPEAL[0][1] in second.get(f"/appeals/{appeal.pk}/").content.decode()
    assert second.post(f"/appeals/{appeal.pk}/", {"accepted": "yes", "answer": APPEAL[0][1]}).status_code == 422
    appeal.refresh_from_db()
    assert appeal.state == "open"


def test_where_nobody_reviews_no_words_speak_of_reviewers() -> None:
    assert not [words for _, words in AWARD_ALONE + REJECT_ALONE if "reviewer" in words or "{score}" in words]
