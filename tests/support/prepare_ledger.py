"""Opens accounts in an installation's database: `python -m tests.support.prepare_ledger '{"award-7": 5000}'`."""

from __future__ import annotations

import json
import os
import sys

import django


def main() -> None:
    """Open and fund the accounts named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from django.utils import timezone

    from allocations.ledger import services

    from .ledger import accounts_open

    wanted = json.loads(sys.argv[1])
    now = timezone.now()
    accounts_open(*wanted, pool_amount=sum(wanted.values()) + 1, at=now)
    for name, amount in wanted.items():
        services.grant(id=f"grant-{name}", allocation=name, amount=amount, reason="award", by="officer", at=now)


if __name__ == "__main__":
    main()
