from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.web.registry import registry


class Command(BaseCommand):
    """Write what an installation begins with; in the demo, one story of three enterprises."""

    help = "Write what an installation begins with. Safe to repeat."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--volume", nargs="?", type=int, const=100, default=0, metavar="PERCENT", help="a programme of realistic size too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for _, function in registry.seeds:
            registry.call(function, demo=settings.DEMO)
        if options["volume"]:
            for function in registry.volumes:
                registry.call(function, percent=options["volume"])
