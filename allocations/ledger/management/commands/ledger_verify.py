from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from allocations.ledger.guards import TriggersMissing
from allocations.ledger.verify import Difference, verify


class Command(BaseCommand):
    """Recompute every balance from the transfers; exit non-zero with the first difference."""

    help = "Recompute all balances from the transfers and prove that their sum is zero."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--chain", action="store_true", help="also recompute every hash: proves nothing was rewritten")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = verify(chain=options["chain"])
        except (Difference, TriggersMissing) as wrong:
            raise CommandError(str(wrong)) from wrong
        self.stdout.write(f"{report.transfers} transfers on {report.accounts} accounts agree; the sum is {report.total}.")
