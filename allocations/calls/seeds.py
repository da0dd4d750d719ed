"""The demo's calls, from the documents beside this file: two open, one to come."""

from __future__ import annotations

import json
from pathlib import Path

from django.utils import timezone

from allocations.catalogue.seeds import here

from . import services
from .models import Call

DEMO = Path(__file__).parent / "demo"
ORDER = ("scale", "build", "starter")  # the newest stands first in the list


def seed(*, demo: bool) -> None:
    """Publish the demo's calls; safe to repeat."""
    if not demo:
        return
    for slug in ORDER:
        if not Call.objects.filter(slug=slug).exists():
            document = json.loads((DEMO / f"{slug}.json").read_text())
            document["amounts"]["resources"] = [here(name) for name in document["amounts"]["resources"]]
            services.call_create(slug=slug, document=document, by=None, at=timezone.now(), published=True)
