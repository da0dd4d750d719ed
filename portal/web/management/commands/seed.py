from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.web.registry import registry


class Command(BaseCommand):
    """Write what an installation begins with; in the demo, one story of three enterprises."""

    help = "Write what an installation begins with. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        for _, function in registry.seeds:
            registry.call(function, demo=settings.DEMO)
