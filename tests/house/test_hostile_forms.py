"""
Every field of every form is given what it was not made for: no error of ours, words instead, and what was written stays.

The forms are those of the pages (each page is opened by whoever may, its forms are read), and the fields each view asks for;
usual values stand in all other fields. Whatever happens is undone.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import models, transaction
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import Resolver404, resolve

from tests.support.routes import Route, pages
from tests.support.situation import Situation

from .test_who_may import bodies, elsewhere, table

pytestmark = pytest.mark.django_db(databases="__all__")
SCRIPT = "<script>alert(1)</script>"
HOSTILE = [
    "",
    "a\x00b\x1b[31m",
    SCRIPT,
    "\u202egnirts\u202c \U0001f4a9 ﷽",
    "x" * 1_000_000,
    "9" * 400,
    "²",  # a digit to Python, and no number
    "-1e999",
    "NaN",
    "2026-02-31",
]
KEPT = "Words that took an hour to write."


@dataclass
class Form:
    """A form as it stands on a page: where it goes, its fields with their values, which of them take long text."""

    action: str
    fields: dict[str, Any] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)


class Forms(HTMLParser):
    """Reads the forms of a page."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address, self.forms, self.inside = address, [], None  # type: ignore[var-annotated]
        self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form" and said.get("method", "").lower() == "post":
            self.inside = Form(said.get("action") or self.address)
            self.forms.append(self.inside)
        if self.inside is None:
            return
        name, kind = said.get("name", ""), said.get("type", "text")
        if tag == "option":
            if self.select and ("selected" in said or not self.inside.fields[self.select]):
                self.inside.fields[self.select] = said.get("value", "")
        elif not name or name == "csrfmiddlewaretoken":
            return
        elif tag == "select":
            self.select, self.inside.fields[name] = name, ""
        elif tag == "textarea":
            self.inside.texts.add(name)
            self.inside.fields[name] = KEPT
        elif tag == "input" and kind in ("radio", "checkbox"):
            if "checked" in said or name not in self.inside.fields:
                self.inside.fields[name] = said.get("value", "on")
        elif tag == "input" and kind not in ("submit", "file"):
            self.inside.fields[name] = said.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = None
        if tag == "select":
            self.select = ""


def whoever_may(line: str) -> str:
    """Of those who may, the one whose page it most likely is."""
    kinds = ["anonymous", "member", "manager", "owner", "rival", "assigned", "conflicted", "unassigned", "officer", "inside"]
    kinds += ["steward", "operator"]
    signs = dict(zip(kinds, table()[line], strict=True))
    wanted = ("owner", "officer", "steward", "operator", "assigned", "member", "anonymous")
    return next((kind for kind in wanted if signs[kind] == "+"), "owner")


class Desk:
    """Opens pages and sends forms as whoever may; undoes what happened."""

    def __init__(self, situation: Situation) -> None:
        self.situation, self.clients = situation, {}
        for kind, user in situation.people.items():
            self.clients[kind] = Client(headers={"host": settings.PORTAL_HOST})
            if user is not None:
                self.clients[kind].force_login(user)

    def address(self, route: Route) -> str:
        return route.address({**self.situation.values, **elsewhere(self.situation).get(route.name, {})})

    def send(self, kind: str, address: str, fields: dict[str, Any]) -> Any:
        with transaction.atomic():
            body = urlencode(fields, doseq=True)
            answer = self.clients[kind].generic("POST", address, body, "application/x-www-form-urlencoded")
            transaction.set_rollback(True)
        return answer

    def forms(self) -> dict[str, tuple[Form, str]]:
        """Each form that is anywhere: the name of its route → the form, and who sends it."""
        found: dict[str, tuple[Form, str]] = {}
        ours = {route.name: route for route in pages() if route.ours}
        for route in ours.values():
            if "GET" not in route.methods:
                continue
            kind, address = whoever_may(f"GET {route.name}"), self.address(route)
            with transaction.atomic():
                answer = self.clients[kind].get(address)
                transaction.set_rollback(True)
            if answer.status_code == 200 and "text/html" in answer.headers.get("Content-Type", ""):
                reader = Forms(address)
                reader.feed(answer.content.decode())
                for form in reader.forms:
                    self._note(form, kind, found)
        for route in ours.values():  # forms that this situation's pages do not show
            if "POST" in route.methods:
                form, _ = found.setdefault(route.name, (Form(self.address(route)), whoever_may(f"POST {route.name}")))
                form.fields |= {name: "" for name in asked_by(route) if name not in form.fields}
                usual = bodies(self.situation).get(f"POST {route.name}", {})
                form.fields |= {name: value for name, value in usual.items() if name not in form.texts}
        return found

    @staticmethod
    def _note(form: Form, kind: str, found: dict[str, tuple[Form, str]]) -> None:
        try:
            name = resolve(form.action.split("?")[0].split("#")[0]).view_name
        except Resolver404:
            return
        if not name.startswith(("account_", "mfa_")) and name not in found:
            found[name] = (form, kind)


