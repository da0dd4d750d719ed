"""
One client of the benchmark: makes hold+post pairs for a while and prints how many per second.

    python -m tests.benchmarks.ledger_client '{"mode": "ours", "accounts": ["a-1", …], "seconds": 3, "name": "x"}'

`floor` makes the same inserts and updates by bare SQL through psycopg in the same number of transactions.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from datetime import UTC, datetime
from itertools import count, cycle
from typing import Any
from urllib.parse import urlsplit

HOLD = 50


def main() -> None:
    """Run as the options say."""
    options = json.loads(sys.argv[1])
    print(json.dumps({"ours": ours, "floor": floor, "read": read}[options["mode"]](options)))


def ours(options: dict[str, Any]) -> dict[str, float]:
    """Pairs per second through the ledger's services."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from allocations.ledger import services
    from tests.support.ledger import PROVIDER, RESOURCE

    def pair(account: str, id: str) -> None:
        at = datetime.now(UTC)
        services.hold(
            id=id,
            allocation=account,
            amount=HOLD,
            resource=RESOURCE,
            subject=id,
            at=at,
            expires_at=None,
            explanation={"text": "bench"},
        )
        services.post(id=f"{id}-post", hold=id, amount=30, provider=PROVIDER, at=at, explanation={"text": "bench"})

    return _run(pair, options)


def floor(options: dict[str, Any]) -> dict[str, float]:
    """Pairs per second by bare SQL: an insert, an insert and an update; an insert, an update and an update."""
    import psycopg

    url = urlsplit(os.environ["COMMONS_DATABASE_URL"])
    connection = psycopg.connect(url.geturl(), autocommit=False)
    cursor = connection.cursor()
    ids = dict(cursor.execute("SELECT code, id FROM ledger_account").fetchall())
    numbers = count(10_000_000 + hash(options["name"]) % 10**9 * 1000)
    insert = (
        "INSERT INTO ledger_transfer (id, kind, account_id, counter_id, amount, settles_id, resource, subject, explanation,"
        " reason, by, at, available_after, held_after, spent_after, seq, prev_hash, hash)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, '', '', %s, 0, 0, 0, %s, '', %s)"
    )
    provider = ids["provider:test"]

    def pair(account: str, id: str) -> None:
        at, key = datetime.now(UTC), ids[account]
        digest = hashlib.sha256(id.encode()).hexdigest()
        text = '{"text": "bench"}'
        cursor.execute(insert, (id, "hold", key, None, HOLD, None, "cpu", id, text, at, next(numbers), digest))
        cursor.execute(
            "INSERT INTO ledger_hold (transfer_id, account_id, amount, state, expires_at) VALUES (%s, %s, %s, 'open', NULL)",
            (id, key, HOLD),
        )
        cursor.execute(
            "UPDATE ledger_account SET available = available - %s, held = held + %s, head_hash = %s WHERE id = %s",
            (HOLD, HOLD, digest, key),
        )
        connection.commit()
        cursor.execute(insert, (f"{id}-post", "post", key, provider, 30, id, "cpu", id, text, at, next(numbers), digest))
        cursor.execute("UPDATE ledger_hold SET state = 'posted' WHERE transfer_id = %s AND state = 'open'", (id,))
        cursor.execute(
            "UPDATE ledger_account SET available = available + 20, held = held - %s, spent = spent + 30, head_hash = %s"
            " WHERE id = %s",
            (HOLD, digest, key),
        )
        connection.commit()

    return _run(pair, options)


def read(options: dict[str, Any]) -> dict[str, float]:
    """How long a page of the statement and a balance take, and how many queries."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from allocations.ledger import selectors

    account = options["accounts"][0]
    reads = {
        "statement": lambda: selectors.transfer_page(account=account, before_seq=None, limit=50),
        "balance": lambda: selectors.balance(code=account),
    }
    found: dict[str, float] = {}
    for name, one in reads.items():
        with CaptureQueriesContext(connection) as seen:
            one()
        found[f"{name}_queries"] = len(seen)
        times = []
        for _ in range(200):
            began = time.perf_counter()
            one()
            times.append(time.perf_counter() - began)
        found[f"{name}_s"] = sorted(times)[100]
    return found


def _run(pair: Any, options: dict[str, Any]) -> dict[str, float]:
    accounts, numbers = cycle(options["accounts"]), count()
    latencies = []
    for _ in range(20):
        pair(next(accounts), f"{options['name']}-warm-{next(numbers)}")
    end, pairs = time.perf_counter() + options["seconds"], 0
    began = time.perf_counter()
    while time.perf_counter() < end:
        one = time.perf_counter()
        pair(next(accounts), f"{options['name']}-{next(numbers)}")
        latencies.append(time.perf_counter() - one)
        pairs += 1
    latencies.sort()
    return {"per_second": pairs / (time.perf_counter() - began), "median_s": latencies[len(latencies) // 2]}


if __name__ == "__main__":
    main()
