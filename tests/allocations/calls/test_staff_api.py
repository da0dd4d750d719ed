"""Programs of programme staff begin, edit, publish and pause calls: what is refused on the pages is refused here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from allocations.calls.models import Call, CallDraft, CallVersion
from portal.accounts.models import User
from portal.api.root import api
from portal.api.tokens import token_create
from portal.audit.models import Event
from tests.support.programme import Programme, document

pytestmark = pytest.mark.django_db(databases="__all__")


class Caller:
    """A program with somebody's token."""

    def __init__(self, user: User, programme: Programme) -> None:
        self.token = token_create(user=user, name="test", at=programme.now)

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = Client(headers={"host": settings.PORTAL_HOST}).generic(
            method,
            f"/api/v1{path}",
            json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        return answer.status_code, json.loads(answer.content) if answer.content else None


@pytest.fixture
def staff(programme: Programme) -> Caller:
    return Caller(programme.officer, programme)


def test_from_an_empty_call_to_rules_in_force(programme: Programme, staff: Caller) -> None:
    status, row = staff("POST", "/calls", {"slug": "papers"})
    assert (status, row["intake"], row["version"]) == (201, "Begun", None)
    assert {"title", "amounts"} <= {one["path"] for one in row["problems"]}
    status, refused = staff("POST", "/calls/papers/publish", {"reason": "First.", "revision": 0})
    assert (status, refused["code"]) == (422, "call_malformed")
    status, row = staff("PUT", "/calls/papers/draft", {"document": document("build", title="Papers"), "revision": 0})
    assert (status, row["revision"], row["problems"]) == (200, 1, [])
    place = {"content": {"number_max": "9"}, "number": 99, "revision": 1}
    assert staff("PUT", "/calls/papers/draft/form", place)[1]["code"] == "changed_meanwhile"
    topup = {"content": {"credits_max": "50", "times_max": 2, "decided_by": "rule"}, "revision": 1}
    status, row = staff("PUT", "/calls/papers/draft/duties-topup", topup)
    assert (status, row["document"]["duties"]["topup"]["times_max"]) == (200, 2)
    assert staff("POST", "/calls/papers/publish", {"reason": " ", "revision": 2})[0] == 422
    status, made = staff("POST", "/calls/papers/publish", {"reason": "First.", "revision": 2})
    assert (status, made["version"]) == (201, 1)
    assert staff("GET", "/calls/papers")[1]["document"]["duties"]["topup"]["decided_by"] == "rule"
    assert staff("POST", "/calls/papers/publish", {"reason": "Again.", "revision": 2})[0] == 404  # no working copy any more


def test_an_open_calls_rules_are_frozen_until_it_is_paused(programme: Programme, staff: Caller) -> None:
    _, row = staff("GET", "/calls/build/draft")
    changed = {**row["document"], "promise_working_days": 3}
    _, row = staff("PUT", "/calls/build/draft", {"document": changed, "revision": row["revision"]})
    assert (row["frozen"], row["changes"][0]["path"]) == (["promise_working_days"], "promise_working_days")
    asked = {"reason": "Faster.", "revision": row["revision"]}
    assert staff("POST", "/calls/build/publish", asked)[1]["code"] == "rules_frozen"
    assert staff("POST", "/calls/build/pause", {"reason": ""})[0] == 422
    status, state = staff("POST", "/calls/build/pause", {"reason": "New rules come."})
    assert (status, state["open"], state["intake"]) == (200, False, "Paused: New rules come.")
    assert staff("POST", "/calls/build/publish", asked)[0] == 201
    assert staff("POST", "/calls/build/resume")[1]["open"] is True


def test_a_stale_copy_overwrites_nothing(programme: Programme, staff: Caller) -> None:
    _, row = staff("GET", "/calls/build/draft")
    first, second = ({**row["document"], "title": title} for title in ("First", "Second"))
    assert staff("PUT", "/calls/build/draft", {"document": first, "revision": row["revision"]})[0] == 200
    status, refused = staff("PUT", "/calls/build/draft", {"document": second, "revision": row["revision"]})
    assert (status, refused["code"]) == (409, "changed_meanwhile")
    assert CallDraft.objects.get().document["title"] == "First"


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": 5},
        {"form": "many"},
        {"form": [5]},
        {"eligibility": [{"why": "No kind."}]},
        {"eligibility": [{"kind": "weather", "why": "x"}]},
        {"amounts": []},
        {"colour": "blue"},
        {"duties": {"topup": 5}},
        {"sources": {"a": 1}},
    ],
)
def test_what_no_form_could_show_is_refused_and_the_editor_stays_whole(
    programme: Programme, staff: Caller, wrong: dict[str, Any]
) -> None:
    _, row = staff("GET", "/calls/build/draft")
    sent = {"document": {**row["document"], **wrong}, "revision": row["revision"]}
    status, refused = staff("PUT", "/calls/build/draft", sent)
    assert (status, refused["code"]) == (422, "call_malformed")
    assert next(iter(wrong)) in refused["field"]
    assert staff("POST", "/calls", {"slug": "new", "document": wrong})[0] == 422
    page = Client(headers={"host": settings.PORTAL_HOST})
    page.force_login(programme.officer)
    assert page.get("/calls/build/edit/").status_code == 200
    assert not Call.objects.filter(slug="new").exists()