def asked_by(route: Route) -> set[str]:
    """The fields a view asks for by name, and those of the forms it names."""
    view = resolve(re.sub(r"<[^>]+>", "1", route.pattern)).func
    view = inspect.unwrap(view)
    source, names = inspect.getsource(view), set()
    names |= set(re.findall(r'request\.POST(?:\.get|\.getlist)?[(\[]"([\w-]+)"', source))
    names |= set(re.findall(r'"([\w-]+)" in request\.POST', source))
    for word in set(re.findall(r"\b(\w+Form)\(", source)):
        names |= set(getattr(inspect.getmodule(view).__dict__.get(word), "base_fields", {}))
    return names


def fits(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    """PostgreSQL refuses what is longer than its column, and U+0000; SQLite keeps it. Here both refuse."""
    for column in sender._meta.concrete_fields:
        value = getattr(instance, column.attname, None)
        if isinstance(value, str):
            assert "\x00" not in value, f"{sender.__name__}.{column.name} holds U+0000"
            if isinstance(column, models.CharField) and column.max_length:
                assert len(value) <= column.max_length, f"{sender.__name__}.{column.name} is too long"


@pytest.mark.timeout(900)  # some thousands of requests
def test_no_field_of_any_form_breaks_anything(now: datetime, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    desk = Desk(Situation(now))
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    forms, wrong = desk.forms(), []
    posted = {route.name for route in pages() if route.ours and "POST" in route.methods and "site_" not in route.name}
    assert not posted - set(forms), "forms nobody found"
    pre_save.connect(fits)
    try:
        for name, (form, kind) in sorted(forms.items()):
            if "site_" in name:
                continue  # programs with a token send JSON there
            for which in form.fields:
                wrong += [f"{name}: {said}" for said in tried(desk, kind, form, which)]
    finally:
        pre_save.disconnect(fits)
    assert not wrong, "\n".join(wrong[:80])


def tried(desk: Desk, kind: str, form: Form, which: str) -> list[str]:
    """What went wrong when one field was given each hostile value."""
    wrong = []
    for hostile in HOSTILE:
        shown = f"{which} = {hostile[:20]!r}"
        try:
            answer = desk.send(kind, form.action, {**form.fields, which: hostile})
        except Exception as broken:
            wrong.append(f"{shown}: {type(broken).__name__} {broken}"[:200])
            continue
        page = answer.content.decode(errors="replace")
        if answer.status_code >= 500 and answer.status_code != 503:
            wrong.append(f"{shown}: {answer.status_code}")
        elif answer.status_code >= 400 and not page.strip():
            wrong.append(f"{shown}: {answer.status_code} without a word")
        if SCRIPT in page:
            wrong.append(f"{shown}: the page would run it")
        if answer.status_code == 422 and form.texts - {which} and KEPT not in page:
            wrong.append(f"{shown}: what stood in {sorted(form.texts - {which})} is lost")
    return wrong
