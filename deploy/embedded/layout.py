"""Where things lie in the state folder, and which port belongs to whom."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .bootstrap import ROOT, commons_home, fail

PORT_BASE_DEFAULT = 8000
# Offset from the base → what listens there. All move together with COMMONS_PORT_BASE.
PORTS = {
    "portal": 0,
    "notebooks": 100,
    "hub": 101,
    "files": 102,
    "agent": 103,
    "gateway": 110,
    "gateway_api": 111,
    "gateway_tcp": 112,
}


@dataclass(frozen=True)
class Layout:
    """One installation: its state folder and its ports."""

    home: Path
    port_base: int
    demo: bool
    site: str = "local"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def up_file(self) -> Path:
        return self.run / "up.json"

    def port(self, name: str) -> int:
        """The port of a listener."""
        return self.port_base + PORTS[name]

    @property
    def slurm_folder(self) -> Path:
        """Where the Slurm site lies: outside the state folder, because its accounts and daemons must pass through."""
        return Path(os.environ.get("COMMONS_SLURM_FOLDER") or f"/var/lib/commons-slurm-{self.port_base}").absolute()

    @property
    def site_home(self) -> Path:
        """Where hub, gateway and agent keep what is theirs: at a Slurm site they have a user and a folder of their own."""
        return self.home if self.site == "local" else self.slurm_folder / "site"

    @property
    def slurm_file(self) -> Path:
        """What hub, gateway and agent read of it."""
        return self.site_home / "slurm.json"

    @property
    def portal_url(self) -> str:
        return f"http://127.0.0.1:{self.port('portal')}"

    @property
    def notebooks_url(self) -> str:
        return f"http://localhost:{self.port('notebooks')}"

    def environment(self) -> dict[str, str]:
        """What every part is given."""
        return {
            **os.environ,
            "COMMONS_HOME": str(self.home),
            "COMMONS_PORT_BASE": str(self.port_base),
            "COMMONS_DEMO": "1" if self.demo else "0",
            "COMMONS_SITE": self.site,
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
        }


def layout_read(*, demo: bool | None = None, site: str | None = None) -> Layout:
    """
    The layout the environment and the state folder say.

    :param demo: what the command line says; None leaves it to the state folder, which remembers how it began
    :param site: "local" or "slurm", likewise
    """
    home = commons_home()
    said = os.environ.get("COMMONS_PORT_BASE", "")
    if said and not (said.isdigit() and 1024 <= int(said) <= 65_000):
        fail(f"COMMONS_PORT_BASE={said!r} is no port; choose a number from 1024 to 65000, for example 9000.")
    kept = _remembered(home, {"demo": demo, "site": site})
    return Layout(home, int(said) if said else PORT_BASE_DEFAULT, bool(kept["demo"]), str(kept["site"]))


DEFAULTS: dict[str, Any] = {"demo": True, "site": "local"}
KINDS = {True: "with the demo", False: "without the demo", "local": "on local processes", "slurm": "on Slurm"}


def _remembered(home: Path, said: dict[str, Any]) -> dict[str, Any]:
    """How this state folder began; it stays so."""
    path = home / "installation.json"
    try:
        kept = {**DEFAULTS, **json.loads(path.read_text())}
    except (OSError, ValueError):
        kept = {**DEFAULTS, **{name: value for name, value in said.items() if value is not None}}
        if home.exists():
            path.write_text(json.dumps(kept))
        return kept
    for name, value in said.items():
        if value is not None and value != kept[name]:
            fail(
                f"{home} began {KINDS[kept[name]]} and stays so. "
                f"For one {KINDS[value]} choose a new folder: COMMONS_HOME=/path python3 manage.py up"
            )
    return kept


def ports_check(layout: Layout) -> None:
    """End with one line when a port is taken."""
    for name in PORTS:
        port = layout.port(name)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                fail(
                    f"port {port} ({name}) is taken by another program. "
                    f"Move all ports together: COMMONS_PORT_BASE={layout.port_base + 1000} python3 manage.py up"
                )


def up_read(layout: Layout) -> dict[str, Any]:
    """What the running (or last) supervisor wrote down."""
    try:
        return json.loads(layout.up_file.read_text())
    except (OSError, ValueError):
        return {}
