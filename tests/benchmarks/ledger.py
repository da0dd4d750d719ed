"""The ledger beside its floor. Run by `manage.py bench ledger`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.support.installation import ROOT, Installation, ledger_open
from tests.support.postgres import PostgresServer

ROUNDS, SECONDS, CLIENTS, SPREAD = 8, 1.5, 2, 1000


def say(name: str, ratio: float, aim: str, *facts: str) -> None:
    """One line per figure."""
    print(f"{name}: ratio {ratio:.2f} (aim {aim})  {'  '.join(facts)}", flush=True)


def run(*, long: bool) -> None:
    """All figures of the ledger, on a PostgreSQL server of this run's own."""
    with PostgresServer() as server, tempfile.TemporaryDirectory() as home:
        installation = Installation(Path(home), database_url=server.url("bench"))
        installation.migrate()
        names = [f"a-{number}" for number in range(SPREAD)]
        # The floor writes no true chains: it has tables of its own, so that ours can be verified afterwards.
        floor = Installation(Path(home), database_url=server.url("floor"))
        floor.migrate()
        for each in (installation, floor):
            ledger_open(each, **dict.fromkeys([*names, "hot"], 10**11))
        _throughput(installation, floor, "spread over 1,000 allocations", names)
        _throughput(installation, floor, "all on one hot allocation", ["hot"])
        large = Installation(Path(home), database_url=server.url("large"))
        large.migrate()
        ledger_open(large, **dict.fromkeys(names, 10**11))
        rows = 10_000_000 if long else 1_000_000
        _latency(installation, large, rows=rows)
        _verifying(installation, transfers=installation.transfers())
        _reading(installation, large, rows=rows)
        _ticking(Installation(Path(home), database_url=server.url("sessions")), sessions=10_000)


def _throughput(installation: Installation, floor_installation: Installation, name: str, accounts: list[str]) -> None:
    figures: dict[str, list[float]] = {"ours": [], "floor": []}
    places = {"ours": installation, "floor": floor_installation}
    for number in range(ROUNDS):
        for mode, found in figures.items():
            found.append(sum(f["per_second"] for f in _clients(places[mode], mode, accounts, f"{name[:3]}{number}")))
    ours, floor = median(figures["ours"]), median(figures["floor"])
    say(f"hold+post pairs, {name}", ours / floor, "≥ 0.5", f"{ours:.0f}/s beside {floor:.0f}/s of bare SQL, {CLIENTS} clients")


def _clients(
    installation: Installation, mode: str, accounts: list[str], name: str, *, clients: int = CLIENTS
) -> list[dict[str, Any]]:
    started = []
    for client in range(clients):
        share = accounts[client::clients] or accounts
        options = {"mode": mode, "accounts": share, "seconds": SECONDS, "name": f"{mode}-{name}-{client}"}
        argv = [sys.executable, "-m", "tests.benchmarks.ledger_client", json.dumps(options)]
        started.append(subprocess.Popen(argv, cwd=ROOT, env=installation.env, stdout=subprocess.PIPE, text=True))
    return [json.loads(client.communicate()[0]) for client in started]


def _latency(small: Installation, large: Installation, *, rows: int) -> None:
    """A move's latency does not grow with the table."""
    began = time.perf_counter()
    _fill(large, rows)
    filled = time.perf_counter() - began
    figures: dict[str, list[float]] = {"small": [], "large": []}
    for number in range(ROUNDS):
        for name, installation in (("small", small), ("large", large)):
            figures[name].append(_clients(installation, "ours", ["a-1"], f"{name}{number}", clients=1)[0]["median_s"])
    slow, fast = median(figures["large"]), median(figures["small"])
    say(
        f"latency of hold+post with {rows:,} transfers beside about 10,000",
        slow / fast,
        "≤ 1.2",
        f"{slow * 1000:.2f} ms beside {fast * 1000:.2f} ms; filled in {filled:.0f} s",
    )


def _reading(small: Installation, large: Installation, *, rows: int) -> None:
    """A page of a statement and a balance cost the same, in queries and in time, however long the account's history is."""
    _fill(small, 200)  # a whole page there too
    figures: dict[str, list[dict[str, Any]]] = {"small": [], "large": []}
    for number in range(3):
        figures["large"].append(_clients(large, "read", ["a-2"], f"l{number}", clients=1)[0])
        figures["small"].append(_clients(small, "read", ["a-2"], f"s{number}", clients=1)[0])
    for what, words in (("statement", "a page of the statement"), ("balance", "balance")):
        slow, fast = (median(f[f"{what}_s"] for f in figures[size]) for size in ("large", "small"))
        queries = {int(f[f"{what}_queries"]) for found in figures.values() for f in found}
        say(
            f"{words} of an account with {rows:,} transfers beside some hundred",
            slow / fast,
            "≤ 1.2",
            f"{slow * 1000:.2f} ms beside {fast * 1000:.2f} ms; {'/'.join(map(str, sorted(queries)))} queries",
        )


def _verifying(installation: Installation, *, transfers: int) -> None:
    """Memory of `ledger_verify --chain`, which must not grow with transfers."""
    began = time.perf_counter()
    argv = [sys.executable, "-m", "tests.support.peak_memory", "ledger_verify", "--chain"]
    done = subprocess.run(argv, cwd=ROOT, env=installation.env, capture_output=True, text=True, check=True)
    peak = int(done.stdout.split()[-1]) / 1024
    seconds = time.perf_counter() - began
    say(
        f"memory of ledger_verify --chain over {transfers:,} transfers beside 200 MB",
        peak / 200,
        "≤ 1",
        f"{peak:.0f} MB, {seconds:.0f} s",
    )


def _ticking(installation: Installation, *, sessions: int) -> None:
    """One tick over many live sessions: a look is applied, people and allocations are checked, nothing is due."""
    installation.migrate()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.tick", str(sessions)],
        cwd=ROOT,
        env=installation.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    say(
        f"queries of a tick over {sessions:,} live sessions beside 100",
        figures["queries"] / figures["queries_few"],
        "≤ 1",
        f"{figures['queries']} queries, {figures['tick_s']:.2f} s; settling {figures['settled']} that ended together took "
        f"{figures['settle_s']:.1f} s, {figures['settle_queries']:.0f} queries each",
    )


def _fill(installation: Installation, rows: int) -> None:
    import psycopg

    with psycopg.connect(installation.env["COMMONS_DATABASE_URL"], autocommit=True) as connection:
        account = connection.execute("SELECT id FROM ledger_account WHERE code = 'a-2'").fetchone()
        assert account is not None
        connection.execute(
            "INSERT INTO ledger_transfer (id, kind, account_id, amount, resource, subject, explanation, reason, by, at,"
            " available_after, held_after, spent_after, seq, prev_hash, hash)"
            " SELECT 'fill-' || n, 'grant', %s, 1, '', 'session:' || n, '{}', 'x', 'x', now(), 0, 0, 0,"
            " 1000000 + n, md5(n::text), md5(n::text) FROM generate_series(1, %s) n",
            (account[0], rows),
        )
        connection.execute("ANALYZE ledger_transfer")
