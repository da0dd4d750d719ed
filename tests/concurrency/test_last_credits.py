"""Many clients race for one allocation's last credits: real processes, real threads, real databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installation import Installation, ledger_ask, ledger_open, summary
from tests.support.postgres import PostgresServer


def race(installation: Installation, *, processes: int, threads: int, attempts: int, credits: int) -> dict[str, int]:
    """Let clients race; return what they counted, after proving the books."""
    installation.migrate()
    ledger_open(installation, award_7=credits)
    clients = [
        installation.spend(name=f"c{number}", threads=threads, attempts=attempts, account="award-7")
        for number in range(processes)
    ]
    totals: dict[str, int] = {}
    for client in clients:
        for outcome, times in summary(client).items():
            totals[outcome] = totals.get(outcome, 0) + times
    assert installation.manage("ledger_verify", "--chain", check=False).returncode == 0
    return totals


def check(installation: Installation, totals: dict[str, int], *, tries: int, credits: int) -> None:
    """Every try had an answer, no try an error; the credits were spent to the last one that fits, and not one more."""
    assert not [outcome for outcome in totals if outcome.startswith("error")], totals
    assert sum(totals.values()) == tries
    assert totals["exceeds_available"] > 0
    asked = ledger_ask(installation, "award-7")
    assert asked["granted"] == credits
    assert asked["available"] + asked["held"] + asked["spent"] == credits
    assert asked["available"] in (0, 1, 2)
    assert asked["held"] == 0
    assert asked["settlements_max"] == 1


def test_64_clients_make_10_000_attempts_on_postgresql(postgres: PostgresServer, tmp_path: Path) -> None:
    installation = Installation(tmp_path, database_url=postgres.url("race"))
    totals = race(installation, processes=8, threads=8, attempts=157, credits=3000)
    check(installation, totals, tries=8 * 8 * 157, credits=3000)


@pytest.mark.timeout(600)
def test_8_processes_race_on_sqlite(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    totals = race(installation, processes=8, threads=1, attempts=250, credits=700)
    check(installation, totals, tries=8 * 250, credits=700)
