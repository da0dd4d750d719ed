"""
Every body the API takes, as its own description says, with each part of it wrong in turn: a 4xx with words, never a 500, and
what was refused wrote nothing. Run on PostgreSQL too, which keeps no text or number that does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import caches
from django.db import connection, transaction
from django.test import Client

from portal.accounts import services as accounts
from portal.accounts.models import Role, User
from portal.api.root import api
from portal.api.tokens import token_create
from tests.house.test_who_may import bodies, elsewhere
from tests.support import portal
from tests.support.routes import API, operations
from tests.support.situation import Situation

pytestmark = pytest.mark.django_db(databases="__all__")
DEEP: Any = json.loads("[" * 60 + "]" * 60)
# One part at a time: nothing, beyond every column, too long, unseen, of another kind.
WRONG: list[Any] = [None, 10**30, "x" * 20_001, "\x01\x1b[31m\u202e", "1e999999", [None], {"x": {"y": []}}]
# All parts at once.
ODD: list[Any] = [
    *WRONG, True, -1, 0, 1.5, 1e308, "", " ", "\ud800", "NaN", "9" * 5000, [], ["x"] * 300, {}, "2026-02-30",
    "0000-00-00", DEEP,
]  # fmt: skip
WHOLE = [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b'{"a": 1e400}', b"9" * 10_000]


def described() -> dict[str, dict[str, Any]]:
    """Each operation that takes JSON: its name → the schema of its body."""
    schema = api.get_openapi_schema()
    found = {}
    for path, methods in schema["paths"].items():
        for method, said in methods.items():
            content = said.get("requestBody", {}).get("content", {}).get("application/json")
            if content:
                part = content["schema"]
                name = part.get("$ref", "").rsplit("/", 1)[-1]
                found[f"{method.upper()} {path.removeprefix(API)}"] = schema["components"]["schemas"].get(name, part)
    return found


def rows() -> tuple[int, ...]:
    """How many rows each table of the portal has; one query. What is refused also leaves no event behind."""
    tables = sorted({model._meta.db_table for model in apps.get_models() if _ours(model)})
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f'(SELECT COUNT(*) FROM "{table}")' for table in tables))
        found: tuple[int, ...] = cursor.fetchone()
        return found


def _ours(model: Any) -> bool:
    return model.__module__.split(".")[0] in ("portal", "allocations", "notebooks_svc")


def hostile(schema: dict[str, Any], good: dict[str, Any]) -> Iterator[bytes]:
    """The body with one part wrong at a time, with all parts wrong, and with parts nobody asked for."""
    names = list(schema.get("properties", {}))
    for name in names:
        for wrong in WRONG:
            yield json.dumps({**good, name: wrong}).encode()
        yield json.dumps({key: value for key, value in good.items() if key != name}).encode()
    for wrong in ODD:
        yield json.dumps(dict.fromkeys(names, wrong)).encode()
    yield json.dumps({**good, "nobody": "asked", "__proto__": {}, "pk": 1, "by": 1}).encode()
    yield from WHOLE


class Trial:
    """Sends bodies as one person; whatever comes of it is undone."""

    def __init__(self, situation: Situation, user: User) -> None:
        token = token_create(user=user, name="t", at=situation.now)
        headers = {"host": settings.PORTAL_HOST, "Authorization": f"Bearer {token}"}
        self.client = Client(headers=headers, raise_request_exception=False)
        self.sent = self.refused = 0
        self.before = rows()

    def send(self, method: str, address: str, body: bytes) -> str:
        """What is wrong with the answer; nothing when it is as it should be."""
        caches["local"].clear()  # it counts calls by the minute
        with transaction.atomic():
            answer = self.client.generic(method, address, body, "application/json")
            # What the schema itself refuses never comes as far as a table.
            looked = 400 <= answer.status_code < 500 and b'"errors"' not in answer.content
            written = looked and rows() != self.before
            transaction.set_rollback(True)
        self.sent += 1
        if answer.status_code == 503:  # no machine room answers here
            return ""
        if answer.status_code >= 500:
            return f"{answer.status_code}"
        if answer.status_code < 400:
            return ""
        self.refused += 1
        if answer.headers["Content-Type"] != "application/problem+json":
            return f"{answer.status_code} as {answer.headers['Content-Type']}"
        told = answer.json()
        if not (told.get("code") and len(told.get("detail", "")) > 5):
            return f"{answer.status_code} without words: {told}"
        return f"{answer.status_code} and something was written" if written else ""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("who", ["owner", "staff"])
def test_no_body_breaks_the_api_and_none_that_is_refused_writes(
    who: str, db: None, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    situation = Situation(now)
    monkeypatch.setattr("django.utils.timezone.now", lambda: situation.programme.now)
    user = situation.programme.founder
    if who == "staff":
        user = portal.person("staff", Role.OFFICER, at=now)
        for role in (Role.STEWARD, Role.OPERATOR, Role.REVIEWER):
            accounts.role_grant(user=user, role=role, by=None, at=now)
    schemas, known, wrong = described(), bodies(situation), []
    trial = Trial(situation, user)
    for route in operations():
        if route.name not in schemas:
            continue
        values = {**situation.values, **elsewhere(situation).get(route.name, {})}
        address, method = route.address(values), route.methods[0]
        good = known.get(f"api {route.name}", {})
        for body in hostile(schemas[route.name], good):
            if problem := trial.send(method, address, body):
                wrong.append(f"{route.name}: {problem} for {body[:150]!r}")
    assert len(schemas) > 40
    assert trial.sent > 2000
    assert trial.refused > trial.sent / 2
    assert not wrong, f"{len(wrong)} of {trial.sent}\n" + "\n".join(wrong[:60])
