"""Searching a catalogue of 100,000 datasets (10,000 without `--long`): queries and milliseconds of each page."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.installation import ROOT, Installation
from tests.support.postgres import PostgresMissing, PostgresServer

from .figures import say

QUERIES = 14


def run(*, long: bool) -> None:
    """On SQLite and, where there is one, on PostgreSQL."""
    count = 100_000 if long else 10_000
    with tempfile.TemporaryDirectory(prefix="commons-bench-") as folder:
        _measure(Installation(Path(folder) / "sqlite"), count)
        try:
            with PostgresServer() as server:
                _measure(Installation(Path(folder) / "postgres", database_url=server.url("catalogue")), count)
        except PostgresMissing as missing:
            print(f"PostgreSQL: not measured, {missing}")


def _measure(installation: Installation, count: int) -> None:
    installation.manage("prepare")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.measure_catalogue", str(count)],
        cwd=ROOT,
        env=installation.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{found['database']}: {count} datasets, made in {found['made_s']:.0f} s")
    for page in found["pages"]:
        few, many = page["queries_few"], page["queries"]
        facts = (f"{page['ms']:.0f} ms", f"{many} queries, {few} when there are three", f"{page['found']} found")
        say(f"catalogue {page['name']}, queries", many / QUERIES, f"≤ 1, that is {QUERIES}", *facts)
