"""The demo's datasets, published like anybody's, and what the founder's award may read of them."""

from __future__ import annotations

import json
import logging
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from allocations.projects.models import Allocation
from portal.accounts.models import User
from portal.accounts.seeds import demo_email
from portal.organisations.seeds import FOUNDERS_FIRM

from . import publishing, services
from .demo.catalogue import DATASETS, NOTES, VERSION
from .models import Dataset

log = logging.getLogger(__name__)
SCRIPT = Path(__file__).parent / "demo" / "tables.py"


def seed(*, demo: bool) -> None:
    """Publish the demo's datasets and give the founder's award the open one. Safe to repeat."""
    for dataset in Dataset.objects.filter(published_at__isnull=False, search_text=""):
        publishing.newest_write(dataset)  # published before there was a search
    wanted = [
        entry for entry in DATASETS if demo and not Dataset.objects.filter(slug=entry["slug"], published_at__isnull=False)
    ]
    if not wanted:
        return
    environment = settings.HOME / "environments" / "base"
    with tempfile.TemporaryDirectory() as scratch:
        folder = _tables(environment, Path(scratch))
        if folder is None:
            log.warning("the demo's datasets are left out: there is no notebook environment in %s", environment)
            return
        facts = json.loads((folder / "facts.json").read_text())
        for entry in wanted:
            _publish(entry, folder / entry["slug"], facts[entry["slug"]])
    founders = Allocation.objects.filter(organisation__name=FOUNDERS_FIRM["name"]).order_by("pk").first()
    founder = User.objects.filter(email=demo_email("founder")).first()
    if founders is not None:
        services.requests_from_award(
            allocation=founders,
            slugs=[entry["slug"] for entry in wanted if entry["access_class"] == "open"],
            by=founder,
            purpose=founders.title,
            at=timezone.now(),
        )


def _tables(environment: Path, scratch: Path) -> Path | None:
    """The written tables: laid beside the environment when it was installed, or written now."""
    made = environment / "share" / "commons" / "demo"
    if (made / "facts.json").exists():
        return made
    python = environment / "bin" / "python"
    if not python.exists():
        return None
    subprocess.run([str(python), str(SCRIPT), str(scratch)], check=True)
    return scratch


def _publish(entry: dict[str, Any], folder: Path, files: list[dict[str, Any]]) -> None:
    now = timezone.now()
    steward = User.objects.get(email=demo_email("steward"))
    values = {key: value for key, value in entry.items() if key != "terms"}
    dataset = Dataset.objects.filter(slug=entry["slug"]).first()  # a start that was killed may have begun it
    if dataset is None:
        dataset = publishing.dataset_create(by=steward, at=now, steward=steward, **values)
    if "terms" in entry and not dataset.terms.exists():
        publishing.terms_publish(dataset=dataset, text=entry["terms"], by=steward, at=now)
    dataset.versions.all().delete()  # unpublished, or we would not be here
    version = publishing.version_create(dataset=dataset, name=VERSION, notes=NOTES, by=steward, at=now)
    for file in files:
        with (folder / file["path"]).open("rb") as source:
            publishing.file_add(version=version, facts=publishing.FileFacts(**file), source=source)
    publishing.version_publish(version=version, by=steward, at=now)
