"""
A real object store of the tests' own: Ceph RGW in a temporary folder, on free ports of this machine.

    with ObjectStore() as server: server.connection()

`COMMONS_OBJECTSTORE_DIR` names one that runs already: it is used and left running (saves its start while writing tests).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from portal.objects.s3_connection import S3Connection

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "objectstore" / "objectstore"
PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "ceph")


class ObjectStoreMissing(Exception):
    """No Ceph on this machine: says how to get it."""


class ObjectStore:
    """Started on entry, purged on exit."""

    def __init__(self) -> None:
        missing = [program for program in PROGRAMS if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
        if missing:
            raise ObjectStoreMissing(f"{missing[0]} is not installed; apt-get install ceph-mon ceph-osd radosgw ceph-common")
        self._connections: dict[tuple[bool, str], S3Connection] = {}
        running = os.environ.get("COMMONS_OBJECTSTORE_DIR")
        self.own = running is None
        self.folder = Path(running or tempfile.mkdtemp(prefix="commons-rgw-"))
        if not self.own:
            ports = re.search(
                r"endpoint=127\.0\.0\.1:(\d+) ssl_endpoint=127\.0\.0\.1:(\d+)", (self.folder / "ceph.conf").read_text()
            )
            assert ports is not None
            self.port, self.tls_port, self.env = int(ports[1]), int(ports[2]), dict(os.environ)
            return
        self.port, self.tls_port, monitor = _free_ports()
        self.env = {
            **os.environ,
            "COMMONS_OBJECTSTORE_DIR": str(self.folder),
            "COMMONS_OBJECTSTORE_PORT": str(self.port),
            "COMMONS_OBJECTSTORE_TLS_PORT": str(self.tls_port),
            "COMMONS_OBJECTSTORE_MON_PORT": str(monitor),
        }

    def __enter__(self) -> Self:
        try:
            self.verb("up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self.own:
            return
        self.verb("purge")
        shutil.rmtree(self.folder, ignore_errors=True)

    def verb(self, name: str) -> str:
        """Call the script; what it printed."""
        done = subprocess.run([str(SCRIPT), name], env=self.env, capture_output=True, text=True, check=False, timeout=180)
        if done.returncode != 0:
            logs = "".join(path.read_text(errors="replace")[-1500:] for path in (self.folder / "log").glob("*.log"))
            raise RuntimeError(f"objectstore {name}: {done.stderr[-1500:]}\n{logs}")
        return done.stdout

    def keys(self, user: str = "portal") -> tuple[str, str]:
        """Access key and secret of a user of the store: `portal` or `guest`."""
        lines = dict(line.split("=", 1) for line in (self.folder / "users" / user).read_text().splitlines())
        return lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]

    def connection(self, *, tls: bool = False, user: str = "portal") -> S3Connection:
        """How the portal speaks to it. The same one each time: making clients is slow."""
        if (tls, user) not in self._connections:
            url = f"https://127.0.0.1:{self.tls_port}" if tls else f"http://127.0.0.1:{self.port}"
            access_key, secret_key = self.keys(user)
            self._connections[tls, user] = S3Connection(url, access_key, secret_key, ca=str(self.ca) if tls else "")
        return self._connections[tls, user]

    def portal_env(self) -> dict[str, str]:
        """What an installation is told to use it."""
        access_key, secret_key = self.keys()
        return {
            "COMMONS_OBJECTS_URL": f"http://127.0.0.1:{self.port}",
            "COMMONS_OBJECTS_ACCESS_KEY": access_key,
            "COMMONS_OBJECTS_SECRET_KEY": secret_key,
            "COMMONS_OBJECTS_LOG": str(self.log),
        }

    @property
    def ca(self) -> Path:
        """The certificate of the TLS port."""
        return self.folder / "tls.crt"

    @property
    def log(self) -> Path:
        """The log of operations."""
        return self.folder / "log" / "ops.json"


def _free_ports() -> tuple[int, int, int]:
    """Two ports, and the first of a pair; held together, so that they differ."""
    for _ in range(50):
        with socket.socket() as one, socket.socket() as two, socket.socket() as three, socket.socket() as four:
            for probe in (one, two, three):
                probe.bind(("127.0.0.1", 0))
            try:
                four.bind(("127.0.0.1", three.getsockname()[1] + 1))
            except (OSError, OverflowError):
                continue
            return one.getsockname()[1], two.getsockname()[1], three.getsockname()[1]
    raise RuntimeError("no free ports")
