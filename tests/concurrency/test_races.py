"""Every kind of move races every other: the books stay exact, nobody waits for ever, what was sent stays held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.installation import Installation, ledger_open, race, summary
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
