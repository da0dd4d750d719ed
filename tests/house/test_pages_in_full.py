"""Pages with one of everything on them, seen by each who may see them, the first time too: at most fifteen queries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.core.cache import caches
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal.accounts import services as accounts
from portal.accounts.models import Role, User
from portal.organisations.models import OrgRole
from portal.threads.services import message_post
from tests.support import portal
from tests.support.situation import Situation

pytestmark = pytest.mark.django_db(databases="__all__")
QUERIES_MAX = 14 if connections["default"].vendor == "sqlite" else 15  # the web session is among them on PostgreSQL
PAGES = {
    "/": ("member", "owner", "officer", "inside", "steward", "operator", "assigned", "all"),
    "/queue/": ("officer", "inside", "all"),
    "/applications/": ("member", "owner", "inside"),
    "/applications/{application}/": ("member", "owner", "officer"),
    "/applications/{decided}/": ("member", "owner", "officer"),
    "/applications/{decided}/decision/": ("owner", "officer"),
    "/allocations/": ("member", "owner", "inside"),
    "/enterprise/{firm}/": ("member", "owner", "officer"),
    "/enterprise/{firm}/facts/": ("owner", "officer"),
    "/reviews/": ("assigned", "all"),
    "/reviews/{review}/": ("assigned",),
    "/reports/": ("owner", "officer"),
    "/reports/{report}/": ("owner", "officer"),
}


def everything(now: datetime) -> User:
    """Somebody who holds every role and has an enterprise too."""
    user = portal.person("all", Role.OFFICER, at=now)
    for role in (Role.STEWARD, Role.OPERATOR, Role.REVIEWER):
        accounts.role_grant(user=user, role=role, by=None, at=now)
    return user


def test_no_page_asks_more_than_fifteen_questions(
    db: None, now: datetime, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    s = Situation(now)
    monkeypatch.setattr("django.utils.timezone.now", lambda: s.programme.now)
    people = {**s.people, "all": everything(now)}
    portal.member(s.programme.rivals_firm, people["all"], OrgRole.OWNER, at=now)  # type: ignore[arg-type]
    abouts = [f"application:{s.application.code}", f"application:{s.decided.code}", f"allocation:{s.allocation.code}"]
    for about in abouts:
        for by, staff in ((s.programme.colleague, False), (s.programme.second_officer, True), (s.programme.colleague, False)):
            message_post(about=about, title="", url="", text="Well?", staff=staff, to=[], by=by, at=now, due_on=now.date())
    names = {
        "application": s.application.code,
        "decided": s.decided.code,
        "firm": s.programme.firm.pk,
        "review": s.values["reviews/pk"],
        "report": s.values["reports/pk"],
    }
    over = {}
    for page, who in PAGES.items():
        for name in who:
            client = Client(headers={"host": portal_settings.PORTAL_HOST})
            client.force_login(people[name])  # type: ignore[arg-type]
            for turn in ("first", "second"):
                caches["local"].clear()
                with CaptureQueriesContext(connections["default"]) as seen:
                    assert client.get(page.format(**names)).status_code == 200, (page, name)
                if len(seen) > QUERIES_MAX:
                    over[f"{page} seen by {name}, the {turn} time"] = len(seen), [one["sql"][:400] for one in seen]
    counts = "\n".join(f"{name}: {found[0]}" for name, found in over.items())
    details = "\n".join(f"{name}\n  " + "\n  ".join(found[1]) for name, found in over.items())
    assert not over, f"{counts}\n{details}"
