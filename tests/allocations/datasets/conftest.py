from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings

from allocations.datasets import publishing
from allocations.datasets.models import Dataset
from allocations.projects.models import Allocation
from portal.accounts.models import Role, User
from portal.audit.models import Letter
from portal.objects import door
from portal.objects.filesystem import FilesystemStore
from portal.organisations.models import OrgRole
from tests.support import portal


@dataclass
class Library:
    """Three datasets, one of each class, their steward, and a firm with an award."""

    now: datetime
    steward: User
    founder: User
    colleague: User
    rival: User
    allocation: Allocation
    rivals: Allocation

    def dataset(self, slug: str, access_class: str, *, terms: str = "", **values: Any) -> Dataset:
        """A published dataset with one CSV file."""
        facts: dict[str, Any] = {
            "title": slug.title(),
            "summary": f"About {slug}.",
            "access_class": access_class,
            "commercial_use": True,
            "licence": "CC-BY-4.0",
            "domain": "Climate",
            "publisher": "Somebody",
        }
        made = publishing.dataset_create(by=None, at=self.now, slug=slug, steward=self.steward, **{**facts, **values})
        if terms:
            publishing.terms_publish(dataset=made, text=terms, by=None, at=self.now)
        self.version(made, "1")
        made.refresh_from_db()
        return made

    def version(self, dataset: Dataset, name: str, body: bytes = b"a,b\n1,2\n") -> None:
        """Publish one more version."""
        version = publishing.version_create(dataset=dataset, name=name, notes="", by=None, at=self.now)
        facts = publishing.FileFacts("table.csv", rows=1, columns=[{"name": "kelvin", "type": "int64"}], preview=[["1", "2"]])
        publishing.file_add(version=version, facts=facts, source=io.BytesIO(body))
        publishing.version_publish(version=version, by=None, at=self.now)

    def letters(self, to: User) -> list[str]:
        """Subjects of what a person was written, oldest first."""
        return list(Letter.objects.filter(to=to.email).order_by("pk").values_list("subject", flat=True))


@pytest.fixture
def library(db: None, now: datetime, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Library:
    """See `Library`: `air` is open, `sea` registered, `faces` controlled."""
    monkeypatch.setattr(settings, "OBJECTS_ROOT", tmp_path / "objects")
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    monkeypatch.setattr(settings, "STORAGES", {**settings.STORAGES, "staticfiles": plain})
    store = FilesystemStore(tmp_path / "objects", settings.FILES_URL)
    for module in ("publishing", "downloads", "agreements", "uploading", "checking", "direct"):
        monkeypatch.setattr(f"allocations.datasets.{module}.store", lambda: store)
    assert door.store is not None
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    steward = portal.person("steward", Role.STEWARD, at=now)
    founder, colleague, rival = (portal.person(name, at=now) for name in ("founder", "colleague", "rival"))
    firm = portal.firm(founder, at=now)
    portal.member(firm, colleague, OrgRole.MEMBER, at=now)
    portal.machine_room(at=now)
    made = Library(
        now, steward, founder, colleague, rival, portal.award(firm, at=now), portal.award(portal.firm(rival, at=now), at=now)
    )
    made.dataset("air", "open")
    made.dataset("sea", "registered", terms="Be kind.")
    made.dataset("faces", "controlled", terms="Do not look for whom.")
    return made
