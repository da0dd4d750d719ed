"""
Threads that race in one process over every kind of move at once: `python -m tests.support.racer '{"kind": "expiry", …}'`.

`expiry`: a clock that lets holds lapse races those that send them. What was sent must still be held.
`echo`: every thread sends the very same holds and settlements, first on a resource without a limit, then on one with.
`mixed`: holds, posts, voids, rolls, corrections, moves between allocations, returns, expiries, and one allocation that ends.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import django

COUNTING = threading.Lock()


def main() -> None:
    """Race as the options say; print what came of it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    options = json.loads(sys.argv[1])
    totals: Counter[str] = Counter()
    runs = {"expiry": _expiry, "echo": _echo, "mixed": _mixed}[options["kind"]]
    threads = [threading.Thread(target=_guarded, args=(runs, options, n, totals)) for n in range(options["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(totals))


def _guarded(run: Any, options: dict[str, Any], number: int, totals: Counter[str]) -> None:
    from django.db import DatabaseError, connection

    try:
        run(options, number, totals)
    except DatabaseError as error:
        totals[f"error {type(error).__name__}: {str(error)[:120]}"] += 1
    finally:
        connection.close()


def _expiry(options: dict[str, Any], number: int, totals: Counter[str]) -> None:
    from django.utils import timezone

    from allocations.ledger import services
    from allocations.ledger.models import Hold
    from allocations.ledger.refusals import LedgerRefusal

    if number == 0:  # the clock, ten seconds ahead, for as long as anybody sends
        while totals["over"] < options["threads"] - 1:
            totals["lapsed"] += services.holds_expire(at=timezone.now() + timedelta(seconds=10))
        return
    dice = random.Random(f"{options['name']}-{number}")
    for attempt in range(options["attempts"]):
        id, now = f"{options['name']}-{number}-{attempt}", timezone.now()
        services.hold(
            id=id, allocation="award-7", amount=1, resource="cpu", subject=id, at=now, expires_at=now + timedelta(seconds=5)
        )
        time.sleep(dice.random() * 0.02)
        try:
            services.hold_mark_sent(id=id)
        except LedgerRefusal:
            totals["refused"] += 1
            continue
        held = Hold.objects.get(pk=id).state == "open"
        with COUNTING:
            totals["sent"] += 1
            totals["sent and still held"] += held
    with COUNTING:
        totals["over"] += 1


def _echo(options: dict[str, Any], number: int, totals: Counter[str]) -> None:
    from django.utils import timezone

    from allocations.ledger import services

    for attempt in range(options["attempts"]):
        for resource in ("cpu", "gpu"):
            id, now = f"echo-{resource}-{attempt}", timezone.now()
            services.hold(id=id, allocation="award-7", amount=3, resource=resource, subject=id, at=now, expires_at=None)
            if attempt % 2:
                services.post(id=f"{id}-end", hold=id, amount=2, provider="provider:test", at=now)
            else:
                services.void(id=f"{id}-end", hold=id, at=now, reason="not used")
            with COUNTING:
                totals["done"] += 1


def _mixed(options: dict[str, Any], number: int, totals: Counter[str]) -> None:
    dice = random.Random(f"{options['name']}-{number}")
    for attempt in range(options["attempts"]):
        outcome = _one(options, f"{options['name']}-{number}-{attempt}", dice)
        with COUNTING:
            totals[outcome] += 1


def _one(options: dict[str, Any], id: str, dice: random.Random) -> str:
    from django.utils import timezone

    from allocations.ledger import services
    from allocations.ledger.refusals import LedgerRefusal

    from .ledger import PROVIDER

    now, account = timezone.now(), dice.choice(["award-1", "award-2", "award-3"])
    other = dice.choice([a for a in ("award-1", "award-2", "award-3") if a != account])
    deed = dice.choice(["spend"] * 6 + ["roll"] * 2 + ["move", "return", "expire", "roll up", "end"])
    try:
        if deed == "move":
            services.move(id=id, source=account, target=other, amount=dice.randint(1, 20), reason="x", by="x", at=now)
        elif deed == "return":
            services.give_back(id=id, allocation=account, amount=dice.randint(1, 5), reason="x", by="x", at=now)
        elif deed == "expire":
            services.holds_expire(at=now + timedelta(seconds=10))
        elif deed == "roll up":
            services.providers_roll_up(at=now)
        elif deed == "end":
            if dice.random() < 0.1:
                services.account_close(allocation="award-3", at=now, reason="over")
        else:
            amount = dice.randint(2, 30)
            expires = now + timedelta(seconds=5) if dice.random() < 0.3 else None
            services.hold(id=id, allocation=account, amount=amount, resource="cpu", subject=id, at=now, expires_at=expires)
            hold = id
            if deed == "roll":
                used = dice.randint(0, amount - 1)
                hold = f"{id}-r1"
                services.roll(id=f"{id}-post", hold=id, used=used, new_hold=hold, keep=amount - used, provider=PROVIDER, at=now)
                amount -= used
            charged = dice.randint(1, amount)
            services.settle(id=f"{hold}-post", hold=hold, amount=charged, provider=PROVIDER, at=now, reason="done")
            change = dice.randint(-10, 10)
            if change:
                services.adjust(id=f"{hold}-adj", corrects=f"{hold}-post", amount=change, reason="late", by="x", at=now)
    except LedgerRefusal as refusal:
        return str(refusal.code)
    return "done"


if __name__ == "__main__":
    main()
