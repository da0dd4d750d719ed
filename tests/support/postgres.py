"""
A PostgreSQL server of the tests' own: loopback, a temporary folder, default settings but for trust and a port of its own.

    with PostgresServer() as server: server.url("name")
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


class PostgresMissing(Exception):
    """No PostgreSQL on this machine: says how to get it."""


def binary(name: str) -> str:
    """
    Where a PostgreSQL program lies.

    :raises PostgresMissing: naming the package
    """
    for folder in BINARIES:
        if (folder / name).exists():
            return str(folder / name)
    found = shutil.which(name)
    if found is None:
        raise PostgresMissing(f"{name} is not installed; apt-get install postgresql")
    return found


class PostgresServer:
    """Started on entry, stopped and removed on exit. `kill` and `start` are for tests of what survives."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="commons-pg-"))
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        # The server refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user)
        self.data = self.folder / "data"

    def __enter__(self) -> Self:
        self._as_user([binary("initdb"), "-D", str(self.data), "-A", "trust", "-U", "commons", "-E", "UTF8"])
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        argv = [binary("postgres"), "-D", str(self.data), "-p", str(self.port), "-k", str(self.folder)]
        argv += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "log_min_messages=fatal"]
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            # After a kill a backend that is still going away keeps the new server out: it ends, and is tried again.
            if self.process is None or self.process.poll() is not None:
                self.process = subprocess.Popen(argv, user=self.user if os.geteuid() == 0 else None, stderr=subprocess.DEVNULL)
            ready = subprocess.run([binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False)
            if ready.returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not start")

    def kill(self) -> None:
        """Kill the server and all its backends at once, as a power cut would."""
        assert self.process is not None
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in [str(self.process.pid), *children]:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def url(self, name: str) -> str:
        """The address of a database, made anew when it is not there."""
        self._sql(f'CREATE DATABASE "{name}"', check=False)
        return f"postgresql://commons@127.0.0.1:{self.port}/{name}"

    def _sql(self, statement: str, *, check: bool = True) -> None:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "commons", "-d", "postgres"]
        self._as_user(["psql", "-q", *where, "-c", statement], check=check)

    def _as_user(self, argv: list[str], *, check: bool = True) -> None:
        user = self.user if os.geteuid() == 0 else None
        subprocess.run(argv, user=user, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
