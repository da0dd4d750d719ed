from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from allocations.ledger.models import Root
from allocations.ledger.roots import root_line, root_seal_due


class Command(BaseCommand):
    """Print the signed roots as lines of JSON, for auditors to keep elsewhere."""

    help = "Print the signed roots of the ledger, one JSON line each. They are made once a day by themselves."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seal", action="store_true", help="make today's root now unless there is one")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["seal"]:
            root_seal_due(at=timezone.now())
        for root in Root.objects.order_by("number").iterator():
            self.stdout.write(json.dumps(root_line(root)))
