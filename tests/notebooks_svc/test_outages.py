"""The pages about outages: an operator tells, everybody sees first what would be given back, an officer declares."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client

from notebooks_svc.sessions import outages
from notebooks_svc.sessions.models import Outage, Session
from portal.accounts.models import Role, User
from portal.api.tokens import token_create
from portal.core.errors import Refusal
from portal.core.quantities import credits_text
from tests.support import portal

from .conftest import World

pytestmark = pytest.mark.django_db(databases="__all__")
FORM = "%Y-%m-%dT%H:%M"


@pytest.fixture
def used(world: World, settings: Any) -> Session:
    """A notebook that ran for twenty minutes and was charged."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    session = world.ready()
    world.run(1200, step=5)
    world.stop(session, by=world.colleague)
    world.run(120, step=5)
    session.refresh_from_db()
    assert session.state == "ended"
    return session


def browser(user: User) -> Client:
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def said(world: World, session: Session, **changes: Any) -> dict[str, Any]:
    """The form: ten minutes of it."""
    begin = (session.ready_at + timedelta(minutes=4)).replace(second=0, microsecond=0)
    times = {"begin": f"{begin:{FORM}}", "end": f"{begin + timedelta(minutes=10):{FORM}}"}
    return {"site": session.resource.site_id, "reason": "cooling failed", **times, **changes}


def hidden(page: str) -> str:
    found = re.search(r'name="shown" value="([^"]*)"', page)
    assert found
    return found[1]


def test_an_operator_tells_and_an_officer_declares(world: World, used: Session) -> None:
    operator, officer = (portal.person(role, role, at=world.now) for role in (Role.OPERATOR, Role.OFFICER))
    before = world.balance()
    telling, declaring = browser(operator), browser(officer)
    seen = telling.post("/outages/", {**said(world, used), "look": "1"})
    assert seen.status_code == 200
    page = seen.content.decode()
    assert "Tell the officers" in page
    assert "to 1 allocation" in page
    assert used.pk[-6:] in page
    assert not Outage.objects.exists()
    assert world.balance() == before  # it was only looked at

    told = telling.post("/outages/", {**said(world, used), "go": "1", "shown": hidden(page)}, follow=True)
    assert "Told, to be declared" in told.content.decode()
    assert world.balance() == before
    outage = Outage.objects.get()
    assert (outage.told_by, outage.declared_by) == (operator, None)
    assert telling.post(f"/outages/{outage.pk}/", {"declare": "1"}).status_code == 403

    assert "Outages to declare" in declaring.get("/").content.decode()
    page = declaring.get(f"/outages/{outage.pk}/").content.decode()
    assert "Declare it" in page
    for _ in range(2):  # a double click
        assert declaring.post(f"/outages/{outage.pk}/", {"declare": "1"}).status_code == 302
    outage.refresh_from_db()
    assert outage.refunds == 1
    assert world.balance().available == before.available + outage.refunded
    assert credits_text(outage.refunded) in page
    assert "Outages to declare" not in declaring.get("/").content.decode()
    world.books()


def test_an_officer_declares_what_was_looked_at_and_nothing_else(world: World, used: Session) -> None:
    officer = browser(portal.person("officer", Role.OFFICER, at=world.now))
    shown = hidden(officer.post("/outages/", {**said(world, used), "look": "1"}).content.decode())
    longer = said(world, used, end=f"{used.ended_at:{FORM}}")
    changed = officer.post("/outages/", {**longer, "go": "1", "shown": shown})
    assert changed.status_code == 409
    assert "look at the new figures" in changed.content.decode()
    assert not Outage.objects.exists()
    done = officer.post("/outages/", {**said(world, used), "go": "1", "shown": shown})
    assert done.status_code == 302
    assert Outage.objects.get().refunded == world.balance().adjusted
    again = officer.post("/outages/", {**said(world, used), "look": "1"})
    assert again.status_code == 422
    assert "was declared already" in again.content.decode()


def test_what_is_only_told_changes_no_charge_and_can_be_dropped(world: World, used: Session) -> None:
    operator = portal.person("operator", Role.OPERATOR, at=world.now)
    begin = used.ready_at + timedelta(minutes=1)
    asked: dict[str, Any] = {"site": used.resource.site, "begin": begin, "end": begin + timedelta(minutes=5), "by": operator}
    outage = outages.outage_tell(**asked, reason="power", at=world.now)
    with pytest.raises(Refusal, match="told of already"):
        outages.outage_tell(**asked, reason="power", at=world.now)
    outages.outages_refund_due(at=world.now + timedelta(hours=1))
    assert world.balance().adjusted == 0
    assert outages.outage_windows(used.resource.site_id, begin=0, end=world.now.timestamp()) == []
    client = browser(operator)
    assert client.post(f"/outages/{outage.pk}/", {"drop": "1", "reason": " "}).status_code == 422
    assert client.post(f"/outages/{outage.pk}/", {"drop": "1", "reason": "It was ours."}).status_code == 302
    assert not Outage.objects.exists()


