"""Two people write one page at once: nobody's words are lost, and only what both changed is a conflict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from allocations.applications import drafts
from allocations.applications.merging import marks_of, marks_read
from allocations.applications.models import Application
from portal.accounts.models import User
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")


def browser(user: User) -> Client:
    """A browser, signed in."""
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def test_a_page_leaves_alone_what_its_writer_did_not_change(programme: Programme) -> None:
    row = programme.draft()
    before = {"problem": row.answers["problem"], "plan": row.answers["plan"]}
    shown = marks_of(row, before)
    one, two = Application.objects.get(pk=row.pk), Application.objects.get(pk=row.pk)
    facts: dict[str, Any] = {"base": row.revision, "by": programme.founder, "at": programme.now, "shown": shown}
    assert drafts.draft_save(application=one, changes={**before, "problem": "Mine"}, **facts) == {}
    assert drafts.draft_save(application=two, changes={**before, "plan": "Theirs"}, **facts) == {}
    row.refresh_from_db()
    assert (row.answers["problem"], row.answers["plan"]) == ("Mine", "Theirs")
    assert drafts.draft_save(application=two, changes={**before, "problem": "Both"}, **facts) == {"problem": "Mine"}


def test_a_writer_who_goes_back_to_the_first_words_has_them_kept(programme: Programme) -> None:
    row = programme.draft()
    first, founder = row.answers["plan"], browser(programme.founder)
    shown = json.dumps(marks_of(row, ["plan"]))
    path = f"/applications/{row.code}/edit/1/save/"
    for words in ("Something else.", first):
        answer = founder.post(path, {"version": "0", "shown": shown, "plan": words})
        shown = answer["X-Shown"]
    row.refresh_from_db()
    assert row.answers["plan"] == first


def test_after_a_conflict_the_page_writes_over_what_it_showed_and_over_nothing_else(programme: Programme) -> None:
    row = programme.draft()
    founder, path = browser(programme.founder), f"/applications/{row.code}/edit/1/"
    base = {"version": str(row.revision), "shown": json.dumps(marks_of(row, ["title", "problem", "plan", "stage"]))}
    page = {"title": row.title, **{key: row.answers[key] for key in ("problem", "plan", "stage")}}
    others = {"plan": "Theirs", "problem": "Theirs too"}
    drafts.draft_save(application=row, changes=others, base=None, by=programme.founder, at=programme.now)
    seen = founder.post(path, {**base, **page, "plan": "Mine"})
    assert (seen.status_code, "Theirs" in seen.content.decode()) == (409, True)
    row.refresh_from_db()
    assert row.answers["plan"] == "Theirs"
    again = founder.post(path, {**page, "plan": "Both", "shown": seen.context["shown"], "version": str(row.revision)})
    row.refresh_from_db()
    assert (again.status_code, row.answers["plan"], row.answers["problem"]) == (302, "Both", "Theirs too")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"plan": {"a": 1}}', '"x"'])
def test_marks_that_are_no_marks_lose_nothing(programme: Programme, text: str) -> None:
    assert all(isinstance(mark, str) for mark in marks_read(text).values())
    row = programme.draft()
    path = f"/applications/{row.code}/edit/1/save/"
    sent = {"version": str(row.revision), "shown": text, "plan": "Written anyway."}
    assert browser(programme.founder).post(path, sent).status_code in (200, 409)
