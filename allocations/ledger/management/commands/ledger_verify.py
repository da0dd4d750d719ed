from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from allocations.ledger.guards import TriggersMissing
from allocations.ledger.roots import FILE_NAME
from allocations.ledger.verify import Difference, verify


class Command(BaseCommand):
    """Recompute every balance from the transfers; exit non-zero with the first difference."""

    help = "Recompute all balances from the transfers and prove that their sum is zero."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--chain", action="store_true", help="also recompute every hash and prove every signed root")
        parser.add_argument(
            "--roots", action="append", default=[], type=Path, help="a file of roots kept elsewhere; may repeat"
        )
        parser.add_argument("--public-key", default="", help="who must have signed the roots; this installation otherwise")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            missing = [path for path in options["roots"] if not path.exists()]
            if missing:
                raise CommandError(f"there is no file {missing[0]}")
            own = Path(settings.HOME) / FILE_NAME
            report = verify(chain=options["chain"], copies=[own, *options["roots"]], public_key=options["public_key"])
        except (Difference, TriggersMissing) as wrong:
            raise CommandError(str(wrong)) from wrong
        proved = f" {report.roots} signed roots hold." if options["chain"] else ""
        self.stdout.write(
            f"{report.transfers} transfers on {report.accounts} accounts agree; the sum is {report.total}.{proved}"
        )
