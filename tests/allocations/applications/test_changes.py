"""What readers see of a resubmission, and beginning again from an earlier application."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from allocations.applications import drafts, services
from allocations.applications.changes import changes_of, pieces
from allocations.awards import services as awards
from allocations.reviews.reminders import reviews_remind
from portal.audit.models import Letter
from portal.core.errors import NotAllowed, NotYours
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")


@given(st.text(), st.text())
def test_the_pieces_give_both_texts_back(before: str, after: str) -> None:
    found = pieces(before, after)
    assert "".join(text for kind, text in found if kind != "new") == before
    assert "".join(text for kind, text in found if kind != "gone") == after


def test_readers_see_what_a_resubmission_changed(programme: Programme) -> None:
    row = programme.sent()
    assert changes_of(row) is None
    services.application_return(application=row, message="Which users?", by=programme.officer, at=programme.now)
    changed = {"problem": "Fish rot on the way to <b>Kisumu</b>."}
    drafts.draft_save(application=row, changes=changed, base=None, by=programme.founder, at=programme.now)
    services.application_submit(application=row, by=programme.founder, at=programme.now)
    found = changes_of(row)
    assert found is not None
    since, rows = found
    assert since == "since it was sent before"
    assert [change.label for change in rows] == ["Which problem do you solve, and for whom?"]
    officer = Client(headers={"host": settings.PORTAL_HOST})
    officer.force_login(programme.officer)
    page = officer.get(f"/applications/{row.code}/").content.decode()
    assert "<ins>way to &lt;b&gt;Kisumu&lt;/b&gt;.</ins>" in page
    assert "<del>way.</del>" in page


def test_a_rejected_application_is_a_start_for_the_next(programme: Programme) -> None:
    earlier = programme.judged()
    awards.application_reject(application=earlier, reason="No.", by=programme.officer, at=programme.now)
    row = drafts.draft_from(earlier=earlier, by=programme.founder, at=programme.now)
    assert (row.answers, row.requested, row.title) == (earlier.answers, earlier.requested, earlier.title)
    drafts.draft_save(application=row, changes={"title": "Warm chain"}, base=None, by=programme.founder, at=programme.now)
    services.application_submit(application=row, by=programme.founder, at=programme.now)
    found = changes_of(row)
    assert found is not None
    assert (found[0], [change.label for change in found[1]]) == (f"since {earlier.code}", ["A title for your project"])
    with pytest.raises(NotAllowed):
        drafts.draft_from(earlier=earlier, by=programme.colleague, at=programme.now)
    with pytest.raises(NotYours):
        drafts.draft_from(earlier=earlier, by=programme.rival, at=programme.now)


def test_reviewers_are_reminded_twice_and_the_officer_told_once(programme: Programme) -> None:
    _, (mine, other) = programme.in_review()  # due Monday 9 March
    programme.judge(other)
    told: list[list[str]] = []
    for _ in range(11):
        for _ in range(2):
            reviews_remind(at=programme.now)
        told.append(list(Letter.objects.filter(kind__in=["review.reminder", "review.late"]).values_list("to", flat=True)))
        programme.later(days=1)
    mail, officer = mine.reviewer.email, programme.officer.email
    assert told[2] == []
    assert told[3] == [mail]  # Thursday: two working days before
    assert told[6] == [mail]
    assert told[7] == [mail, mail]  # the day itself
    assert told[8:] == [[mail, mail, officer]] * 3
