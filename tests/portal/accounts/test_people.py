"""Operators give and take roles and shut people out; nobody else does, and the last operator stays one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from portal.accounts import services
from portal.accounts.models import Role, User
from portal.api.tokens import token_create
from portal.audit.models import Event, Letter
from portal.core.errors import NotAllowed
from tests.support import portal

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def _plain_files(settings: Any) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.fixture
def operator(now: datetime) -> User:
    """The only operator."""
    return portal.person("operator", Role.OPERATOR, at=now)


@pytest.fixture
def asha(now: datetime) -> User:
    """A person without roles."""
    return portal.person("asha", at=now)


def browser(user: User) -> Client:
    """A browser, signed in."""
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def test_a_role_is_given_and_taken_and_told(operator: User, asha: User) -> None:
    at = f"/people/{asha.pk}/"
    client = browser(operator)
    assert "Asha" in client.get("/people/?q=ash").content.decode()
    client.post(at, {"roles": ["officer", "reviewer"]})
    assert browser(asha).get("/queue/").status_code == 200
    client.post(at, {"roles": ["officer", "reviewer"]})  # again: nothing more happens
    client.post(at, {"roles": ["reviewer"]})
    assert browser(asha).get("/queue/").status_code == 403
    told = list(Letter.objects.filter(to=asha.email).order_by("pk").values_list("body", flat=True))
    assert [body.split(".")[0] for body in told] == ["Your roles are now: officer, reviewer", "Your roles are now: reviewer"]
    kinds = Event.objects.filter(about=f"person:{asha.pk}").order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["role.granted", "role.granted", "role.taken"]


def test_only_operators_see_people(operator: User, asha: User, now: datetime) -> None:
    for role in (Role.OFFICER, Role.STEWARD, Role.REVIEWER):
        other = browser(portal.person(f"the-{role}", role, at=now))
        assert other.get("/people/").status_code == 403
        assert other.get(f"/people/{asha.pk}/").status_code == 404
        assert other.post(f"/people/{asha.pk}/", {"roles": ["operator"]}).status_code == 404
        assert other.post(f"/people/{operator.pk}/shut/", {"reason": "x"}).status_code == 404
    assert browser(operator).post(f"/people/{asha.pk}/", {"roles": ["king"]}).status_code == 422
    assert not User.objects.get(pk=asha.pk).role_set
    with pytest.raises(NotAllowed):
        services.roles_set(user=asha, roles=["operator"], by=asha, at=now)


def test_the_last_operator_stays_one(operator: User, asha: User) -> None:
    client = browser(operator)
    answer = client.post(f"/people/{operator.pk}/", {"roles": []})
    assert (answer.status_code, "is the only operator" in answer.content.decode()) == (422, True)
    refused = client.post(f"/people/{operator.pk}/shut/", {"reason": "Words that took time."})
    assert (refused.status_code, "Words that took time.</textarea>" in refused.content.decode()) == (403, True)
    assert User.objects.get(pk=operator.pk).is_active
    client.post(f"/people/{asha.pk}/", {"roles": ["operator"]})
    client.post(f"/people/{operator.pk}/", {"roles": []})
    assert User.objects.get(pk=operator.pk).role_set == frozenset()


def test_who_is_shut_out_is_out_at_once_and_may_come_back(operator: User, asha: User) -> None:
    inside, client = browser(asha), browser(operator)
    token = token_create(user=asha, name="t", at=timezone.now())
    bearer = {"Authorization": f"Bearer {token}"}
    program = Client(headers={"host": settings.PORTAL_HOST})
    assert (inside.get("/me/").status_code, program.get("/api/v1/me", headers=bearer).status_code) == (200, 200)
    again = client.post(f"/people/{asha.pk}/shut/", {"reason": " "}, follow=True).content.decode()
    assert "Say why" in again
    assert 'name="reason"' in again  # on the page where it can be said
    assert User.objects.get(pk=asha.pk).is_active  # not without a reason
    client.post(f"/people/{asha.pk}/shut/", {"reason": "Left the programme."})
    assert inside.get("/me/").status_code == 302
    assert program.get("/api/v1/me", headers=bearer).status_code == 401
    page = client.get(f"/people/{asha.pk}/").content.decode()
    assert "Left the programme." in page
    client.post(f"/people/{asha.pk}/shut/", {"reason": "Came back.", "admit": "1"})
    assert User.objects.get(pk=asha.pk).is_active


def test_the_list_asks_the_same_however_many_there_are(operator: User, now: datetime, django_assert_num_queries: Any) -> None:
    client = browser(operator)
    client.get("/people/")
    for number in range(3):
        portal.person(f"a{number}", Role.REVIEWER, at=now)
    with django_assert_num_queries(4):
        client.get("/people/")
    for number in range(20):
        portal.person(f"b{number}", Role.REVIEWER, at=now)
    with django_assert_num_queries(4):
        assert len(client.get("/people/").content) < 60_000
