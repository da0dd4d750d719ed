"""Every kind of move races every other: the books stay exact, nobody waits for ever, what was sent stays held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.installation import Installation, ledger_ask, ledger_open, race, summary
from tests.support.postgres import PostgresServer


def counted(clients: list[Any]) -> dict[str, int]:
    """What all clients counted; an error of the database in any of them fails."""
    totals: dict[str, int] = {}
    for client in clients:
        for outcome, times in summary(client).items():
            totals[outcome] = totals.get(outcome, 0) + times
    assert not [outcome for outcome in totals if outcome.startswith("error")], totals
    return totals


def test_a_hold_that_was_sent_never_lapses_however_close_the_clock_is(postgres: PostgresServer, tmp_path: Path) -> None:
    installation = Installation(tmp_path, database_url=postgres.url("expiry"))
    installation.migrate()
    ledger_open(installation, award_7=1_000_000)
    totals = counted([race(installation, kind="expiry", name=f"e{n}", threads=4, attempts=60) for n in range(2)])
    assert totals["sent"] > 0
    assert totals["lapsed"] > 0, "the clock never won: the race proved nothing"
    assert totals["sent and still held"] == totals["sent"]
    installation.manage("ledger_verify", "--chain")


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_every_move_races_every_other(postgres: PostgresServer, tmp_path: Path, database: str) -> None:
    url = postgres.url("mixed") if database == "postgresql" else ""
    installation = Installation(tmp_path, database_url=url)
    installation.migrate()
    ledger_open(installation, award_1=2000, award_2=2000, award_3=2000)
    threads, attempts = (4, 120) if database == "postgresql" else (2, 60)
    totals = counted([race(installation, kind="mixed", name=f"m{n}", threads=threads, attempts=attempts) for n in range(4)])
    assert totals["done"] > 100
    assert totals.get("exceeds_available", 0) + totals.get("allocation_not_active", 0) > 0
    installation.manage("ledger_verify", "--chain")


ECHOED = """
from allocations.ledger import services
services.lines_cover(allocation="award-7", caps={"gpu": 10**6})
"""


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_a_move_that_many_send_at_once_happens_once(postgres: PostgresServer, tmp_path: Path, database: str) -> None:
    """The same ids from all sides: whoever comes second finds it done, and counts nothing on the resource's limit."""
    url = postgres.url("echo") if database == "postgresql" else ""
    installation = Installation(tmp_path, database_url=url)
    installation.migrate()
    ledger_open(installation, award_7=10_000)
    installation.manage("shell", "-v0", "-c", ECHOED)
    threads, attempts = (4, 50) if database == "postgresql" else (2, 20)
    totals = counted([race(installation, kind="echo", name=f"x{n}", threads=threads, attempts=attempts) for n in range(3)])
    assert totals == {"done": 3 * threads * attempts * 2}
    asked = ledger_ask(installation, "award-7")
    assert (asked["held"], asked["spent"]) == (0, 2 * 2 * attempts // 2)
    installation.manage("ledger_verify", "--chain")


UNDONE = """
from django.db import connection, transaction
from django.utils import timezone
from allocations.ledger import services
from allocations.ledger.models import Account
from allocations.ledger.refusals import LedgerRefusal

def state():
    account = Account.objects.get(code="award-7")
    return account.available, account.held, account.seq

now = timezone.now()
words = {"allocation": "award-7", "amount": 5, "resource": "cpu", "subject": "s", "at": now, "expires_at": None}
seen = []
try:
    with transaction.atomic():
        services.hold(id="inside-another", **words)
        raise KeyError
except KeyError:
    seen.append(state())
services.hold(id="on-its-own", **words)
connection.close()
seen.append(state())
try:
    services.hold(id="on-its-own", **{**words, "subject": "other"})
except LedgerRefusal as refusal:
    seen.append(str(refusal.code))
with transaction.atomic():
    services.void(id="in-a-whole", hold="on-its-own", at=now, reason="x")
    seen.append(connection.in_atomic_block)
seen.append(state())
print(seen)
"""


def test_a_move_commits_by_itself_and_never_what_a_caller_may_still_undo(postgres: PostgresServer, tmp_path: Path) -> None:
    installation = Installation(tmp_path, database_url=postgres.url("commits"))
    installation.migrate()
    ledger_open(installation, award_7=100)
    said = installation.manage("shell", "-v0", "-c", UNDONE).stdout.splitlines()[-1]
    assert said == "[(100, 0, 1), (95, 5, 2), 'id_reused', True, (100, 0, 3)]"
