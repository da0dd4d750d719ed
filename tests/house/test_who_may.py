"""
Every address of the portal and of its API × every kind of person: what comes of it stands in `who_may.txt`, and is tried.

`+` may · `-` knows it and may not (403) · `0` learns nothing (404) · `>` is sent to sign in · `!` shows no token (401).
A new address without a line there fails. `COMMONS_WRITE_TABLE=1` writes the table anew, to be read before it is kept.
"""

from __future__ import annotations

import io
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client

from portal.api.tokens import token_create
from portal.core.ids import batch_id_new, launch_id_new
from tests.support.routes import Route, operations, pages
from tests.support.situation import FACTS, PDF, Situation

pytestmark = pytest.mark.django_db(databases="__all__")
TABLE = Path(__file__).with_name("who_may.txt")
JSON = "application/json"
WITH_A_FILE = ("api POST /agreements", "api POST /applications/{code}/files/{key}")


def routes() -> list[tuple[str, Route, str]]:
    """Each of our routes with each method it takes: its line's name, the route, the method."""
    ours = [(f"{method} {route.name}", route, method) for route in pages() if route.ours for method in route.methods]
    return ours + [(f"api {route.name}", route, route.methods[0]) for route in operations()]


def table() -> dict[str, str]:
    """The lines of the table: name → one sign for each kind of person."""
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return {line.rsplit(maxsplit=12)[0]: "".join(line.split()[-12:]) for line in lines}


def test_the_table_has_a_line_for_every_address_and_no_other() -> None:
    assert set(table()) == {name for name, _, _ in routes()}


