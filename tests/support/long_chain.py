"""
Writes a long, true history to an allocation, faster than moves would: `python -m tests.support.long_chain award-7 20000`.

Each round is a hold of 3, a post of 2 and a correction of 1, as the moves write them.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import Any

import django

CHUNK = 2000


def main() -> None:
    """Add so many rounds to the account's chain."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from django.db import transaction

    from allocations.ledger.models import Account

    code, rounds = sys.argv[1], int(sys.argv[2])
    with transaction.atomic():
        account, provider = Account.objects.get(code=code), Account.objects.get(code="provider:test")
        for start in range(0, rounds, CHUNK):
            _rounds_add(account, provider, range(start, min(start + CHUNK, rounds)))
        account.save()


def _rounds_add(account: Any, provider: Any, numbers: range) -> None:
    from allocations.ledger.models import Hold, Transfer

    transfers, holds = [], []
    for number in numbers:
        id = f"long-{account.code}-{number}"
        account.available, account.held = account.available - 3, account.held + 3
        transfers.append(_transfer(account, id=id, kind="hold", amount=3))
        holds.append(Hold(transfer_id=id, account=account, amount=3, state="posted"))
        account.available, account.held, account.spent = account.available + 1, account.held - 3, account.spent + 2
        transfers.append(_transfer(account, id=f"{id}-end", kind="post", amount=2, counter=provider, settles=id))
        account.available, account.adjusted = account.available + 1, account.adjusted + 1
        words = {"counter": provider, "settles": f"{id}-end", "reason": "outage", "by": "officer"}
        transfers.append(_transfer(account, id=f"{id}-back", kind="adjust", amount=1, **words))
    Transfer.objects.bulk_create(transfers)
    Hold.objects.bulk_create(holds)


def _transfer(
    account: Any, *, kind: str, counter: Any = None, settles: str = "", reason: str = "", by: str = "", **values: Any
) -> Any:
    from allocations.ledger.chain import transfer_hash
    from allocations.ledger.models import Transfer

    account.seq += 1
    content = {
        **values,
        "kind": kind,
        "resource": "cpu",
        "subject": values["id"],
        "explanation": {"text": "2 h of 1 core"},
        "reason": reason,
        "by": by,
        "at": datetime(2026, 11, 2, tzinfo=UTC),
        "seq": account.seq,
        "available_after": account.available,
        "held_after": account.held,
        "spent_after": account.spent,
    }
    sides = {"account": account.code, "counter": counter.code if counter else "", "settles": settles}
    prev, account.head_hash = account.head_hash, transfer_hash({**content, **sides}, account.head_hash)
    keys = {"account_id": account.pk, "counter_id": counter.pk if counter else None, "settles_id": settles or None}
    return Transfer(**content, **keys, prev_hash=prev, hash=account.head_hash)


if __name__ == "__main__":
    main()