def test_a_declared_one_stands(world: World, used: Session) -> None:
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    begin = used.ready_at + timedelta(minutes=1)
    site = used.resource.site
    outages.outage_declare(site=site, begin=begin, end=begin + timedelta(minutes=5), reason="power", by=officer, at=world.now)
    outage = Outage.objects.get()
    with pytest.raises(Refusal) as refused:
        outages.outage_drop(outage=outage, reason="x", by=officer, at=world.now)
    assert refused.value.code == "outage_declared"
    assert outages.outage_confirm(outage=outage, by=officer, at=world.now) == []
    page = browser(officer).get(f"/outages/{outage.pk}/").content.decode()
    assert "Declared by" in page
    assert "Drop it" not in page


@pytest.mark.parametrize(
    "changes",
    [
        {"begin": "yesterday"},
        {"begin": "", "end": ""},
        {"begin": "2026-03-02T08:00", "end": "2026-03-02T07:00"},
        {"begin": "2026-03-02T08:00", "end": "2027-03-02T09:00"},
        {"begin": "2025-03-02T08:00", "end": "2026-03-01T09:00"},
        {"reason": "  "},
        {"reason": "x" * 301},
        {"site": "nowhere"},
    ],
    ids=str,
)
def test_a_form_that_cannot_be_is_said_to_be_so(world: World, used: Session, changes: dict[str, Any]) -> None:
    officer = browser(portal.person("officer", Role.OFFICER, at=world.now))
    answer = officer.post("/outages/", {**said(world, used), **changes, "go": "1", "shown": "x"})
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not Outage.objects.exists()


def test_times_are_of_the_persons_clock(world: World, used: Session) -> None:
    operator = portal.person("operator", Role.OPERATOR, at=world.now)
    operator.time_zone = "Africa/Nairobi"  # three hours on
    operator.save()
    begin = (used.ready_at + timedelta(minutes=4, hours=3)).replace(second=0, microsecond=0)
    times = {"begin": f"{begin:{FORM}}", "end": f"{begin + timedelta(minutes=10):{FORM}}"}
    client = browser(operator)
    shown = hidden(client.post("/outages/", {**said(world, used), **times, "look": "1"}).content.decode())
    client.post("/outages/", {**said(world, used), **times, "go": "1", "shown": shown})
    assert Outage.objects.get().begin == begin - timedelta(hours=3)


def test_nobody_else_sees_them(world: World, used: Session) -> None:
    for who in (world.founder, world.colleague):
        assert browser(who).get("/outages/").status_code == 403


def test_the_database_keeps_who_declared(world: World, used: Session) -> None:
    with pytest.raises(IntegrityError, match="launches_who_declared_an_outage_is_known"), transaction.atomic():
        Outage.objects.create(
            site=used.resource.site, begin=used.ready_at, end=used.ended_at, reason="x", declared_at=world.now
        )


def test_a_program_declares_and_is_told_what_it_gave_back(world: World, used: Session) -> None:
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    begin = used.ready_at + timedelta(minutes=4)
    body = {"begin": begin.isoformat(), "end": (begin + timedelta(minutes=10)).isoformat(), "reason": "power"}
    path = f"/api/v1/sites/{used.resource.site.slug}/outages"

    def post(user: User, path: str, **changes: str) -> Any:
        token = token_create(user=user, name="test", at=world.now)
        client = Client(headers={"host": settings.PORTAL_HOST, "authorization": f"Bearer {token}"})
        return client.post(path, {**body, **changes}, content_type="application/json")

    assert post(world.founder, path).status_code == 403
    assert post(officer, "/api/v1/sites/nowhere/outages").status_code == 404
    assert post(officer, path, end=body["begin"]).status_code == 422
    assert post(officer, path, begin="2026-03-02T08:00").status_code == 422  # whose eight o'clock?
    assert not Outage.objects.exists()
    done = post(officer, path)
    assert done.status_code == 201
    refunded = credits_text(Outage.objects.get().refunded)
    assert done.json()["refunded"] == [{"id": used.pk, "kind": "notebook", "refunded": refunded}]
    assert post(officer, path).json()["code"] == "outage_overlaps"
