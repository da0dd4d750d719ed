"""
A client of the ledger in a process of its own, with threads: holds, posts and voids on one allocation as fast as it can.

    python -m tests.support.spender '{"name": "c1", "threads": 8, "attempts": 100, "account": "award-7"}'

`stop_after` names a step after which it kills itself, as `kill -9` would: `hold`, `sent`, `post`, or in the middle of one,
before it is committed: `holding`, `posting`.
`patient` keeps trying while the database is away.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import django


def main() -> None:
    """Run as the options say and print a summary."""
    options = json.loads(sys.argv[1])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    totals: Counter[str] = Counter()
    threads = [threading.Thread(target=_spend, args=(options, number, totals)) for number in range(options.get("threads", 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(totals))


def _spend(options: dict[str, Any], number: int, totals: Counter[str]) -> None:
    from django.db import DatabaseError, InterfaceError, close_old_connections, connection

    dice = random.Random(f"{options['name']}-{number}")
    for attempt in range(options["attempts"]):
        id = f"{options['name']}-{number}-{attempt}"
        try:
            outcome = _attempt(options, id, dice)
        except (DatabaseError, InterfaceError) as error:
            outcome = f"error {type(error).__name__}: {str(error)[:80]}"
            if not options.get("patient"):
                totals[outcome] += 1
                continue
            outcome = "away"
            connection.close()
            time.sleep(0.2)
        totals[outcome] += 1
        close_old_connections()
    connection.close()


def _attempt(options: dict[str, Any], id: str, dice: random.Random) -> str:
    from django.utils import timezone

    from allocations.ledger import services
    from allocations.ledger.refusals import LedgerRefusal

    from .ledger import PROVIDER, RESOURCE

    now = timezone.now()
    amount = dice.randint(1, 3)
    try:
        with _dying_inside("holding", options):
            services.hold(
                id=id,
                allocation=options["account"],
                amount=amount,
                resource=RESOURCE,
                subject=id,
                at=now,
                expires_at=now + timedelta(seconds=options.get("life_s", 300)),
            )
        _die_after("hold", options)
        services.hold_mark_sent(id=id)
        _die_after("sent", options)
        if dice.random() < options.get("void_share", 0.5):
            services.void(id=f"{id}-void", hold=id, at=now, reason="not used")
            return "voided"
        with _dying_inside("posting", options):
            services.post(id=f"{id}-post", hold=id, amount=dice.randint(1, amount), provider=PROVIDER, at=now)
        _die_after("post", options)
    except LedgerRefusal as refusal:
        return str(refusal.code)
    return "posted"


@contextmanager
def _dying_inside(step: str, options: dict[str, Any]) -> Iterator[None]:
    """A transaction around a move that dies before it commits, where the options say so."""
    if options.get("stop_after") != step:
        yield
        return
    from django.db import transaction

    with transaction.atomic():
        yield
        os.kill(os.getpid(), signal.SIGKILL)


def _die_after(step: str, options: dict[str, Any]) -> None:
    if options.get("stop_after") == step:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
