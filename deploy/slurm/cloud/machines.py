"""The stand-in cloud's machines: for each wish there is a slurmd, after a while that stands for booting."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..box import Box

TICK_S = 0.2
SWEEP_EVERY_S = 2.0


def machines_forever(box: Box) -> None:
    """Boot and stop machines as the wishes say, and have Slurm's power program look after them."""
    cloud, booting, swept = box.folder / "cloud", {}, 0.0
    while True:
        for node in box.settings.burst_nodes:
            wish = cloud / f"{node}.want"
            alive = box.pids().get(f"slurmd {node}")
            if not wish.exists():
                booting.pop(node, None)
                if alive:
                    box.node_stop(node)
            elif not alive and _boots(wish):
                began = booting.setdefault(node, time.monotonic())
                if time.monotonic() - began >= box.settings.boot_s:
                    booting.pop(node)
                    box.node_start(node, booted=True)
        if time.monotonic() - swept >= SWEEP_EVERY_S:
            swept = time.monotonic()
            etc = box.folder / "etc"
            box.run("/usr/bin/python3", etc / "burst.py", "--config", etc / "burst.json", "sweep", check=False)
        time.sleep(TICK_S)


def _boots(wish: Path) -> bool:
    """A machine whose wish says `broken` never comes up: for tests of that case."""
    try:
        return "broken" not in wish.read_text()
    except OSError:
        return False
