"""Reports: owed since the award, filled in, reminded of, and in the way of new applications while they are late."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from allocations.applications.models import Application
from allocations.datasets.models import Access, Dataset
from allocations.datasets.states import A
from allocations.ledger import services as ledger
from allocations.projects import services as projects
from allocations.reports import services
from allocations.reports.models import Report
from allocations.reports.selectors import report_get_for_user
from allocations.reports.states import S
from portal.accounts.models import User
from portal.audit.models import Letter
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.core.quantities import MICRO
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")
ANSWERS = {"done": "Sorted maize.", "learned": "Light matters.", "outputs": "https://example.org"}


def owed(programme: Programme) -> Report:
    """The final report of an award, of which 30 credits were used."""
    decision = programme.award(programme.judged(), credits=100)
    allocation = decision.allocation
    assert allocation is not None
    hold = {"allocation": allocation.account, "amount": 30 * MICRO, "resource": "cpu", "subject": "s", "expires_at": None}
    ledger.hold(id="hold-1", at=programme.now, **hold)  # type: ignore[arg-type]
    ledger.post(id="post-1", hold="hold-1", amount=30 * MICRO, provider="provider:here", at=programme.now)
    return Report.objects.select_related("allocation__organisation").get(allocation=allocation)


def test_an_award_owes_a_report_that_is_mostly_filled_in(programme: Programme) -> None:
    report = owed(programme)
    assert report.due_on == report.allocation.ends_on + timedelta(days=60)
    services.report_hand_in(report=report, answers=ANSWERS, by=programme.founder, at=programme.now)
    assert (report.state, report.facts["credits_used"], report.facts["used_percent"]) == (S.HANDED_IN, "30", 30)
    with pytest.raises(Refusal, check=lambda r: r.code == "move_not_allowed"):
        services.report_hand_in(report=report, answers=ANSWERS, by=programme.founder, at=programme.now)
    services.report_answer(report=report, accepted=True, answer="", by=programme.officer, at=programme.now)
    assert report.state == S.ACCEPTED


def test_who_writes_reads_and_answers_a_report(programme: Programme) -> None:
    report = owed(programme)
    with pytest.raises(NotAllowed):
        services.report_hand_in(report=report, answers=ANSWERS, by=programme.colleague, at=programme.now)
    with pytest.raises(NotYours):
        report_get_for_user(user=programme.rival, pk=report.pk)
    with pytest.raises(Malformed):
        services.report_hand_in(report=report, answers={**ANSWERS, "done": " "}, by=programme.founder, at=programme.now)
    services.report_hand_in(report=report, answers=ANSWERS, by=programme.founder, at=programme.now)
    for person in (programme.founder, programme.reviewers[0]):
        with pytest.raises(NotAllowed):
            services.report_answer(report=report, accepted=True, answer="", by=person, at=programme.now)
    with pytest.raises(Malformed):
        services.report_answer(report=report, accepted=False, answer="", by=programme.officer, at=programme.now)


def test_a_late_report_keeps_the_enterprise_from_applying_until_it_is_in(programme: Programme) -> None:
    report = owed(programme)
    programme.draft("starter")
    programme.now = programme.now + (report.due_on - programme.now.date()) + timedelta(days=1)
    with pytest.raises(Refusal, check=lambda r: r.code == "report_overdue"):
        programme.draft("starter")
    programme.draft("starter", by=programme.rival)
    services.report_hand_in(report=report, answers=ANSWERS, by=programme.founder, at=programme.now)
    assert programme.draft("starter").state == "draft"


def test_the_due_day_follows_an_extension_and_an_early_end(programme: Programme) -> None:
    report = owed(programme)
    allocation = report.allocation
    longer = allocation.ends_on + timedelta(days=30)
    projects.allocation_extend(
        allocation=allocation, ends_on=longer, reason="More time.", by=programme.officer, at=programme.now
    )
    services.reports_by_date(at=programme.now)
    report.refresh_from_db()
    assert report.due_on == longer + timedelta(days=60)
    projects.allocation_end(allocation=allocation, reason="Done early.", by=programme.officer, at=programme.later(days=10))
    services.reports_by_date(at=programme.now)
    report.refresh_from_db()
    assert report.due_on == programme.now.date() + timedelta(days=60)


def test_three_reminders_and_no_more(programme: Programme) -> None:
    report = owed(programme)
    day = report.due_on
    for distance, letters in ((-15, 0), (-14, 1), (-13, 1), (0, 2), (13, 2), (14, 3), (40, 3)):
        at = programme.now.replace(year=day.year, month=day.month, day=day.day) + timedelta(days=distance)
        services.reports_by_date(at=at)
        services.reports_by_date(at=at)
        assert Letter.objects.filter(kind="report").count() == letters, distance


def test_the_pages_of_a_report(programme: Programme) -> None:
    report = owed(programme)
    at = f"/reports/{report.pk}/"

    def browser(user: User) -> Client:
        client = Client(headers={"host": settings.PORTAL_HOST})
        client.force_login(user)
        return client

    founder = browser(programme.founder)
    assert "Credits used" in founder.get(at).content.decode()
    saved = founder.post(f"{at}save/", {"version": "0", "done": "Half"})
    assert saved["X-Version"] == "1"
    assert founder.post(f"{at}save/", {"version": "0", "done": "Other"}).status_code == 409
    assert "Half" in founder.get(at).content.decode()
    assert founder.post(at, {"done": "Whole"}).status_code == 422
    for _ in range(2):
        assert founder.post(at, ANSWERS).status_code == 302
    officer = browser(programme.officer)
    assert "Sorted maize." in officer.get(at).content.decode()
    officer.post(f"{at}answer/", {"return": "1", "answer": "Which light?"})
    assert "Which light?" in founder.get(at).content.decode()
    assert browser(programme.rival).get(at).status_code == 404
    assert browser(programme.reviewers[0]).get(at).status_code == 404
    assert Application.objects.count() == 1


def test_data_and_what_was_told_before_are_filled_in(programme: Programme) -> None:
    """Datasets granted and published, what others can see by the earlier report, and credits without what was refunded."""
    report = owed(programme)
    ledger.adjust(id="back-1", corrects="post-1", amount=10 * MICRO, reason="an outage", by="person:1", at=programme.now)
    allocation, now = report.allocation, programme.now
    said = {"access_class": "registered", "commercial_use": True, "steward": programme.steward, "created_at": now}
    wanted = [Dataset.objects.create(slug=slug, title=slug.title(), **said) for slug in ("boats", "tides", "winds")]
    until = {"granted_until": allocation.ends_on, "asked_at": now}
    Access.objects.create(allocation=allocation, dataset=wanted[0], state=A.GRANTED, **until)
    Access.objects.create(allocation=allocation, dataset=wanted[1], state=A.EXPIRED, **until)
    Access.objects.create(allocation=allocation, dataset=wanted[2], state=A.AWAITING_TERMS, asked_at=now)
    for title, at in (("Fish", now), ("Old fish", now - timedelta(days=9))):
        made = {**said, "published_at": at, "organisation": allocation.organisation}
        Dataset.objects.create(slug=title.lower().replace(" ", "-"), title=title, **made)
    services.report_hand_in(report=report, answers=ANSWERS, by=programme.founder, at=now)
    assert (report.facts["datasets"], report.facts["published"], report.facts["credits_used"]) == ("Boats, Tides", "Fish", "20")
    later = Report.objects.create(allocation=allocation, kind="midterm", days=1, due_on=report.due_on)
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(programme.founder)
    page = client.get(f"/reports/{later.pk}/").content.decode()
    assert all(
        words in page for words in ("Boats, Tides", "Datasets your enterprise published", f"{ANSWERS['outputs']}</textarea>")
    )
