"""A person makes, sees and revokes their own tokens on a page; one that only reads changes nothing."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from portal.accounts.models import User
from portal.api.models import ApiToken
from portal.api.tokens import TOKENS_MAX, token_create, token_owner
from portal.audit.models import Event, Letter
from tests.support import portal

pytestmark = pytest.mark.django_db(databases="__all__")
SAID = {"name": "nightly upload", "days": "30"}


@pytest.fixture
def owner(now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch) -> User:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    return portal.person("owner", at=now)


def browser(user: User) -> Client:
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def program(token: str, method: str = "GET", path: str = "/me", body: str = "") -> int:
    shown = {"host": settings.PORTAL_HOST, "Authorization": f"Bearer {token}"}
    return Client(headers=shown).generic(method, f"/api/v1{path}", body, "application/json").status_code


def made(page: str) -> str:
    found = re.search(r"cct_[\w-]{40,}", page)
    assert found, page
    return found[0]


def test_a_token_is_made_shown_once_used_and_revoked(owner: User, now: datetime) -> None:
    client = browser(owner)
    answer = client.post("/me/tokens/", SAID)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    token = made(answer.content.decode())
    assert token not in client.get("/me/tokens/").content.decode()  # never again
    row = ApiToken.objects.get()
    assert token not in (row.token_hash, row.hint)
    assert row.expires_at == now + timedelta(days=30)
    assert program(token) == 200
    row.refresh_from_db()
    assert row.last_used_on == now.date()
    assert token_owner(token=token, at=now + timedelta(days=31)) is None
    assert client.post(f"/me/tokens/{row.pk}/revoke/").status_code == 302
    assert program(token) == 401
    assert list(Event.objects.values_list("kind", flat=True)) == ["token.made", "token.revoked"]
    told = Letter.objects.get(to=owner.email)
    assert (told.kind, told.digest) == ("security.token", False)


def test_one_that_only_reads_changes_nothing(owner: User) -> None:
    token = made(browser(owner).post("/me/tokens/", {**SAID, "reads_only": "on"}).content.decode())
    body = '{"name": "New", "country": "KE", "registry_id": "X-9", "headcount": 1, "turnover_eur": 1}'
    assert program(token, path="/organisations") == 200
    assert program(token, "POST", "/organisations", body) == 403
    assert program(token, "PATCH", "/organisations/1", body) == 403
    assert program(token, "DELETE", "/organisations/1/people/1") == 403
    writing = made(browser(owner).post("/me/tokens/", {**SAID, "name": "writing"}).content.decode())
    assert program(writing, "POST", "/organisations", body) == 201


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": " \u0000 "}, "This field is required"),
        ({"name": "x" * 81}, "at most 80"),
        ({"name": "Nightly Upload"}, "You have a token of that name"),
        ({"days": "0"}, "not one of the available choices"),
        ({"days": "9999"}, "not one of the available choices"),
        ({"days": "soon"}, "not one of the available choices"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_and_nothing_is_made(owner: User, changes: dict[str, str], says: str) -> None:
    client = browser(owner)
    client.post("/me/tokens/", SAID)
    answer = client.post("/me/tokens/", {**SAID, "name": "another", **changes})
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert "cct_" not in answer.content.decode().replace(ApiToken.objects.get().hint, "")
    assert ApiToken.objects.count() == 1


def test_a_name_is_free_again_once_its_token_is_over(owner: User, now: datetime) -> None:
    token_create(user=owner, name=SAID["name"], at=now - timedelta(days=100))
    page = browser(owner).post("/me/tokens/", SAID).content.decode()
    assert made(page)
    assert "Expired" in page


def test_nobody_collects_tokens_without_end(owner: User, now: datetime) -> None:
    for number in range(TOKENS_MAX):
        token_create(user=owner, name=f"t{number}", at=now)
    answer = browser(owner).post("/me/tokens/", SAID)
    assert answer.status_code == 422
    assert "Revoke one that is not used any more" in answer.content.decode()


def test_each_sees_and_revokes_their_own_only(owner: User, now: datetime) -> None:
    browser(owner).post("/me/tokens/", SAID)
    other = browser(portal.person("other", at=now))
    row = ApiToken.objects.get()
    assert SAID["name"] not in other.get("/me/tokens/").content.decode()
    assert other.post(f"/me/tokens/{row.pk}/revoke/").status_code == 404
    assert ApiToken.objects.filter(pk=row.pk).exists()


def test_a_name_is_shown_as_it_was_typed_and_does_nothing(owner: User) -> None:
    page = browser(owner).post("/me/tokens/", {**SAID, "name": "<script>alert(1)</script>"}).content.decode()
    assert "<script>alert(1)" not in page
