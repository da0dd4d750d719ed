"""The pool of reviewers: who knows what, who is full or away, whom an officer is shown first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client

from allocations.reviews import pool, services
from allocations.reviews.models import Review, ReviewerProfile
from portal.accounts.models import User
from portal.core.errors import Malformed, NotAllowed, Refusal
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")


def keep(programme: Programme, person: User, **changes: Any) -> ReviewerProfile:
    values: dict[str, Any] = {"sectors": [], "words": "", "load_max": 5, "away_until": None, **changes}
    return pool.profile_save(by=person, at=programme.now, **values)


def test_who_knows_the_sector_comes_first_then_who_has_least_to_do_and_the_full_last(programme: Programme) -> None:
    programme.firm.sector = "A"
    programme.firm.save()
    first, second = programme.reviewers
    row = programme.sent()
    today = programme.now.date()
    keep(programme, second, sectors=["A", "K"], words="fish")
    found = pool.candidates(row, today=today)
    assert [one.person for one in found] == [second, first]
    assert found[0].label == f"{second} · 0 of 5 waiting · knows this sector · fish"
    keep(programme, second, sectors=["A"], load_max=0)
    found = pool.candidates(row, today=today)
    assert ([one.person for one in found], found[1].full) == ([first, second], True)


def test_nobody_is_given_more_than_they_take_or_while_away(programme: Programme) -> None:
    person = programme.reviewers[0]
    keep(programme, person, load_max=1)
    one, two = programme.sent(), programme.sent(by=programme.rival)

    def ask(row: Any) -> None:
        services.reviewers_assign(application=row, reviewers=[person], by=programme.officer, at=programme.now)

    ask(one)
    with pytest.raises(Refusal, match="takes at most 1") as refused:
        ask(two)
    assert refused.value.code == "reviewer_full"
    two.refresh_from_db()
    assert (two.state, Review.objects.filter(application=two).count()) == ("submitted", 0)
    programme.judge(Review.objects.get(application=one))
    ask(two)  # room again
    keep(programme, person, load_max=5, away_until=programme.now.date() + timedelta(days=3))
    third = programme.sent()
    with pytest.raises(Refusal, check=lambda refused: refused.code == "reviewer_away"):
        ask(third)
    programme.later(days=4)
    ask(third)


def test_only_reviewers_have_a_profile_and_wrong_ones_are_refused(programme: Programme) -> None:
    with pytest.raises(NotAllowed):
        keep(programme, programme.founder)
    with pytest.raises(Malformed) as refused:
        keep(programme, programme.reviewers[0], sectors=["Ω"])
    assert refused.value.facts["field"] == "sectors"
    with pytest.raises(Malformed):
        keep(programme, programme.reviewers[0], load_max=51)
    assert not ReviewerProfile.objects.exists()
    with pytest.raises(IntegrityError, match="reviews_a_load_is_between"), transaction.atomic():
        ReviewerProfile.objects.create(user=programme.reviewers[0], load_max=51, changed_at=programme.now)


def test_the_page_keeps_it(programme: Programme) -> None:
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(programme.reviewers[0])
    assert client.get("/reviews/profile/").status_code == 200
    wrong = client.post("/reviews/profile/", {"load_max": "lots", "sectors": ["A"]})
    assert wrong.status_code == 422
    for _ in range(2):
        assert client.post("/reviews/profile/", {"load_max": "3", "sectors": ["A", "K"]}).status_code == 302
    kept = ReviewerProfile.objects.get()
    assert (kept.load_max, kept.sectors) == (3, ["A", "K"])
    client.force_login(programme.founder)
    assert client.get("/reviews/profile/").status_code == 403
