"""A text that is refused comes back whole, ready to be shortened and sent again; none is ever cut."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from allocations.awards import appeals
from allocations.awards.models import Appeal
from allocations.reports.models import Report
from portal.accounts.models import User
from portal.threads.models import Message
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")
LONG = "Words & <signs> of a person who meant every one of them.\nAnd a second line. " * 500  # 39,000 characters
SHORT = "Words & <signs> that fit."


def browser(user: User) -> Any:
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def places(programme: Programme) -> list[tuple[User, str, dict[str, str], str]]:
    """Who, where, with what, and the field that takes the text: one of each form for longer texts."""
    officer, second, founder = programme.officer, programme.second_officer, programme.founder
    sent, judged, (review, other) = programme.sent(), programme.judged(credits=100), programme.in_review(credits=100)[1]
    awarded = programme.judged(credits=100)
    allocation = programme.award(awarded, credits=50).allocation
    appealed = programme.judged(credits=100)
    programme.award(appealed, credits=50)
    appeal = appeals.appeal_create(application=appealed, text="Look.", by=founder, at=programme.now)
    held = judged.reviews.first()  # type: ignore[attr-defined]
    assert allocation is not None
    report = Report.objects.get(allocation=allocation)
    answers = {"done": "Sorted.", "learned": "Much.", "outputs": ""}
    return [
        (founder, f"/applications/{sent.code}/message/", {}, "text"),
        (officer, f"/applications/{sent.code}/message/", {}, "text"),
        (founder, f"/allocations/{allocation.code}/message/", {}, "text"),
        (officer, f"/applications/{sent.code}/return/", {}, "message"),
        (founder, f"/applications/{awarded.code}/appeal/", {}, "text"),
        (second, f"/appeals/{appeal.pk}/", {"accepted": "no"}, "answer"),
        (founder, f"/reports/{report.pk}/", answers, "learned"),
        (founder, f"/reports/{report.pk}/", answers, "outputs"),
        (review.reviewer, f"/reviews/{review.pk}/declare/", {"has_conflict": "yes", "kind": "family"}, "note"),
        (other.reviewer, f"/reviews/{other.pk}/decline/", {}, "note"),
        (officer, f"/reviews/{held.pk}/reopen/", {}, "reason"),
        (officer, f"/applications/{judged.code}/decide/", {"outcome": "reject"}, "reason_reject"),
        (officer, f"/applications/{judged.code}/decide/", {"outcome": "award", "credits": "50"}, "reason"),
        (officer, "/queue/panel/build/decide/", {"take": judged.code, "outcome": "reject"}, "reason_reject"),
        (officer, f"/applications/{awarded.code}/embargo/", {"until": "2027-01-01"}, "reason"),
        (founder, f"/allocations/{allocation.code}/change/ask/", {"wish": "credits"}, "message"),
        (officer, f"/allocations/{allocation.code}/change/suspend/", {}, "reason"),
    ]


def test_a_text_that_is_too_long_stays_in_sight_and_nothing_of_it_is_kept_elsewhere(programme: Programme) -> None:
    for user, address, given, field in places(programme):
        answer = browser(user).post(address, {**given, field: LONG})
        assert answer.status_code == 422, (address, answer.status_code)
        texts = re.findall(r"<textarea[^>]*>\n?(.*?)</textarea>", answer.content.decode(), re.DOTALL)
        assert LONG.strip() in [html.unescape(text).replace("\r\n", "\n").strip() for text in texts], address
    assert (Message.objects.count(), Appeal.objects.count()) == (0, 1)
    assert not Report.objects.exclude(handed_in_at=None).exists()


def test_what_comes_back_is_sent_again_from_where_it_came_back(programme: Programme) -> None:
    row = programme.sent()
    client = browser(programme.founder)
    page = client.post(f"/applications/{row.code}/message/", {"text": LONG, "other": "kept"}).content.decode()
    form = page[page.index('<form method="post" action="/applications') :]
    assert 'name="csrfmiddlewaretoken"' in form
    assert '<input type="hidden" name="other" value="kept">' in form
    action = re.findall(r'action="([^"]+)"', form)[0]
    assert client.post(action, {"text": SHORT, "other": "kept"}).status_code == 302
    assert Message.objects.get().text == SHORT


def test_an_appeal_that_comes_too_late_comes_back_too(programme: Programme) -> None:
    """Whatever the refusal: too late, no right to write, somebody was faster."""
    row = programme.judged()
    programme.award(row)
    programme.later(days=40)
    for person, status in ((programme.founder, 409), (programme.colleague, 403)):
        answer = browser(person).post(f"/applications/{row.code}/appeal/", {"text": SHORT})
        assert (answer.status_code, html.escape(SHORT) in answer.content.decode()) == (status, True)
    assert not Appeal.objects.exists()


def test_passwords_never_come_back(programme: Programme) -> None:
    address = f"/applications/{programme.sent().code}/message/"
    page = browser(programme.founder).post(address, {"text": LONG, "password": "two words"}).content.decode()
    assert ("two words" in page, "<textarea" in page) == (False, False)


def test_a_report_that_a_colleague_handed_in_meanwhile_gives_the_words_back(programme: Programme) -> None:
    programme.award(programme.judged())
    report = Report.objects.get()
    client, answers = browser(programme.founder), {"done": "We sorted maize.", "learned": "Light matters a lot.", "outputs": ""}
    assert client.post(f"/reports/{report.pk}/", answers).status_code == 302
    assert client.post(f"/reports/{report.pk}/", answers).status_code == 302  # a second press
    other = client.post(f"/reports/{report.pk}/", {**answers, "learned": "Quite another thing."})
    assert (other.status_code, "Quite another thing.</textarea>" in other.content.decode()) == (409, True)
    report.refresh_from_db()
    assert report.answers["learned"] == "Light matters a lot."
