"""What a site in a box is like; kept in its folder, so that a second `up` means the same one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

FOLDER_DEFAULT = Path("/var/lib/commons-slurm")


@dataclass(frozen=True)
class BoxSettings:
    """
    Nodes, sizes and ports. `prefix` goes before node names: with it, another folder and other ports, a second box fits on
    one machine. `link` makes /etc/slurm/slurm.conf point here when that name is free, so that a plain `squeue` works.
    """

    port_base: int = 26800
    nodes: int = 2
    cloud_nodes: int = 2
    cpus: int = 4
    memory_mib: int = 16384
    gpus: int = 2
    suspend_s: int = 60
    boot_s: float = 2.0
    cluster: str = "commons"
    prefix: str = ""
    link: bool = True
    # Billing units are credits per hour: what the portal charges and what Slurm counts are then one number.
    billing: str = "CPU=4.0,Mem=1.0G,GRES/gpu=30.0"

    @property
    def hpc_nodes(self) -> list[str]:
        """Nodes that are always on."""
        return [f"{self.prefix}hpc{number}" for number in range(1, self.nodes + 1)]

    @property
    def burst_nodes(self) -> list[str]:
        """Nodes that are started when jobs wait for them."""
        return [f"{self.prefix}burst{number}" for number in range(1, self.cloud_nodes + 1)]

    @property
    def port_mysql(self) -> int:
        return self.port_base + 6

    @property
    def port_ctld(self) -> int:
        return self.port_base + 17

    @property
    def port_dbd(self) -> int:
        return self.port_base + 19

    @property
    def port_nodes(self) -> int:
        return self.port_base + 30


def settings_read(folder: Path, **said: Any) -> BoxSettings:
    """The kept settings with what is said now over them."""
    path = folder / "settings.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    known = {field.name for field in fields(BoxSettings)}
    chosen = {name: value for name, value in said.items() if value is not None}
    return BoxSettings(**{**{name: value for name, value in kept.items() if name in known}, **chosen})


def settings_write(folder: Path, settings: BoxSettings) -> None:
    """Keep them."""
    (folder / "settings.json").write_text(json.dumps(asdict(settings), indent=1))
