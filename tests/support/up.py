"""The whole embedded demo in a state folder of its own: started, asked over HTTP, killed in parts, stopped."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any, Self

import httpx

from deploy.embedded.bootstrap import commons_home, notebook_environment, notebook_install, notebook_is_current
from deploy.embedded.layout import PORTS
from tests.support.migrated import tables_copy

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 150
CERTIFICATES = httpx.create_ssl_context()  # read once: to read them anew takes longer than most answers


def environments_ready() -> Path:
    """The notebook environment that all demos of one test run share; installed when it is not there."""
    home = Path(os.environ.get("COMMONS_TEST_ENVIRONMENTS") or ROOT / ".commons")
    home.mkdir(parents=True, exist_ok=True)
    if not notebook_is_current(home):
        notebook_install(home)
    assert commons_home()
    return notebook_environment(home).parent


def port_base_free(*, keep: bool = False) -> int:
    """
    A base whose ports are all free; with `keep` this process has it to itself until `port_base_give_back`, whoever else runs
    tests on this machine. Each worker, and each checkout, begins to look elsewhere. All lie below the ports that the system
    gives to outgoing connections (32768 and up): one of those may take a port between this look and the start.
    """
    begin = zlib.crc32(f"{ROOT} {os.environ.get('PYTEST_XDIST_WORKER')}".encode())
    for base in (12_000 + 500 * ((begin + step) % 40) for step in range(40)):
        lock = os.open(f"{tempfile.gettempdir()}/commons-ports-{os.getuid()}-{base}.lock", os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for offset in PORTS.values():
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
        except OSError:
            os.close(lock)
            continue
        if keep:
            _kept[base] = lock
        else:
            os.close(lock)
        return base
    raise RuntimeError("no free ports")


_kept: dict[int, int] = {}  # base → its lock, which the system opens when this process ends


def port_base_give_back(base: int) -> None:
    """Others may have it."""
    os.close(_kept.pop(base))


class Up:
    """One `manage.py up`, on tables that were made before, or `from_nothing`."""

    def __init__(
        self,
        home: Path | None = None,
        *,
        options: tuple[str, ...] = (),
        resource: str = "commons-cpu",
        from_nothing: bool = False,
    ) -> None:
        self.own_home, self.from_nothing = home is None, from_nothing
        self.home = home or Path(tempfile.mkdtemp(prefix="commons-up-"))
        self.options, self.resource = options, resource
        self.base = port_base_free(keep=True)
        self.env = {
            **os.environ,
            "COMMONS_HOME": str(self.home),
            "COMMONS_PORT_BASE": str(self.base),
            "COMMONS_DATABASE_URL": "",
        }
        self.portal = f"http://127.0.0.1:{self.base}"
        self.notebooks = f"http://localhost:{self.base + 100}"
        self.process: subprocess.Popen[str] | None = None
        self.tokens: dict[str, str] = {}
        self.said = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        port_base_give_back(self.base)
        if self.own_home:
            shutil.rmtree(self.home, ignore_errors=True)

    # --- the supervisor -------------------------------------------------------------------------------------------------

    def start(self) -> float:
        """Start and wait until it says it is up. Returns the seconds that took."""
        self.home.mkdir(parents=True, exist_ok=True)
        shared = self.home / "environments"
        if not shared.exists():
            shared.symlink_to(environments_ready())
        if not self.from_nothing:
            tables_copy(self.home)
        began = time.monotonic()
        log = (self.home / "up.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", *self.options],
            cwd=ROOT,
            env=self.env,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while time.monotonic() - began < START_LIMIT_S:
            self.said = (self.home / "up.log").read_text()
            if "Stop with Ctrl-C" in self.said:
                return time.monotonic() - began
            if self.process.poll() is not None:
                raise AssertionError(f"up ended with {self.process.returncode}:\n{self.said}")
            time.sleep(0.1)
        raise AssertionError(f"up did not come up:\n{self.said}")

    def stop(self) -> float:
        """Press Ctrl-C and wait. Returns the seconds until the process had ended."""
        if self.process is None or self.process.poll() is not None:
            return 0.0
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.said = (self.home / "up.log").read_text()
        return time.monotonic() - began

    def kill_supervisor(self) -> None:
        """`kill -9` of the supervisor."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def parts(self) -> dict[str, Any]:
        """What the supervisor wrote down of its parts."""
        return json.loads((self.home / "run" / "up.json").read_text())["parts"]

    def kill(self, part: str) -> None:
        """`kill -9` of a part."""
        os.kill(self.parts()[part]["pid"], signal.SIGKILL)

    def processes(self) -> list[str]:
        """Every process that belongs to this installation, in words."""
        instance = (self.home / "keys" / "instance_id").read_text()[:12].encode()
        marks = (f"COMMONS_UP={self.home}".encode(), b"COMMONS_INSTANCE=" + instance)
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                environ = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
                if any(mark in environ for mark in marks):
                    command = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if command:  # a zombie has none
                        found.append(f"{entry} {command}")
            except OSError:
                continue
        return found

    @property
    def password(self) -> str:
        """The demo people's password."""
        return (self.home / "keys" / "demo_password").read_text()

    # --- asking ---------------------------------------------------------------------------------------------------------

    def manage(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the door on this state folder."""
        return subprocess.run(
            [sys.executable, "manage.py", *argv], cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )

    def token(self, name: str) -> str:
        """A token of a demo person."""
        if name not in self.tokens:
            done = self.manage("token_create", f"{name}@commons.example")
            assert done.returncode == 0, done.stderr
            self.tokens[name] = done.stdout.strip()
        return self.tokens[name]

    def api(self, who: str, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Call the HTTP API as a demo person ("" for nobody)."""
        headers = {"Authorization": f"Bearer {self.token(who)}"} if who else {}
        return httpx.request(
            method,
            f"{self.portal}/api/v1{path}",
            headers={**headers, **kwargs.pop("headers", {})},
            timeout=30,
            verify=CERTIFICATES,
            **kwargs,
        )

    def launch(self, who: str = "colleague", **asked: Any) -> dict[str, Any]:
        """Launch `small` and wait until it is ready."""
        session = self.launch_only(who, **asked)
        return self.wait_session(session["id"], "ready", who=who)

    def launch_only(self, who: str = "colleague", **asked: Any) -> dict[str, Any]:
        """Launch `small` and return at once."""
        code = self.allocation(who)["id"]
        body = {"allocation": code, "resource": self.resource, "profile": "small", "minutes": 30, **asked}
        answer = self.api(who, "POST", "/sessions", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def allocation(self, who: str = "colleague") -> dict[str, Any]:
        """The person's oldest allocation."""
        return self.api(who, "GET", "/allocations").json()["items"][-1]

    def wait_session(self, id: str, *states: str, who: str = "colleague", limit_s: float = 60) -> dict[str, Any]:
        """Wait until the session is in one of the states."""
        end = time.monotonic() + limit_s
        session: dict[str, Any] = {}
        while time.monotonic() < end:
            try:
                session = self.api(who, "GET", f"/sessions/{id}").json()
            except httpx.HTTPError:  # the portal may be the part that was killed
                time.sleep(0.3)
                continue
            if session.get("state") in states:
                return session
            time.sleep(0.2)
        raise AssertionError(f"{id} is {session.get('state')}, not {states}: {session}")

    def notebook_token(self, id: str, who: str = "colleague") -> tuple[str, str]:
        """Address and token of a notebook server's own API."""
        answer = self.api(who, "POST", f"/sessions/{id}/token")
        assert answer.status_code == 201, answer.text
        return answer.json()["url"], answer.json()["token"]

    def verify(self) -> str:
        """Prove the books."""
        done = self.manage("ledger_verify", "--chain")
        assert done.returncode == 0, done.stderr
        return done.stdout
