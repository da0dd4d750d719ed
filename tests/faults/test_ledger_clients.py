"""Clients and the database are killed in the middle of moves: afterwards the books are exact."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.installation import Installation, ledger_ask, ledger_open, summary
from tests.support.postgres import PostgresServer

STEPS = ["holding", "hold", "sent", "posting", "post"]
# Open holds afterwards that were not sent, and that were.
LEFT = {"holding": (0, 0), "hold": (0, 0), "sent": (0, 1), "posting": (0, 1), "post": (0, 0)}


def killed_client(installation: Installation, *, step: str) -> dict[str, int]:
    """Run a client that kills itself after a step, let unsent holds lapse, prove the books, ask for balances."""
    installation.migrate()
    ledger_open(installation, award_7=1000)
    client = installation.spend(name="k", threads=1, attempts=5, account="award-7", stop_after=step, life_s=1, void_share=0)
    client.wait(60)
    assert client.returncode == -9
    time.sleep(1.1)
    return ledger_ask(installation, "award-7", lapse=True)


@pytest.mark.parametrize("step", STEPS)
def test_a_client_killed_between_two_moves_leaves_exact_books(postgres: PostgresServer, tmp_path: Path, step: str) -> None:
    installation = Installation(tmp_path, database_url=postgres.url(f"killed_{step}"))
    asked = killed_client(installation, step=step)
    assert asked["available"] + asked["held"] + asked["spent"] == 1000
    # Never sent: it has lapsed. Sent: it stays until it is settled, whatever the clock says.
    assert (asked["unsent"], asked["sent"]) == LEFT[step]
    assert (asked["held"] > 0) == (step in ("sent", "posting"))
    assert (asked["spent"] > 0) == (step == "post")
    assert asked["settlements_max"] <= 1


@pytest.mark.parametrize("step", STEPS)
def test_the_same_on_sqlite(tmp_path: Path, step: str) -> None:
    asked = killed_client(Installation(tmp_path), step=step)
    assert (asked["unsent"], asked["sent"]) == LEFT[step]


def test_postgresql_killed_and_restarted_in_the_middle_of_traffic(postgres: PostgresServer, tmp_path: Path) -> None:
    installation = Installation(tmp_path, database_url=postgres.url("cut"))
    installation.migrate()
    ledger_open(installation, award_7=100_000)
    clients = [
        installation.spend(name=f"p{n}", threads=4, attempts=250, account="award-7", patient=True, life_s=1) for n in range(2)
    ]
    for _ in range(3):
        time.sleep(2)
        postgres.kill()
        time.sleep(0.5)
        postgres.start()
    totals: dict[str, int] = {}
    for client in clients:
        for outcome, times in summary(client).items():
            totals[outcome] = totals.get(outcome, 0) + times
    assert totals.get("away", 0) > 0, "the database was never missed: the cut proved nothing"
    assert totals["posted"] > 0
    time.sleep(1.1)
    asked = ledger_ask(installation, "award-7", lapse=True)
    assert asked["available"] + asked["held"] + asked["spent"] == 100_000
    assert asked["unsent"] == 0
    assert asked["settlements_max"] == 1
