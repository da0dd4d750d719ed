"""Messages, history, the letter as PDF, the calendar: what each reader gets, and what is kept from whom."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client

from allocations.awards import services
from allocations.awards.calendar import Entry, calendar_text
from allocations.awards.terms import Terms
from portal.accounts.models import User
from portal.audit.models import Letter
from portal.core.quantities import MICRO
from portal.organisations import facts
from portal.organisations.subsidies import aid_total
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")


def browser(user: User) -> Client:
    """A browser, signed in."""
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    """The page."""
    return answer.content.decode()


def test_the_thread_is_between_the_enterprise_and_the_officers(programme: Programme) -> None:
    row, (mine, _) = programme.in_review()
    programme.judge(mine)
    at = f"/applications/{row.code}/"
    founder, officer, reviewer = (browser(u) for u in (programme.founder, programme.officer, mine.reviewer))
    founder.post(f"{at}message/", {"text": "May we add a partner?"})
    assert "May we add a partner?" in text_of(officer.get("/queue/"))
    assert "1 new" in text_of(officer.get(at))
    assert "1 new" not in text_of(officer.get(at))
    officer.post(f"{at}message/", {"text": "Yes, write to us."})
    officer.post(f"{at}message/", {"text": "By Friday."})
    told = Letter.objects.filter(kind="message", to=programme.founder.email)
    assert [letter.body.count("Yes, write to us.") for letter in told] == [1]  # one mail until it was read
    assert "May we add a partner?" not in text_of(officer.get("/queue/"))
    assert "By Friday." in text_of(founder.get(at))
    assert "By Friday." not in text_of(reviewer.get(at))
    for user, status in ((mine.reviewer, 404), (programme.colleague, 403), (programme.rival, 404)):
        assert browser(user).post(f"{at}message/", {"text": "x"}).status_code == status
    assert founder.post(f"{at}message/", {"text": "  "}).status_code == 422


def test_the_history_names_no_reviewer_to_the_applicant(programme: Programme) -> None:
    row = programme.judged()
    programme.award(row)
    at = f"/applications/{row.code}/history/"
    reviewer, officer = str(programme.reviewers[0]), str(programme.officer)
    seen = text_of(browser(programme.founder).get(at))
    assert "A review came in" in seen
    assert "a reviewer" in seen
    assert reviewer not in seen
    assert officer not in seen
    assert reviewer in text_of(browser(programme.officer).get(at))
    rows = json.loads(browser(programme.founder).get(f"{at}?as=json").content)["history"]
    assert [r["kind"] for r in rows][-1] == "application.awarded"
    assert text_of(browser(programme.founder).get(f"{at}?as=csv")).startswith("at,kind,what,who,facts")
    assert browser(programme.reviewers[0]).get(at).status_code == 404


def test_the_letter_is_a_pdf_that_holds_the_reasons(programme: Programme) -> None:
    pytest.importorskip("weasyprint", exc_type=OSError)
    row = programme.judged()
    services.application_reject(application=row, reason="Steps are missing.", by=programme.officer, at=programme.now)
    answer = browser(programme.founder).get(f"/applications/{row.code}/decision.pdf")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert answer.content.startswith(b"%PDF-")
    assert len(answer.content) > 5_000
    assert browser(programme.rival).get(f"/applications/{row.code}/decision.pdf").status_code == 404
    assert browser(programme.reviewers[0]).get(f"/applications/{row.code}/decision.pdf").status_code == 404


def test_a_calendar_holds_a_persons_own_deadlines(programme: Programme) -> None:
    row, _ = programme.in_review()
    page = text_of(browser(programme.founder).get("/calendar/"))
    assert f"Answer promised on {row.code}" in page
    link = page.split("<code>")[1].split("</code>")[0]
    feed = Client(headers={"host": settings.PORTAL_HOST}).get(link.removeprefix(settings.PORTAL_URL))
    assert feed["Content-Type"].startswith("text/calendar")
    assert "DTSTART;VALUE=DATE:20260316" in text_of(feed)
    assert "Review of" in text_of(browser(programme.reviewers[0]).get("/calendar/"))
    assert row.code not in text_of(browser(programme.rival).get("/calendar/"))
    assert Client(headers={"host": settings.PORTAL_HOST}).get("/calendar/forged.ics").status_code == 404
    programme.founder.is_active, programme.founder.deactivated_at = False, programme.now
    programme.founder.save()
    gone = Client(headers={"host": settings.PORTAL_HOST}).get(link.removeprefix(settings.PORTAL_URL))
    assert gone.status_code == 404


def test_a_calendar_line_is_folded_and_escaped(programme: Programme) -> None:
    long = Entry("k", programme.now.date(), "Ö; " * 60 + "end, really", "/x/")
    text = calendar_text([long], at=programme.now)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert "end\\, really" in text.replace("\r\n ", "")


def test_the_letter_about_aid_is_for_the_enterprise_and_for_officers(programme: Programme) -> None:
    pytest.importorskip("weasyprint", exc_type=OSError)
    at = f"/enterprise/{programme.firm.pk}/aid.pdf"
    for user in (programme.founder, programme.officer):
        answer = browser(user).get(at)
        assert (answer.status_code, answer.content[:5]) == (200, b"%PDF-")
    assert browser(programme.rival).get(at).status_code == 404


def test_one_month_is_one_month(programme: Programme) -> None:
    row = programme.judged(**{"ask-months": 3})
    services.application_award(
        application=row, terms=Terms(30 * MICRO, 1, ["cpu"]), reason="Less.", by=programme.officer, at=programme.now
    )
    page = browser(programme.founder).get(f"/applications/{row.code}/decision/").content.decode()
    assert "400 credits, 3 months" in page
    assert "30 credits, 1 month<" in page


def test_more_aid_than_the_ceiling_is_said_to_be_more(programme: Programme) -> None:
    given = {"granted_on": programme.now.date(), "amount_eur": 400_000, "granted_by": "City"}
    facts.subsidy_add(organisation=programme.firm, by=programme.founder, at=programme.now, **given)
    aid = aid_total(organisation=programme.firm, today=programme.now.date())
    words = render_to_string("awards/subsidy_letter.html", {"organisation": programme.firm, "aid": aid, "today": aid.since})
    assert "That is more than the ceiling of EUR 300,000" in words
    assert "are left" not in words
