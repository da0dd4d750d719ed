"""Talking: who has something to read, by when an enterprise is answered, and who is reminded of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from allocations.applications.messages import questions_remind
from allocations.applications.models import Application
from allocations.awards.selectors import questions
from portal.accounts.models import Role, User
from portal.audit.models import Letter
from portal.organisations.models import OrgRole
from portal.threads.models import Thread
from tests.support import portal
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")
NEW = "New message"


def browser(user: User) -> Client:
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def say(by: User, row: Application, text: str = "May we add a partner?") -> None:
    assert browser(by).post(f"/applications/{row.code}/message/", {"text": text}).status_code == 302


def page(by: User, path: str) -> str:
    return browser(by).get(path).content.decode()


def due(programme: Programme, by: User | None = None) -> list[tuple[str, date]]:
    return [(one.code, one.due_on) for one in questions(user=by or programme.officer)]


def reminded() -> list[str]:
    return sorted(Letter.objects.filter(kind="message.due").values_list("to", flat=True))


def test_an_enterprise_that_asks_is_told_by_when_and_so_is_the_officer(programme: Programme) -> None:
    row = programme.sent()
    say(programme.founder, row)  # Monday 2 March; three working days on
    assert due(programme) == [(row.code, date(2026, 3, 5))]
    assert "You will be answered by 5 March 2026" in page(programme.founder, f"/applications/{row.code}/")
    assert "Answer by 5 March 2026" in page(programme.officer, f"/applications/{row.code}/")
    programme.later(days=1)
    say(programme.founder, row, "And a second one?")
    assert due(programme) == [(row.code, date(2026, 3, 5))]  # asking again does not move the day
    say(programme.officer, row, "Yes, both.")
    assert due(programme) == []
    assert "answered by" not in page(programme.founder, f"/applications/{row.code}/")
    say(programme.founder, row, "Thank you. One more …")
    assert due(programme) == [(row.code, date(2026, 3, 6))]


def test_holidays_of_the_call_do_not_count(programme: Programme) -> None:
    row = programme.sent()
    programme.later(days=31)  # Thursday 2 April 2026; Easter Monday is a holiday in Belgium
    say(programme.founder, row)
    assert due(programme) == [(row.code, date(2026, 4, 8))]


def test_the_officers_home_shows_the_soonest_first_and_what_is_late(programme: Programme) -> None:
    first, second = programme.sent(), programme.sent(by=programme.rival)
    say(programme.founder, first)
    programme.later(days=2)
    say(programme.rival, second)
    assert [code for code, _ in due(programme)] == [first.code, second.code]
    programme.later(days=2)  # Friday: the first was due on Thursday
    home = page(programme.officer, "/")
    assert "Questions that wait" in home
    assert "1 past the day it was to be answered" in home
    assert home.index(first.code) < home.index(second.code)
    assert "answer by 5 Mar: late" in home
    assert "Questions that wait" not in page(programme.founder, "/")
    feed = page(programme.officer, "/calendar/")
    assert f"Answer the question on {first.code}" in feed


def test_an_officer_answers_none_of_their_own_enterprise(programme: Programme) -> None:
    row = programme.sent()
    say(programme.founder, row)
    inside = portal.person("inside", Role.OFFICER, at=programme.now)
    portal.member(programme.firm, inside, OrgRole.MEMBER, at=programme.now)
    assert due(programme, inside) == []
    programme.later(days=3)
    questions_remind(at=programme.now)
    assert inside.email not in reminded()


def test_officers_are_reminded_once_on_the_day(programme: Programme) -> None:
    row = programme.sent()
    say(programme.founder, row)
    programme.later(days=2)
    questions_remind(at=programme.now)
    assert reminded() == []
    programme.later(days=1)
    for _ in range(2):
        questions_remind(at=programme.now)
    assert reminded() == sorted([programme.officer.email, programme.second_officer.email])
    Letter.objects.all().delete()
    say(programme.officer, row, "Yes.")
    say(programme.founder, row, "And this?")
    programme.later(days=7)
    questions_remind(at=programme.now)
    assert reminded() == [programme.officer.email]  # who wrote last goes on


def test_unread_marks_stand_in_lists_until_it_was_read(programme: Programme) -> None:
    row, other = programme.sent(), programme.sent()
    say(programme.officer, row, "Which boats?")
    for path in ("/", "/applications/"):
        assert page(programme.founder, path).count(NEW) == 1
    assert page(programme.colleague, "/applications/").count(NEW) == 1  # each reads for themselves
    assert NEW not in page(programme.officer, "/queue/")  # one's own words are read
    assert page(programme.second_officer, "/queue/").count(NEW) == 1
    page(programme.founder, f"/applications/{other.code}/")
    assert NEW in page(programme.founder, "/applications/")
    assert "1 new" in page(programme.founder, f"/applications/{row.code}/")
    assert NEW not in page(programme.founder, "/applications/")
    assert "1 new" not in page(programme.founder, f"/applications/{row.code}/")


def test_a_thread_of_an_allocation_waits_too(programme: Programme) -> None:
    row = programme.judged()
    programme.award(row)
    row.refresh_from_db()
    code = row.allocation.code  # type: ignore[union-attr]
    client = browser(programme.founder)
    assert client.post(f"/allocations/{code}/message/", {"text": "May we use a GPU?"}).status_code == 302
    assert due(programme) == [(code, date(2026, 3, 5))]
    browser(programme.officer).post(f"/allocations/{code}/message/", {"text": "Yes."})
    assert due(programme) == []
    assert NEW in page(programme.founder, "/allocations/")


def test_lists_ask_the_same_however_much_is_said(programme: Programme) -> None:
    rows = [programme.sent(by=by) for by in (programme.founder, programme.rival)]
    say(programme.founder, rows[0])

    def asked(path: str) -> int:
        client = browser(programme.officer)
        with CaptureQueriesContext(connection) as found:
            assert client.get(path).status_code == 200
        return len(found)

    before = [asked("/queue/"), asked("/")]
    for row, by in zip(rows, (programme.founder, programme.rival), strict=True):
        for number in range(3):
            say(by, row, f"Question {number}")
    assert [asked("/queue/"), asked("/")] == before


def test_the_database_keeps_a_day_for_what_waits(programme: Programme) -> None:
    with pytest.raises(IntegrityError, match="threads_what_waits_has_a_day"), transaction.atomic():
        Thread.objects.create(about="application:P-1", due_on=programme.now.date())


def test_a_message_that_is_none_is_refused_and_nobody_waits(programme: Programme) -> None:
    row = programme.sent()
    client: Any = browser(programme.founder)
    for text in ("", " \n", "\x00", "x" * 10_001):
        assert client.post(f"/applications/{row.code}/message/", {"text": text}).status_code == 422
    assert due(programme) == []
