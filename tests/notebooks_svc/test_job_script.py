"""The batch script of a launch: it runs once, tells the hub its port while the server boots, leaves nothing when refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "notebooks_svc/agent/slurm/job.py"
ID = "s01arz3ndektsv4rrffq69g5fav"
# Writes down what it was told and when it began, and then lives until it is asked to end.
SERVER = (
    "import json,os,signal,sys,time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
    "json.dump(dict(os.environ, began=str(time.time())), open('server.draft', 'w')); os.rename('server.draft', 'server')\n"
    "time.sleep(30)\n"
)


class Hub(ThreadingHTTPServer):
    """Takes ports after `waits_s`, with the answer `says`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.waits_s, self.says = 0.0, 204
        self.told: list[tuple[str, str, Any]] = []
        self.answered_at = 0.0


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.append((self.path, self.headers["Authorization"], body))
        time.sleep(self.server.waits_s)
        self.server.answered_at = time.time()
        self.send_response(self.server.says)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def job(folder: Path, hub: Hub, *, seconds: int = 20, code: str = SERVER) -> subprocess.Popen[bytes]:
    """The script, as the scheduler would run it."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "COMMONS_PROCESS": ID,
        "COMMONS_ARGV": json.dumps([sys.executable, "-c", code]),
        "COMMONS_BIND": "127.0.0.1",
        "COMMONS_CALLBACK": f"http://127.0.0.1:{hub.server_address[1]}/hub/commons/port",
        "COMMONS_CALLBACK_SECRET": "the secret",
        "COMMONS_CALLBACK_S": str(seconds),
        "JUPYTERHUB_SERVICE_PREFIX": "/user/somebody/",
    }
    return subprocess.Popen([sys.executable, str(SCRIPT)], env=env, cwd=folder)


def told(folder: Path) -> dict[str, str]:
    """What the server wrote down."""
    end = time.monotonic() + 10
    while not (folder / "server").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    return json.loads((folder / "server").read_text())


def test_the_server_boots_while_the_hub_is_told_its_port_and_a_second_job_does_nothing(tmp_path: Path, hub: Hub) -> None:
    hub.waits_s = 1.5
    running = job(tmp_path, hub)
    env = told(tmp_path)
    assert job(tmp_path, hub).wait(10) == 0
    time.sleep(2)
    ((path, secret, body),) = hub.told
    assert (path, secret) == (f"/hub/commons/port/{ID}", "Bearer the secret")
    assert float(env["began"]) < hub.answered_at, "its boot did not wait for the hub"
    assert env["JUPYTERHUB_SERVICE_URL"] == f"http://127.0.0.1:{body['port']}/user/somebody/"
    assert not [name for name in env if name.startswith("COMMONS_") and name != "COMMONS_PROCESS"], "nor is the secret its own"
    running.send_signal(signal.SIGUSR1)
    assert running.wait(10) == 3, "asked to end, it ended as it wanted"


@pytest.mark.parametrize(("says", "code"), [(403, 77), (409, 77), (500, 76)])
def test_a_hub_that_will_not_have_it_leaves_no_server_behind(tmp_path: Path, hub: Hub, says: int, code: int) -> None:
    """Refused, or never answered rightly in its time."""
    hub.says = says
    pids = tmp_path / "pids"
    running = job(tmp_path, hub, seconds=1, code=f"import os; open({str(pids)!r}, 'w').write(str(os.getpid()))\n{SERVER}")
    assert running.wait(20) == code
    if pids.exists():  # refused at once, it may not have come so far
        assert not Path(f"/proc/{pids.read_text()}").exists()


def test_one_that_ends_while_it_boots_is_told_by_its_own_code(tmp_path: Path, hub: Hub) -> None:
    hub.says = 500
    began = time.monotonic()
    assert job(tmp_path, hub, code="raise SystemExit(9)").wait(20) == 9
    assert time.monotonic() - began < 10, "and nobody goes on asking the hub"
