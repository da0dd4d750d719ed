"""
Prints an installation's balances as JSON: `python -m tests.support.ask_ledger award-7`.

With `--lapse`, holds whose time is over lapse first, and the books are proved.
"""

from __future__ import annotations

import io
import json
import os
import sys

import django


def main() -> None:
    """Print available, held, spent, the number of open holds and the most settlements any hold has."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from django.core.management import call_command
    from django.db.models import Count
    from django.utils import timezone

    from allocations.ledger.models import Account, Hold, Transfer
    from allocations.ledger.services import holds_expire
    from allocations.ledger.states import HoldState, Move

    if "--lapse" in sys.argv:
        holds_expire(at=timezone.now())
        call_command("ledger_verify", "--chain", stdout=io.StringIO())
    row = Account.objects.get(code=sys.argv[1])
    rows = Hold.objects.filter(account=row, state=HoldState.OPEN)
    settled = Transfer.objects.filter(account=row, kind__in=[Move.POST, Move.VOID]).values("settles").annotate(n=Count("pk"))
    print(
        json.dumps(
            {
                "granted": row.granted,
                "available": row.available,
                "held": row.held,
                "spent": row.spent,
                "unsent": rows.filter(expires_at__isnull=False).count(),
                "sent": rows.filter(expires_at__isnull=True).count(),
                "settlements_max": max((s["n"] for s in settled), default=0),
            }
        )
    )


if __name__ == "__main__":
    main()
