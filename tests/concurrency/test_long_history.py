"""The books are proved within the memory of a small machine, however long the history is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.installation import ROOT, Installation, ledger_open
from tests.support.postgres import PostgresServer

LIMIT_MB, MAY_GROW_MB = 200, 12


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_the_memory_of_verifying_does_not_grow_with_the_history(
    postgres: PostgresServer, tmp_path: Path, database: str
) -> None:
    installation = Installation(tmp_path, database_url=postgres.url("long") if database == "postgresql" else "")
    installation.migrate()
    ledger_open(installation, short=1_000_000, long=1_000_000)
    few = _verify_mb(_grown(installation, "short", rounds=300))
    many = _verify_mb(_grown(installation, "long", rounds=20_000))
    assert installation.transfers() > 60_000
    assert many < LIMIT_MB
    assert many - few < MAY_GROW_MB, f"{few:.0f} MB for some hundred transfers, {many:.0f} MB for 60,000"


def _grown(installation: Installation, account: str, *, rounds: int) -> Installation:
    argv = [sys.executable, "-m", "tests.support.long_chain", account, str(rounds)]
    subprocess.run(argv, cwd=ROOT, env=installation.env, check=True)
    return installation


def _verify_mb(installation: Installation) -> float:
    """Peak memory of the command in MB."""
    argv = [sys.executable, "-m", "tests.support.peak_memory", "ledger_verify", "--chain"]
    done = subprocess.run(argv, cwd=ROOT, env=installation.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout.split()[-1]) / 1024
