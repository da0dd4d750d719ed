"""Bad input: each field is given what it was not made for. Clear words, nothing lost, nothing changed, no error of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from allocations.applications.models import Application
from allocations.calls.answers import LONG_TEXT_MAX
from portal.accounts.models import User
from portal.api.tokens import token_create
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")
HOSTILE: list[Any] = [
    "\x00",
    "a\x00b",
    "<script>alert(1)</script>",
    "'; DROP TABLE applications_application; --",
    "\u202egnirts\u202c \U0001f4a9 ﷽",
    "9" * 400,
    "-1",
    "1e999",
    "NaN",
    "0x10",
    " ",
    "x" * (LONG_TEXT_MAX + 1),
]
FIELDS = ("title", "problem", "plan", "stage", "compute_why", "personal_data", "personal_data_how", "civil_use")
ASKED = ("ask-credits", "ask-months", "ask-resources", "ask-datasets")


def browser(user: User) -> Client:
    """A browser, signed in, that shows errors of ours as such."""
    client = Client(headers={"host": settings.PORTAL_HOST}, raise_request_exception=True)
    client.force_login(user)
    return client


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[:12]))
def test_each_field_of_the_wizard_takes_or_names_it(programme: Programme, hostile: str) -> None:
    row = programme.draft()
    client, at = browser(programme.founder), f"/applications/{row.code}"
    for step, names in ((1, FIELDS[:4]), (2, FIELDS[4:]), (3, ASKED)):
        for path in (f"{at}/edit/{step}/", f"{at}/edit/{step}/save/"):
            row.refresh_from_db()
            answer = client.post(path, {"version": row.revision, **dict.fromkeys(names, hostile)})
            assert answer.status_code in (200, 302, 409, 422), (path, answer.status_code)
            assert b"<script>alert(1)" not in answer.content
    row.refresh_from_db()
    assert row.state == "draft"
    assert "\x00" not in json.dumps(row.answers)
    assert client.get(f"{at}/check/").status_code == 200
    assert client.post(f"{at}/submit/").status_code == 302
    row.refresh_from_db()
    assert row.state == "draft"  # never complete with such answers


@pytest.mark.parametrize(
    "body",
    [
        {"answers": []},
        {"answers": {"plan": {"deep": ["x"] * 3}}},
        {"answers": {"plan": 5}},
        {"answers": {"personal_data": "perhaps"}},
        {"requested": {"credits": 1.5}},
        {"requested": {"credits": "-3"}},
        {"requested": {"credits": "1e400"}},
        {"requested": {"months": "three"}},
        {"requested": {"resources": "cpu"}},
        {"requested": {"resources": ["cpu", "cpu; rm -rf"]}},
        {"title": "x" * 200},
        {"title": "a\x00b"},
        {"revision": "seven"},
    ],
    ids=lambda body: json.dumps(body)[:40],
)
def test_each_body_of_the_api_is_refused_and_changes_nothing(programme: Programme, body: Any) -> None:
    row = programme.draft()
    before = (row.revision, dict(row.answers), row.requested_credits)
    token = token_create(user=programme.founder, name="t", at=programme.now)
    answer = Client(headers={"host": settings.PORTAL_HOST}).patch(
        f"/api/v1/applications/{row.code}",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 422, answer.content
    assert json.loads(answer.content)["code"] == "malformed"
    row.refresh_from_db()
    assert (row.revision, row.answers, row.requested_credits) == before


def test_addresses_and_searches_with_impossible_characters(programme: Programme) -> None:
    officer = browser(programme.officer)
    for path in ("/queue/?q=%00", "/awards/?q=%00", "/applications/%00/", "/calls/?x=%00", "/api/v1/applications/%00"):
        assert officer.get(path).status_code in (401, 404, 422), path
    for path in (
        "/queue/?page=x&state=nowhere&call='",
        "/queue/panel/build/?score=9e9&sort=x&country=ZZZ&page=-4",
        "/awards/?page=zz",
    ):
        assert officer.get(path).status_code == 200, path
    assert officer.post("/queue/panel/build/decide/", {"take": ["P-0"], "outcome": "award"}).status_code == 422
    assert not Application.objects.exists()


def test_a_stale_tab_of_the_officer_changes_nothing(programme: Programme) -> None:
    row = programme.judged()
    officer, second = browser(programme.officer), browser(programme.second_officer)
    given = {"outcome": "award", "credits": "300", "months": "3", "resources": ["cpu"], "reason": "Sound."}
    officer.post(f"/applications/{row.code}/return/", {"message": "Say more."})
    stale = second.post(f"/applications/{row.code}/decide/", given)
    assert stale.status_code == 422
    assert "cannot become decided" in stale.content.decode()
    assert "Sound." in stale.content.decode()  # what was written is kept on the page
    assert programme.left() == 1000
