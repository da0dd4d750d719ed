"""An installation of its own for tests that run real processes: a state folder, a database, commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.support.migrated import migrated

ROOT = Path(__file__).resolve().parents[2]


class Installation:
    """A state folder on SQLite, or on the PostgreSQL database at `database_url`."""

    def __init__(self, home: Path, *, database_url: str = "") -> None:
        self.home = home
        self.env = {**os.environ, "COMMONS_HOME": str(home), "COMMONS_DATABASE_URL": database_url, "COMMONS_LOG_LEVEL": "ERROR"}
        self.env["PYTHONPATH"] = str(ROOT)

    def manage(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the door."""
        return subprocess.run(
            [sys.executable, "manage.py", *argv], cwd=ROOT, env=self.env, capture_output=True, text=True, check=check
        )

    def transfers(self) -> int:
        """How many transfers its ledger has."""
        code = "from allocations.ledger.models import Transfer; print(Transfer.objects.count())"
        return int(self.manage("shell", "-v0", "-c", code).stdout.split()[-1])

    def migrate(self) -> None:
        """Make the tables, as a copy of a database that was migrated once in this run: `migrate` costs seconds each time."""
        url = self.env["COMMONS_DATABASE_URL"]
        if not url:
            shutil.copy(migrated("default"), self.home / "portal.sqlite3")
            return
        server, name = url.rpartition("/")[0], urlsplit(url).path.removeprefix("/")
        copied = _migrated_database(server)
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{copied}"')

    def spend(self, **options: Any) -> subprocess.Popen[str]:
        """Start a client of the ledger (see `spender.py`); its last line of output is a JSON summary."""
        argv = [sys.executable, "-m", "tests.support.spender", json.dumps(options)]
        return subprocess.Popen(argv, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@lru_cache(maxsize=4)
def _migrated_database(server: str) -> str:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    with tempfile.TemporaryDirectory(prefix="commons-migrated-") as home:
        Installation(Path(home), database_url=f"{server}/migrated").manage("migrate", "-v0")
    return "migrated"


def race(installation: Installation, **options: Any) -> subprocess.Popen[str]:
    """Start a process of racing threads (see `racer.py`)."""
    argv = [sys.executable, "-m", "tests.support.racer", json.dumps(options)]
    return subprocess.Popen(argv, cwd=ROOT, env=installation.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def summary(client: subprocess.Popen[str], *, timeout_s: float = 300) -> dict[str, Any]:
    """What a client did, once it has ended."""
    out, err = client.communicate(timeout=timeout_s)
    assert client.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


def _module(installation: Installation, module: str, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.support.{module}", *argv],
        cwd=ROOT,
        env=installation.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def ledger_open(installation: Installation, **accounts: int) -> None:
    """Open and fund allocation accounts (underscores in names become dashes)."""
    _module(installation, "prepare_ledger", json.dumps({name.replace("_", "-"): amount for name, amount in accounts.items()}))


def ledger_ask(installation: Installation, account: str, *, lapse: bool = False) -> dict[str, int]:
    """An account's balances and holds, read by another process; with `lapse`, after holds lapsed and the books were proved."""
    return json.loads(_module(installation, "ask_ledger", account, *(["--lapse"] if lapse else [])))


def raced(installation: Installation, module: str) -> dict[str, Any]:
    """What a race of `tests.support` came to, on tables of its own; its books are proved before anything is said of it."""
    installation.migrate()
    out = _module(installation, module)
    installation.manage("ledger_verify", "--chain")
    return json.loads(out.splitlines()[-1])