def test_unfinished_documents_are_kept_and_shown_by_the_editor(programme: Programme, staff: Caller) -> None:
    unfinished = {"title": "", "form": [], "amounts": {"credits_min": "many"}, "eligibility": [{"kind": "country"}]}
    status, row = staff("POST", "/calls", {"slug": "later", "document": unfinished})
    assert (status, row["document"]["amounts"]) == (201, {"credits_min": "many"})
    page = Client(headers={"host": settings.PORTAL_HOST})
    page.force_login(programme.officer)
    for path in ("", "part/amounts/", "part/eligibility/0/", "part/about/"):
        assert page.get(f"/calls/later/edit/{path}").status_code == 200
    assert staff("DELETE", "/calls/later/draft")[0] == 204
    assert not Call.objects.filter(slug="later").exists()


def test_presets_begin_a_call_on_a_pool_and_machines(programme: Programme, staff: Caller) -> None:
    names = [row["preset"] for row in staff("GET", "/call-presets")[1]["items"]]
    assert len(names) == 8
    given = {"preset": names[0], "pool": "pool:build", "resources": ["cpu"]}
    status, row = staff("POST", "/calls", {"slug": "mine", **given})
    assert (status, row["problems"], row["document"]["pool"]) == (201, [], "pool:build")
    for wrong in ({"preset": names[0]}, {**given, "document": {}}):
        assert staff("POST", "/calls", {"slug": "other", **wrong})[0] == 422
    assert staff("POST", "/calls", {"slug": "other", **given, "preset": "none"})[0] == 404
    assert staff("POST", "/calls", {"slug": "mine"})[1]["code"] == "call_exists"
    for bad in ("", "New", "edit", "a--b", "x" * 61, "a/b"):
        assert staff("POST", "/calls", {"slug": bad})[0] == 422


WRITES = [
    ("POST", "/calls", {"slug": "mine"}),
    ("GET", "/calls/build/draft", None),
    ("PUT", "/calls/build/draft", {"document": {}, "revision": 0}),
    ("PUT", "/calls/build/draft/duties", {"content": {}, "revision": 0}),
    ("DELETE", "/calls/build/draft", None),
    ("POST", "/calls/build/publish", {"reason": "x", "revision": 0}),
    ("POST", "/calls/build/pause", {"reason": "x"}),
    ("POST", "/calls/build/resume", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_only_programme_staff_touch_calls(programme: Programme, method: str, path: str, body: Any) -> None:
    before = (CallVersion.objects.count(), Call.objects.count(), Event.objects.count())
    for person in (programme.founder, programme.reviewers[0], programme.steward, programme.operator):
        status, answer = Caller(person, programme)(method, path, body)
        assert (status, answer["code"]) == (403, "not_allowed")
    anonymous = Client(headers={"host": settings.PORTAL_HOST}).generic(method, f"/api/v1{path}", "{}", "application/json")
    assert anonymous.status_code == 401
    assert (CallVersion.objects.count(), Call.objects.count(), Event.objects.count()) == before
    assert not CallDraft.objects.exists()


def test_places_that_are_none_and_parts_that_must_stay_are_refused(programme: Programme, staff: Caller) -> None:
    _, row = staff("GET", "/calls/build/draft")
    revision = {"revision": row["revision"]}
    assert staff("PUT", "/calls/build/draft/colour", {"content": {}, **revision})[0] == 404
    assert staff("PUT", "/calls/build/draft/form", {"content": {}, **revision})[0] == 422  # which question?
    assert staff("PUT", "/calls/build/draft/amounts", {"content": None, **revision})[0] == 422
    assert staff("PUT", "/calls/build/draft/amounts", {"content": {"months": 5}, **revision})[0] == 422
    assert staff("PUT", "/calls/none/draft/amounts", {"content": {}, **revision})[0] == 404
    assert CallDraft.objects.get().revision == row["revision"]


def test_the_description_of_the_api_names_what_staff_may_do(programme: Programme, staff: Caller) -> None:
    paths = api.get_openapi_schema()["paths"]
    assert {"get", "put", "delete"} <= set(paths["/api/v1/calls/{slug}/draft"])
    assert paths["/api/v1/calls"]["post"]["description"].startswith("Begin a call")
    assert {"post"} == set(paths["/api/v1/calls/{slug}/publish"])
    assert "eligibility" in staff("GET", "/call-schema")[1]["properties"]