@pytest.mark.timeout(900)  # nearly three thousand requests
@pytest.mark.parametrize("part", ["pages", "api"])
def test_everybody_may_what_the_table_says(
    part: str, db: None, now: datetime, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    situation = Situation(now)
    monkeypatch.setattr("django.utils.timezone.now", lambda: situation.programme.now)
    tried = Trial(situation)
    mine = [one for one in routes() if one[0].startswith("api ") == (part == "api")]
    found = {name: tried.line(name, route, method) for name, route, method in mine}
    if os.environ.get("COMMONS_WRITE_TABLE"):
        table_write(found)
    assert not [name for name, signs in found.items() if "?" in signs], "broken, or does not take this method"
    wanted = table()
    wrong = [
        f"{name}: {kind} {signs[at]}, and not {wanted[name][at]}"
        for name, signs in found.items()
        for at, kind in enumerate(situation.people)
        if signs[at] != wanted[name][at]
    ]
    assert not wrong, "\n".join(wrong)


def table_write(found: dict[str, str]) -> None:
    """Write the table anew."""
    head = [line for line in TABLE.read_text().splitlines() if line.startswith("#")]
    all_lines = {**table(), **found}
    rows = [f"{name:<58} {' '.join(all_lines[name])}" for name, _, _ in routes() if name in all_lines]
    TABLE.write_text("\n".join([*head, *rows]) + "\n")


class Trial:
    """Knocks at every door as everybody; whatever happens is undone."""

    def __init__(self, situation: Situation) -> None:
        self.situation = situation
        self.clients, self.tokens = {}, {}
        for kind, user in situation.people.items():
            self.clients[kind] = Client(headers={"host": settings.PORTAL_HOST}, raise_request_exception=False)
            if user is not None:
                self.clients[kind].force_login(user)
                self.tokens[kind] = token_create(user=user, name="t", at=situation.now)

    def line(self, name: str, route: Route, method: str) -> str:
        """What comes of it for each, one sign after the other."""
        values = {**self.situation.values, **elsewhere(self.situation).get(route.name, {})}
        return "".join(self.sign(kind, name, route.address(values), method) for kind in self.situation.people)

    def sign(self, kind: str, name: str, address: str, method: str) -> str:
        """Try it once and undo it."""
        asks = bodies(self.situation).get(name, {})
        with transaction.atomic():
            if name.startswith("api "):
                shown = {"Authorization": f"Bearer {self.tokens[kind]}"} if kind in self.tokens else {}
                client = Client(headers={"host": settings.PORTAL_HOST, **shown}, raise_request_exception=False)
                if name in WITH_A_FILE:
                    answer = client.post(address, {**asks, "file": io.BytesIO(PDF)})
                else:
                    answer = client.generic(method, address, json.dumps(asks), JSON)
            elif method == "GET":
                answer = self.clients[kind].get(address, asks)
            else:
                answer = self.clients[kind].generic(method, address, **form(asks))
            transaction.set_rollback(True)
        status, to = answer.status_code, answer.headers.get("Location", "")
        if status == 405 or (status >= 500 and status != 503):  # 503: no machine room answers here
            return "?"
        if to.startswith("/accounts/login/"):
            return ">"
        return {401: "!", 403: "-", 404: "0"}.get(status, "+")


def form(asks: dict[str, Any]) -> dict[str, Any]:
    """A form as a browser sends it."""
    from urllib.parse import urlencode

    return {"data": urlencode(asks, doseq=True), "content_type": "application/x-www-form-urlencoded"}


def elsewhere(s: Situation) -> dict[str, dict[str, Any]]:
    """Where a route needs another thing than the usual one: the name of the route → values."""
    draft, decided = {"applications/code": s.draft.code}, {"applications/code": s.decided.code}
    writing = ("edit", "autosave", "files", "file_add", "file_remove", "screening", "check", "submit", "renew")
    solar, wind = {"datasets/slug": "solar"}, {"datasets/slug": "wind"}
    keeping = ("manage", "edit", "version_new", "submit", "file_send", "file_remove", "upload_live", "upload_begin")
    return {
        **{f"applications:{name}": draft for name in writing},
        **{f"awards:{name}": decided for name in ("letter", "letter_pdf", "appeal_new", "rest", "take_back", "embargo")},
        **{f"calls:{name}": {"calls/place": "form", "number": 0} for name in ("item", "item_remove")},
        "calls:part_remove": {"calls/place": "review"},
        **{f"datasets:{name}": solar for name in keeping},
        "datasets:review": wind,
        "PATCH /applications/{code}": draft,
        "POST /applications/{code}/submit": draft,
        "POST /applications/{code}/screening": draft,
        "POST /applications/{code}/files/{key}": draft,
        "POST /applications/{code}/appeal": decided,
        **dict.fromkeys(
            (
                "PATCH /datasets/{slug}",
                "POST /datasets/{slug}/versions",
                "POST /datasets/{slug}/uploads",
                "GET /datasets/{slug}/versions/{name}",
                "POST /datasets/{slug}/versions/{name}/submit",
            ),
            solar,
        ),
        "POST /datasets/{slug}/versions/{name}/review": wind,
    }


def bodies(s: Situation) -> dict[str, dict[str, Any]]:
    """
    What is sent, where an empty form or body would be refused before anybody is asked who it is: the name of the line → fields.
    """
    code, firm, reason = s.allocation.code, s.programme.firm.pk, {"reason": "Because."}
    launch = {"allocation": code, "resource": "cpu", "profile": "small", "minutes": 30}
    day = str(s.now.date())
    organisation = {"name": "New", "country": "KE", "registry_id": "X-9", "headcount": 1, "turnover_eur": 1}
    outage = {"begin": f"{day}T01:00:00Z", "end": f"{day}T02:00:00Z", "reason": "Power."}
    award = {"outcome": "award", "credits": "10", "months": 3, "resources": ["cpu"], "reason": "Sound."}
    return {
        "GET sessions:launch": {"allocation": code},
        "POST sessions:launch": {**launch, "go": "launch", "id": launch_id_new()},
        "GET sessions:quote": launch,
        "POST sessions:extend": {"minutes": 30},
        "POST batch:new": {"id": batch_id_new(), "resource": "cpu", "credits": "1"},
        "POST batch:close": {"running": "cancel"},
        "api POST /batch-holds": {"allocation": code, "resource": "cpu", "credits": "1"},
        "api POST /batch-holds/{id}/close": {"running": "finish"},
        "POST applications:new": {"organisation": firm},
        "POST applications:return": {"message": "Say more."},
        "POST applications:message": {"text": "Hello"},
        "POST applications:allocation_message": {"text": "Hello"},
        "POST organisations:edit": organisation,
        "POST organisations:firm_add": {
            "name": "H",
            "direction": "holder",
            "share_percent": 30,
            "headcount": 1,
            "turnover_eur": 1,
        },
        "POST organisations:year_add": {"ends_on": "2023-12-31", "headcount": 1, "turnover_eur": 1},
        "POST organisations:subsidy_add": {"granted_on": day, "amount_eur": 5, "granted_by": "City"},
        "POST organisations:sign": {"kind": "civil_use", "version": 1},
        "POST organisations:unsign": {"kind": "civil_use"},
        "POST organisations:verify": {"note": "The register."},
        "POST organisations:invite": {"email": "b@c.example", "role": "member"},
        "POST awards:decide": {**award, "outcome": "reject", "reason_reject": "No."},
        "POST awards:embargo": {"until": "2026-12-01", "reason": "A patent."},
        "POST awards:appeal": {"accepted": "no", "answer": "It stands."},
        "POST awards:appeal_new": {"text": "Look again."},
        "POST awards:take_back": reason,
        "POST awards:rest": reason,
        "POST awards:panel_decide": {"take": s.application.code, "outcome": "reject", "reason_reject": "No."},
        "POST reviews:assign": {"reviewers": [p.pk for p in s.programme.reviewers]},
        "POST reviews:reopen": reason,
        "POST reviews:declare": {"has_conflict": "no"},
        "POST calls:publish": {**reason, "revision": 0},
        "POST calls:pause": reason,
        "POST allocations:deed": {"message": "More, please."},
        "POST datasets:dataset_withdraw": reason,
        "POST datasets:upload_begin": {"path": "b.csv"},
        "POST storage:files": {"gib": 10},
        "POST datasets:decide": {"outcome": "reject", **reason},
        "POST datasets:review": {"outcome": "return", "note": "Say the unit."},
        "POST datasets:version_new": {"name": "9"},
        "POST reports:detail": {"done": "All.", "learned": "Much."},
        "POST reports:answer": {"waive": "1", "answer": "Not needed."},
        "api POST /calls": {"slug": "new"},
        "api PUT /calls/{slug}/draft": {"document": {}, "revision": 0},
        "api PUT /calls/{slug}/draft/{place}": {"content": {}, "revision": 0},
        "api POST /calls/{slug}/publish": {**reason, "revision": 0},
        "api POST /calls/{slug}/pause": reason,
        "api POST /calls/{slug}/eligibility": {"organisation": firm},
        "api POST /applications": {"call": "build", "organisation": firm},
        "api POST /applications/{code}/return": {"message": "Say more."},
        "api POST /applications/{code}/assign": {"reviewers": [p.email for p in s.programme.reviewers]},
        "api POST /applications/{code}/steps": {"key": "x", "passed": True, "note": "n"},
        "api POST /applications/{code}/decide": award,
        "api POST /applications/{code}/appeal": {"text": "Look again."},
        "api POST /reviews/{pk}/conflict": {"has_conflict": False},
        "api POST /reviews/{pk}/submit": {"scores": []},
        "api POST /allocations/{code}/supplement": {"credits": "5", **reason},
        "api POST /allocations/{code}/extend": {"ends_on": "2027-01-01", **reason},
        "POST awards:wish": {"months": 1, "ends_on": str(s.allocation.ends_on)},
        "api POST /allocations/{code}/ask": {"what": "extension"},
        "api POST /allocations/{code}/decline": reason,
        "api POST /allocations/{code}/suspend": reason,
        "api POST /allocations/{code}/end": reason,
        "api POST /allocations/{code}/transfer": {"credits": "5", "to": s.other.code, **reason},
        "api POST /allocations/{code}/reclaim": {"credits": "1", **reason},
        "api POST /applications/{code}/screening": {"answers": {"ai": "no"}},
        "POST sessions:outage": {"drop": "1", **reason},
        "api POST /organisations": organisation,
        "api POST /organisations/{pk}/related-firms": {
            "name": "H",
            "share_percent": 30,
            "headcount": 1,
            "turnover_eur": 1,
        },
        "api POST /organisations/{pk}/accounting-years": {"ends_on": "2023-12-31", "headcount": 1, "turnover_eur": 1},
        "api POST /organisations/{pk}/invitations": {"email": "b@c.example", "role": "member"},
        "api POST /datasets": {**FACTS, "organisation": firm, "slug": "new"},
        "api POST /agreements": {"organisation": firm},
        "api POST /datasets/{slug}/requests": {"allocation": code, "purpose": "To see.", "terms": 1},
        "api POST /datasets/{slug}/accept-terms": {"allocation": code},
        "api POST /datasets/{slug}/versions": {"version": "9"},
        "api POST /datasets/{slug}/uploads": {"version": "1", "path": "b.csv", "size_bytes": 3},
        "api POST /datasets/{slug}/versions/{name}/submit": {"people": "no"},
        "api POST /datasets/{slug}/versions/{name}/review": {"outcome": "return", "note": "Say the unit."},
        "api POST /datasets/{slug}/versions/{name}/withdraw": reason,
        "api POST /datasets/{slug}/withdraw": reason,
        "api POST /dataset-requests/{pk}/decide": {"outcome": "reject", **reason},
        "api POST /dataset-requests/{pk}/revoke": reason,
        "api POST /dataset-requests/decide": {"ids": [s.values["dataset-requests/pk"]], "outcome": "reject", **reason},
        "api POST /quotes": launch,
        "api POST /sessions": launch,
        "api POST /sessions/{id}/extend": {"minutes": 30},
        "api POST /sites/{slug}/outages": outage,
    }
