"""The pages and the API: who sees and may do what, searching, constant work, tricks in names."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import Client

from allocations.datasets import counting, publishing, search, selectors
from allocations.datasets.models import Access, Dataset
from portal.accounts.models import User
from portal.api.tokens import token_create

from .conftest import Library
from .test_access import ask, decide

pytestmark = pytest.mark.django_db(databases=settings.DATABASES.keys())  # signing in writes a web session
HOST = {"HTTP_HOST": settings.PORTAL_HOST}


def browser(user: User | None = None) -> Client:
    client = Client(**HOST)
    if user is not None:
        client.force_login(user)
    return client


class Program:
    """A program with a person's token."""

    def __init__(self, user: User, library: Library) -> None:
        self.headers = {**HOST, "HTTP_AUTHORIZATION": f"Bearer {token_create(user=user, name='test', at=library.now)}"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = Client().generic(
            method, f"/api/v1{path}", json.dumps(body) if body is not None else b"", "application/json", **self.headers
        )
        return answer.status_code, answer.json()


def found(q: str = "", **facets: str) -> list[str]:
    return [dataset.slug for dataset in selectors.dataset_list(q=q, facets=facets)]


def test_search_finds_words_beginnings_and_columns_the_title_first(library: Library) -> None:
    library.dataset("rain", "open", title="Rain in Kenya", summary="Daily rainfall.", keywords=["weather"])
    library.dataset("maize", "open", title="Maize yields", description="Where there was little rain.", licence="CC0-1.0")
    assert found("rain") == ["rain", "maize"]
    assert found("RAINF") == ["rain"]
    assert found("kenya rain") == ["rain"]
    assert "rain" in found("kelv")  # the beginning of a column's name
    assert found("weather") == ["rain"]
    assert found("nothing of this") == []
    for trick in ('"', "'; DROP TABLE", "rain*)", "NEAR(", "\x00", "%", "AND OR NOT", "*" * 300):
        assert isinstance(found(trick), list)


def test_what_is_narrowed_away_takes_no_place_among_the_best(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        library.dataset(f"rain-{number}", "open", title="Rain, rain, rain", country="KE")
    library.dataset("other", "open", title="Roofs", description="Some rain.", country="PT")
    monkeypatch.setattr(search, "FOUND_MAX", 2)
    assert len(found("rain")) == 2
    assert "other" not in found("rain")
    assert found("rain", country="PT") == ["other"]


def test_facets_narrow_and_are_counted(library: Library) -> None:
    library.dataset("rain", "open", commercial_use=False, country="KE", domain="Water", licence="CC0-1.0")
    assert found(access="open") == ["air", "rain"]
    assert found(commercial="True", access="open") == ["air"]
    assert found(country="KE") == found(domain="Water") == found(licence="CC0-1.0") == ["rain"]
    assert found(size="small", format="csv") == ["air", "faces", "rain", "sea"]
    assert found(size="large") == found(format="parquet") == []
    rows = selectors.dataset_list()
    assert search.FACETS["commercial"].count(rows) == [("True", "yes", 3), ("False", "no", 1)]
    assert search.FACETS["format"].count(rows) == [("csv", "csv", 4)]
    assert search.FACETS["size"].count(rows) == [("small", "up to 1 MB", 4)]
    assert search.FACETS["country"].count(rows) == [("KE", "Kenya", 1)]


def test_the_whole_catalogue_is_counted_in_the_background(library: Library) -> None:
    """A page counts only what somebody narrowed; without the worker it counts for itself."""

    def asks(path: str) -> tuple[int, str]:
        caches["local"].clear()
        with _Counting() as counting:
            page = browser().get(path).content.decode()
        return sum("COUNT" in query["sql"] for query in counting.context.captured_queries), page

    caches["default"].clear()
    alone, page = asks("/datasets/")
    assert "Climate (3)" in page
    counting.counts_renew(at=library.now)
    behind, page = asks("/datasets/")
    assert (behind, "Climate (3)" in page) == (alone - len(search.FACETS), True)
    library.dataset("rain", "open")
    assert "Climate (3)" in asks("/datasets/")[1], "as of the last minute"
    counting.counts_renew(at=library.now)
    assert "Climate (4)" in asks("/datasets/")[1]
    assert "Climate (2)" in asks("/datasets/?access=open")[1]
    caches["default"].clear()


def test_what_is_not_published_or_was_withdrawn_is_not_found(library: Library) -> None:
    publishing.dataset_create(
        by=None,
        at=library.now,
        slug="draft",
        title="Secret draft",
        summary="x",
        access_class="open",
        commercial_use=True,
        licence="CC0-1.0",
        domain="x",
        publisher="x",
        steward=library.steward,
    )
    assert found("secret") == []
    assert browser().get("/datasets/draft/").status_code == 404
    Dataset.objects.filter(slug="air").update(withdrawn_at=library.now, withdrawn_reason="A person asked for it.")
    assert "air" not in found()
    page = browser().get("/datasets/air/")
    assert page.status_code == 410
    assert "A person asked for it." in page.content.decode()


def test_the_list_asks_the_same_number_of_questions_however_many_there_are(
    library: Library,
) -> None:
    def queries(path: str) -> int:
        caches["local"].clear()
        with _Counting() as counting:
            assert browser().get(path).status_code == 200
        return counting.count

    before = {path: queries(path) for path in ("/datasets/", "/datasets/?q=about", "/datasets/?access=open")}
    for number in range(15):
        library.dataset(f"more-{number}", "open")
    assert {path: queries(path) for path in before} == before
    assert max(before.values()) <= 14


class _Counting:
    """Counts queries."""

    def __enter__(self) -> _Counting:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        self.context = CaptureQueriesContext(connection)
        self.context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.context.__exit__(*error)
        self.count = len(self.context)


def test_a_stranger_reads_the_page_and_is_told_the_way(library: Library) -> None:
    page = browser().get("/datasets/sea/").content.decode()
    assert "Yes, also to earn money" in page
    assert "Be kind." in page
    assert "Sign in" in page
    assert "pd.read_csv(&quot;commons://sea/table.csv&quot;)" in page
    assert browser().post("/datasets/sea/ask/").status_code == 302


def test_preview_only_where_the_owner_made_it_public(library: Library) -> None:
    assert "First rows" not in browser().get("/datasets/air/").content.decode()
    assert "shows no rows" in browser().get("/datasets/air/").content.decode()
    Dataset.objects.filter(slug="air").update(preview_public=True)
    assert "First rows" in browser().get("/datasets/air/").content.decode()
    code, files = Program(library.founder, library)("GET", "/datasets/faces/files")
    assert code == 200
    assert files["items"][0]["preview"] is None
    assert files["items"][0]["url"] is None


def test_the_page_and_the_api_ask_holders_of_older_terms_again(library: Library) -> None:
    sea, founder = Dataset.objects.get(slug="sea"), browser(library.founder)
    founder.post("/datasets/sea/ask/", {"allocation": library.allocation.code, "terms": "1"})
    assert "The terms have changed" not in founder.get("/datasets/sea/").content.decode()
    publishing.terms_publish(dataset=sea, text="Be kinder.", by=None, at=library.now)
    library.version(sea, "2")
    page = founder.get("/datasets/sea/").content.decode()
    assert "The terms have changed" in page
    assert re.search(r'name="terms" value="2"', page)
    assert founder.get("/datasets/sea/files/table.csv?version=2").status_code == 403
    assert founder.get("/datasets/sea/files/table.csv?version=1").status_code == 302
    stale = founder.post("/datasets/sea/ask/", {"allocation": library.allocation.code, "terms": "1"})
    assert stale.status_code == 409
    assert "Nothing was accepted" in stale.content.decode()
    done = founder.post("/datasets/sea/ask/", {"allocation": library.allocation.code, "terms": "2"}, follow=True)
    assert "The terms have changed" not in done.content.decode()


def test_one_click_accepts_the_terms_and_the_page_says_so(library: Library) -> None:
    client = browser(library.founder)
    page = client.get("/datasets/sea/").content.decode()
    assert re.search(r'name="terms" value="1"', page)
    done = client.post("/datasets/sea/ask/", {"allocation": library.allocation.code, "terms": "1"}, follow=True)
    assert "may read it until" in done.content.decode()
    publishing.terms_publish(dataset=Dataset.objects.get(slug="sea"), text="New.", by=None, at=library.now)
    rival = browser(library.rival)
    stale = rival.post("/datasets/sea/ask/", {"allocation": library.rivals.code, "terms": "1"})
    assert stale.status_code == 409
    assert "have changed since you opened the page" in stale.content.decode()
    foreign = rival.post("/datasets/sea/ask/", {"allocation": library.allocation.code, "terms": "2"})
    assert foreign.status_code == 409
    assert Access.objects.filter(dataset__slug="sea").count() == 1


def test_the_steward_decides_on_the_page_and_others_find_nothing_there(library: Library) -> None:
    client = browser(library.founder)
    form = {
        "allocation": library.allocation.code,
        "purpose": "To learn.",
        "q_outputs": "A model.",
        "q_settings": "Here alone.",
        "terms": "1",
        "accept": "on",
    }
    assert client.post("/datasets/faces/ask/", {**form, "accept": ""}).status_code == 409
    assert "Waiting for the steward" in client.post("/datasets/faces/ask/", form, follow=True).content.decode()
    assert "Waiting for the steward" in client.post("/datasets/faces/ask/", form, follow=True).content.decode()  # twice
    row = Access.objects.get(dataset__slug="faces")
    page = f"/dataset-requests/{row.pk}/"
    assert browser(library.rival).get(page).status_code == 404
    assert client.get(page).status_code == 403
    steward = browser(library.steward)
    asked = steward.get(page).content.decode()
    for heading in ("Project", "People", "Settings", "Data", "Outputs"):  # the Five Safes, each also when nothing was said
        assert f"<h3>{heading}</h3>" in asked, heading
    for answer in ("To learn.", "A model.", "Here alone.", "Not said."):
        assert answer in asked
    assert "version 1, accepted" in asked
    assert f"{library.allocation.organisation}" in steward.get("/dataset-requests/").content.decode()
    assert "Write why" in steward.post(page, {"outcome": "reject", "reason": ""}).content.decode()
    steward.post(page, {"outcome": "grant", "reason": "Fine."})
    row.refresh_from_db()
    assert row.state == "granted"
    steward.post(page, {"reason": "It ended."})
    row.refresh_from_db()
    assert (row.state, row.reason) == ("revoked", "It ended.")


def test_a_steward_decides_many_and_names_a_delegate_on_the_page(library: Library) -> None:
    rows = [ask(library), ask(library, allocation=library.rivals, by=library.rival)]
    steward = browser(library.steward)
    assert steward.get("/dataset-requests/").content.decode().count('name="access"') == 2
    ticked = {"access": [str(row.pk) for row in rows], "outcome": "grant", "reason": ""}
    assert "2 decided" in steward.post("/dataset-requests/many/", ticked, follow=True).content.decode()
    assert (
        "no data steward"
        in steward.post("/dataset-requests/delegate/", {"email": library.rival.email}, follow=True).content.decode()
    )
    assert set(Access.objects.values_list("state", flat=True)) == {"granted"}
    other = browser(library.founder).post("/dataset-requests/many/", ticked, follow=True).content.decode()
    assert "Tick at least one" in other


def test_downloads_follow_access_and_names_play_no_tricks(library: Library) -> None:
    assert browser().get("/datasets/air/files/table.csv").status_code == 302
    assert "/o/" in browser().get("/datasets/air/files/table.csv")["Location"]
    assert "/accounts/login/" in browser().get("/datasets/faces/files/table.csv")["Location"]
    assert browser(library.founder).get("/datasets/faces/files/table.csv").status_code == 403
    decide(library, ask(library))
    assert "/o/" in browser(library.colleague).get("/datasets/faces/files/table.csv")["Location"]
    assert browser(library.rival).get("/datasets/faces/files/table.csv").status_code == 403
    for path in ("../faces/table.csv", "..%2Ffaces%2Ftable.csv", "nothing.csv", "table.csv/"):
        assert browser().get(f"/datasets/air/files/{path}").status_code in (403, 404), path
    for slug in ("../air", "AIR;", "air@1"):
        assert browser().get(f"/datasets/{slug}/").status_code == 404, slug
    for path in ("/datasets/air/files/%00", "/datasets/air%00/"):
        assert browser().get(path).status_code == 422, "no address holds a null character"


def test_the_api_tells_each_allocation_what_it_may_do(library: Library) -> None:
    founder, rival, steward = (Program(who, library) for who in (library.founder, library.rival, library.steward))
    code, rows = founder("GET", "/datasets?limit=2")
    assert (code, len(rows["items"])) == (200, 2)
    assert founder("GET", f"/datasets?limit=2&cursor={rows['next']}")[1]["items"]
    assert founder("GET", "/datasets?access_class=secret")[0] == 422
    assert [row["slug"] for row in founder("GET", "/datasets?q=sea")[1]["items"]] == ["sea"]
    assert founder("GET", "/datasets/sea")[1]["access"][0]["state"] == "none"
    assert founder("POST", "/datasets/sea/accept-terms")[0] == 201
    assert founder("GET", "/datasets/sea")[1]["access"][0]["readable"] is True
    assert founder("GET", "/datasets/sea/files")[1]["items"][0]["url"]
    assert rival("GET", "/datasets/sea/files")[1]["items"][0]["url"] is None

    asked = {"allocation": library.allocation.code, "purpose": "To learn.", "answers": {"use": "general"}}
    assert rival("POST", "/datasets/faces/requests", asked)[0] == 404
    code, row = founder("POST", "/datasets/faces/requests", asked)
    assert (code, row["state"], row["due_on"]) == (201, "requested", "2026-03-16")
    assert founder("POST", "/datasets/faces/requests", asked)[1]["code"] == "already_asked"
    one = f"/dataset-requests/{row['id']}"
    assert rival("GET", one)[0] == 404
    assert founder("POST", f"{one}/decide", {"outcome": "grant"})[1]["code"] == "not_allowed"
    assert steward("POST", f"{one}/decide", {"outcome": "perhaps"})[0] == 422
    assert steward("POST", f"{one}/decide", {"outcome": "grant", "until": "2026-03-31"})[1]["until"] == "2026-03-31"
    assert steward("POST", f"{one}/decide", {"outcome": "grant"})[0] == 409
    assert steward("POST", f"{one}/revoke", {"reason": "Over."})[1]["state"] == "revoked"
    assert [item["id"] for item in steward("GET", "/dataset-requests?state=revoked")[1]["items"]] == [row["id"]]
    assert rival("GET", "/dataset-requests")[1]["items"] == []
    assert founder("GET", "/datasets/nothing")[0] == 404
