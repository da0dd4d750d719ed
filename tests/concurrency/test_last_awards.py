"""Officers award the last credits of a pool at once, each application by two of them: real threads, real databases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.installation import ROOT, Installation
from tests.support.postgres import PostgresServer


def race(installation: Installation) -> dict[str, object]:
    """Six applications of 200 credits, a pool of 1,000, twelve decisions at once."""
    installation.manage("migrate", "-v0")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.award_race"],
        cwd=ROOT,
        env=installation.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert installation.manage("ledger_verify", "--chain", check=False).returncode == 0
    return json.loads(done.stdout.splitlines()[-1])


def check(found: dict[str, object]) -> None:
    """Five fit, each is awarded once, and nothing is half done."""
    outcomes = found["outcomes"]
    assert isinstance(outcomes, dict)
    assert not [outcome for outcome in outcomes if outcome.startswith("error")], outcomes
    assert sum(outcomes.values()) == 12
    assert outcomes["awarded"] == 5
    rest = {key: found[key] for key in ("left", "decisions", "allocations", "awarded", "undecided")}
    assert rest == {"left": 0, "decisions": 5, "allocations": 5, "awarded": 5, "undecided": 1}


def test_two_officers_award_the_last_of_a_pool_on_postgresql(postgres: PostgresServer, tmp_path: Path) -> None:
    check(race(Installation(tmp_path, database_url=postgres.url("awards"))))


@pytest.mark.timeout(300)
def test_two_officers_award_the_last_of_a_pool_on_sqlite(tmp_path: Path) -> None:
    check(race(Installation(tmp_path)))
