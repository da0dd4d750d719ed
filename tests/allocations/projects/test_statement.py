"""The statement: every line explained, paged in constant queries, downloaded whole; and the pages around it."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from allocations.ledger import services as ledger
from allocations.projects import services
from allocations.projects.deeds import DEEDS
from allocations.projects.models import Allocation, MoreAsked
from allocations.projects.statement import statement, statement_all
from portal.api.tokens import token_create
from portal.core.quantities import MICRO, credits_text

from .conftest import WORDS, Firm

HOST = urlsplit(settings.PORTAL_URL).netloc
pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def busy(firm: Firm) -> Firm:
    """An award on which every kind of line stands."""
    firm.spend(10)
    firm.hold(5, id="s-2")
    ledger.void(id="s-2-void", hold="s-2", at=firm.now, reason="not charged: it was never ready", explanation=WORDS)
    firm.hold(6, id="s-3")
    ledger.roll(
        id="s-3-post", hold="s-3", used=MICRO, new_hold="s-3-r1", keep=2 * MICRO, provider="provider:here", at=firm.now,
        explanation=WORDS, kept=WORDS,
    )  # fmt: skip
    ledger.adjust(
        id="refund", corrects="s-1-post", amount=MICRO, reason="declared outage", by=f"person:{firm.officer.pk}", at=firm.now
    )
    ledger.hold(
        id="s-4", allocation=firm.allocation.account, amount=MICRO, resource="cpu", subject="session:s-4", at=firm.now,
        expires_at=firm.now + timedelta(minutes=5), explanation=WORDS,
    )  # fmt: skip
    ledger.holds_expire(at=firm.now + timedelta(minutes=6))
    services.allocation_end(allocation=firm.allocation, reason="=HYPERLINK(1)", by=firm.owner, at=firm.now)
    return firm


def signed_in(user: Any) -> Client:
    client = Client(headers={"host": HOST})
    client.force_login(user)
    return client


def api(user: Any, firm: Firm, method: str, path: str, body: Any = None, **headers: str) -> Any:
    token = token_create(user=user, name="test", at=timezone.now())
    client = Client(headers={"host": HOST, "authorization": f"Bearer {token}", **headers})
    text = json.dumps(body) if body is not None else ""
    return client.generic(method, f"/api/v1{path}", text, content_type="application/json")


def test_every_line_says_who_what_and_why(busy: Firm) -> None:
    lines = list(statement_all(allocation=busy.allocation))
    assert {line.kind for line in lines} == {"grant", "hold", "post", "void", "adjust", "return"}
    for line in lines:
        assert line.words, line
        assert line.who, line
        assert line.formula or line.reason, line
        assert line.text or line.reason, line
        if line.kind == "post":
            assert line.seconds is not None
    by_id = {line.id: line for line in lines}
    assert by_id["refund"].who == "Officer"
    assert by_id["s-1"].who == "Owner"
    assert by_id["s-4:expired"].who == "by rule"
    assert "not sent to a site in time" in by_id["s-4:expired"].reason
    left = 0
    for line in lines:
        left += line.change
        assert left == line.available_after, line


def test_a_page_of_the_statement_costs_the_same_however_long_it_is(firm: Firm) -> None:
    def queries(**asked: Any) -> int:
        with CaptureQueriesContext(connection) as seen:
            statement(allocation=firm.allocation, **asked)
        return len(seen)

    firm.spend(0.01, id="first")
    few = queries(limit=50)
    for number in range(60):
        firm.spend(0.01, id=f"s-{number}")
    assert queries(limit=50) == queries(limit=50, before_seq=20) == few
    first, second = statement(allocation=firm.allocation, limit=50), statement(allocation=firm.allocation, limit=200)
    assert [line.id for line in first] == [line.id for line in second[:50]]
    assert len(second) == 123


def test_the_statement_downloads_as_csv_and_json_with_every_line(busy: Firm) -> None:
    client = signed_in(busy.member)
    address = f"/allocations/{busy.allocation.code}/statement"
    answer = client.get(f"{address}.csv")
    assert answer["Content-Disposition"] == f'attachment; filename="statement-{busy.allocation.code}.csv"'
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    lines = list(statement_all(allocation=busy.allocation))
    assert [row["id"] for row in rows] == [line.id for line in lines]
    assert rows[-1]["available"] == credits_text(lines[-1].available_after)
    assert rows[-1]["reason"] == "'=HYPERLINK(1)"  # no spreadsheet takes words for a formula
    document = json.loads(b"".join(client.get(f"{address}.json")))
    assert [line["id"] for line in document["lines"]] == [line.id for line in lines]
    assert document["allocation"] == busy.allocation.code
    assert client.get(f"{address}.xml").status_code == 404
    assert signed_in(busy.outsider).get(f"{address}.csv").status_code == 404


def test_an_export_reads_in_chunks(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        firm.spend(0.01, id=f"s-{number}")
    from allocations.ledger import selectors

    whole = [row.pk for row in selectors.transfers_from(account=firm.allocation.account)]
    assert [row.pk for row in selectors.transfers_from(account=firm.allocation.account, chunk=3)] == whole
    assert len(whole) == 21


# --- pages ----------------------------------------------------------------------------------------------------------------


def test_the_page_offers_each_person_what_they_may_do(firm: Firm) -> None:
    offered = {
        "owner": {"ask", "readers", "end"},
        "manager": {"ask", "readers"},
        "member": set(),
        "officer": {"supplement", "extend", "reclaim", "suspend", "end"},
        "officer_of_the_firm": set(),
    }
    for who, wanted in offered.items():
        client = signed_in(getattr(firm, who))
        page = client.get(f"/allocations/{firm.allocation.code}/").content.decode()
        found = {name for name in DEEDS if f"/change/{name}/" in page}
        assert found == wanted, who
        for name in DEEDS:
            status = client.get(f"/allocations/{firm.allocation.code}/change/{name}/").status_code
            assert status == (200 if name in wanted else 403), (who, name)
    assert signed_in(firm.outsider).get(f"/allocations/{firm.allocation.code}/change/ask/").status_code == 404
    assert signed_in(firm.owner).get(f"/allocations/{firm.allocation.code}/change/nothing/").status_code == 404


def test_an_officer_grants_more_on_the_page_and_a_double_click_grants_once(firm: Firm) -> None:
    ledger.issue(id="more", pool="pool:test", issuer="issuer:test", amount=100 * MICRO, reason="x", by="x", at=firm.now)
    client = signed_in(firm.officer)
    address = f"/allocations/{firm.allocation.code}/change/supplement/"
    wrong = client.post(address, {"amount": "ten", "reason": "", "once": "a" * 20})
    assert wrong.status_code == 422
    assert "is not a number of credits" in wrong.content.decode()
    for _ in range(2):
        assert client.post(address, {"amount": "12.5", "reason": "good use", "once": "a" * 20}).status_code == 302
    assert firm.balance().granted == int(112.5 * MICRO)
    refused = client.post(address, {"amount": "1000", "reason": "good use", "once": "b" * 20})
    assert (refused.status_code, "are left in pool:test" in refused.content.decode()) == (422, True)


def test_one_click_asks_for_more_and_the_page_says_so(firm: Firm) -> None:
    client = signed_in(firm.manager)
    address = f"/allocations/{firm.allocation.code}/"
    assert client.post(f"{address}change/ask/", {"message": "two more models"}).status_code == 302
    page = client.get(address).content.decode()
    assert "asked for more credits" in page
    assert "two more models" in page
    assert "/change/ask/" not in page
    assert MoreAsked.objects.count() == 1
    listed = signed_in(firm.officer).get("/allocations/all/?asked=1").content.decode()
    assert (firm.allocation.code in listed, "Asks for more credits" in listed) == (True, True)
    assert signed_in(firm.member).get("/allocations/all/").status_code == 403


def test_readers_are_chosen_on_the_page(firm: Firm) -> None:
    client = signed_in(firm.owner)
    address = f"/allocations/{firm.allocation.code}/change/readers/"
    assert client.post(address, {"readers": [firm.member.pk, firm.manager.pk]}).status_code == 302
    assert firm.allocation.budget_readers.count() == 2
    assert client.post(address, {"readers": [firm.outsider.pk]}).status_code == 422


def test_pages_run_no_more_queries_because_there_are_more_rows(firm: Firm) -> None:
    def queries(user: Any, path: str) -> int:
        client = signed_in(user)
        client.get(path)
        with CaptureQueriesContext(connection) as seen:
            assert client.get(path).status_code == 200
        return len(seen)

    paths = [(firm.officer, "/allocations/all/"), (firm.owner, "/allocations/"), (firm.owner, "/")]
    few = [queries(*one) for one in paths]
    for _ in range(3):
        firm.another()
    assert [queries(*one) for one in paths] == few


# --- API ------------------------------------------------------------------------------------------------------------------


def test_the_api_changes_an_allocation_with_the_same_people_and_refusals(firm: Firm) -> None:
    code = firm.allocation.code
    ledger.issue(id="more", pool="pool:test", issuer="issuer:test", amount=100 * MICRO, reason="x", by="x", at=firm.now)
    grant = {"credits": "20", "reason": "good use"}
    key = {"idempotency-key": "k-1"}
    for _ in range(2):
        answer = api(firm.officer, firm, "POST", f"/allocations/{code}/supplement", grant, **key)
        assert (answer.status_code, answer.json()["granted"]) == (200, "120")
    assert api(firm.owner, firm, "POST", f"/allocations/{code}/supplement", grant).status_code == 403
    assert api(firm.outsider, firm, "POST", f"/allocations/{code}/supplement", grant).status_code == 404
    for bad in ("0", "-1", "1.0000001", "12 EUR", "3 GPU-hours", "1e99", ""):
        refused = api(firm.officer, firm, "POST", f"/allocations/{code}/supplement", {"credits": bad, "reason": "x"})
        assert (refused.status_code, refused.json()["code"]) == (422, "malformed"), bad
    beyond = api(firm.officer, firm, "POST", f"/allocations/{code}/supplement", {"credits": "500", "reason": "x"})
    assert (beyond.status_code, beyond.json()["code"]) == (409, "exceeds_pool")
    extended = api(firm.officer, firm, "POST", f"/allocations/{code}/extend", {"ends_on": "2027-01-31", "reason": "late"})
    assert extended.json()["ends_on"] == "2027-01-31"
    assert api(firm.manager, firm, "POST", f"/allocations/{code}/ask-more", {"message": "more"}).status_code == 200
    assert api(firm.officer, firm, "POST", f"/allocations/{code}/suspend", {"reason": "audit"}).json()["state"] == "suspended"
    assert api(firm.officer, firm, "POST", f"/allocations/{code}/resume").json()["state"] == "active"
    assert api(firm.member, firm, "POST", f"/allocations/{code}/end", {"reason": "x"}).status_code == 403
    assert api(firm.owner, firm, "POST", f"/allocations/{code}/end", {"reason": "done"}).json()["available"] == "0"
    firm.books()


def test_the_api_moves_and_reclaims(firm: Firm) -> None:
    Allocation.objects.update(transfers_allowed=True)
    other = firm.another(transfers_allowed=True)
    code = firm.allocation.code
    moved = api(firm.owner, firm, "POST", f"/allocations/{code}/transfer", {"to": other.code, "credits": "30", "reason": "x"})
    assert (moved.status_code, moved.json()["available"]) == (200, "70")
    notice = api(firm.officer, firm, "POST", f"/allocations/{other.code}/reclaim", {"credits": "10", "reason": "idle"})
    assert (notice.status_code, notice.json()["credits"]) == (200, "10")


def test_the_statement_and_usage_answer_by_api(busy: Firm) -> None:
    code = busy.allocation.code
    seen, cursor = [], ""
    while True:
        answer = api(busy.member, busy, "GET", f"/allocations/{code}/statement?limit=4&cursor={cursor}").json()
        seen += [line["id"] for line in answer["items"]]
        if not (cursor := answer["next"]):
            break
    assert seen == [line.id for line in statement(allocation=busy.allocation, limit=200)]
    file = api(busy.member, busy, "GET", f"/allocations/{code}/statement.csv")
    assert b"".join(file).decode().count("\r\n") == len(seen) + 1
    assert api(busy.outsider, busy, "GET", f"/allocations/{code}/statement.csv").status_code == 404
    assert api(busy.member, busy, "GET", f"/usage?allocation={code}&from=2026-03-01&to=2026-03-31").json()["items"] == []
    wrong = api(busy.member, busy, "GET", f"/usage?from={date(2026, 3, 2)}&to={date(2026, 3, 1)}")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "malformed")
