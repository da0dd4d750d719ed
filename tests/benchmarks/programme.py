"""What pages of a programme of realistic size ask of the database, how long they take and what they weigh."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.installation import ROOT, Installation
from tests.support.postgres import PostgresMissing, PostgresServer

from .figures import say

QUERIES, QUERIES_PUBLIC, QUEUE_KB = 15, 10, 60


def run(*, long: bool) -> None:
    """On SQLite and, where there is one, on PostgreSQL; a tenth of the size unless `--long`."""
    percent = 100 if long else 10
    with tempfile.TemporaryDirectory(prefix="commons-bench-") as folder:
        _measure(Installation(Path(folder) / "sqlite"), percent)
        try:
            with PostgresServer() as server:
                _measure(Installation(Path(folder) / "postgres", database_url=server.url("programme")), percent)
        except PostgresMissing as missing:
            print(f"PostgreSQL: not measured, {missing}")


def _measure(installation: Installation, percent: int) -> None:
    installation.manage("prepare")
    began = time.monotonic()
    installation.manage("seed", "--volume", str(percent))
    seconds = time.monotonic() - began
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.measure_pages"],
        cwd=ROOT,
        env=installation.env,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{found['database']}: {percent} % of the volume, seeded in {seconds:.0f} s")
    for page in found["pages"]:
        facts = (f"{page['ms']:.0f} ms", f"{page['queries']} queries", f"{page['kb']} kB")
        most = QUERIES_PUBLIC if page["public"] else QUERIES
        say(f"{page['name']}, queries", page["queries"] / most, f"≤ 1, that is {most}", *facts)
    queue = next(page for page in found["pages"] if page["name"] == "review queue")
    say("review queue, weight", queue["kb"] / QUEUE_KB, f"≤ 1, that is {QUEUE_KB} kB", f"{queue['kb']} kB")
