"""One rule for the characters of every text, whatever brings it."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from portal.core.words import CONTROL, text_clean, text_unkeepable, whole_number
from tests.support import portal

pytestmark = pytest.mark.django_db(databases="__all__")


@given(st.text())
def test_a_clean_text_can_be_kept_and_stays_as_it_is(text: str) -> None:
    clean = text_clean(text)
    assert not CONTROL.search(clean)
    assert not text_unkeepable(clean)
    assert text_clean(clean) == clean
    clean.encode()


def test_what_people_write_passes_whole() -> None:
    text = "Añō 日本 🌍\n\tعربي\u200d – “x”"
    assert text_clean(text) == text
    assert text_clean("a\x00b\x0bc\r\nd\re\x9f\udc00") == "abc\nd\ne"


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_forms_of_both_kinds_lose_what_nobody_sees(now: datetime, content_type: str) -> None:
    owner = portal.person("owner", at=now)
    firm = portal.firm(owner, at=now)
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(owner)
    given = {"full_name": "Ni\x00a\x0b Mwangi", "time_zone": "UTC", "mail_rhythm": "each"}
    if content_type == "multipart/form-data":
        answer = client.post("/me/", given)
    else:
        answer = client.post("/me/", "full_name=Ni%00a%0b+Mwangi&time_zone=UTC&mail_rhythm=each", content_type=content_type)
    assert answer.status_code == 302
    owner.refresh_from_db()
    assert owner.full_name == "Nia Mwangi"
    assert firm.name


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x\udfff"])
def test_the_api_refuses_what_cannot_be_kept(now: datetime, text: str) -> None:
    from portal.api.tokens import token_create

    owner = portal.person("owner", at=now)
    firm = portal.firm(owner, at=now)
    token = token_create(user=owner, name="t", at=now)
    answer = Client(headers={"host": settings.PORTAL_HOST}).patch(
        f"/api/v1/organisations/{firm.pk}",
        json.dumps({"name": text}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert (answer.status_code, json.loads(answer.content)["code"]) == (422, "malformed")
    before = firm.name
    firm.refresh_from_db()
    assert firm.name == before


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("42", 42), ("²", None), ("٣", None), ("", None), ("-1", None), (" 1", None), ("9" * 19, None)],
)
def test_a_whole_number_is_read_or_is_none(text: str, number: int | None) -> None:
    assert whole_number(text) == number
