from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Bring databases, static files and seeds to where today's code wants them; safe to repeat at every start."""

    help = "Migrate, collect static files and seed. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        for alias in settings.DATABASES:
            call_command("migrate", database=alias, verbosity=0)
        call_command("createcachetable", verbosity=0, **({"database": "volatile"} if "volatile" in settings.DATABASES else {}))
        call_command("collectstatic", verbosity=0, interactive=False)
        call_command("seed")
