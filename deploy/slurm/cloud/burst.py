#!/usr/bin/env python3
"""
Slurm's ResumeProgram and SuspendProgram, and the sweep that makes up for what either missed.

    burst.py --config FILE resume|suspend HOSTLIST
    burst.py --config FILE sweep

Machines are counted against a cap in euros per hour before one is started. A machine that has not joined Slurm within
`boot_limit_s` is ended and another is started in its place, twice at most. Machines that carry the site's tag without a node
that should be on are ended: nothing runs untracked. Alone in its folder with its doors; standard library, boto3 for EC2.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

TRIES_MAX = 3
FRESH_S = 10.0  # a machine this young is left alone by the sweep: Slurm may not yet say that its node is powering up
UP = ("idle", "mixed", "allocated", "completing", "planned", "reserved", "draining", "drained")


class Burst:
    """The machines of one site's cloud nodes."""

    def __init__(self, config: dict, *, door=None, slurm: Callable[..., str] | None = None) -> None:
        self.config, self.folder = config, Path(config["state"])
        self.door = door or _door(config)
        self.slurm = slurm or self._slurm

    def resume(self, nodes: list[str]) -> list[str]:
        """Start a machine for each node that has none, as far as the cap allows. Returns the nodes that got one."""
        with self._lock():
            return self._resume(nodes)

    def _resume(self, nodes: list[str]) -> list[str]:
        have = {machine["node"] for machine in self.door.instances()}
        started = []
        for node in nodes:
            if node in have:
                continue
            cost = (len(have) + 1) * self.config["euros_per_hour"]
            if cost > self.config["cap_euros_per_hour"]:
                self._say(f"cap: {node} would make it {cost} euros an hour; it is not started")
                self.slurm("scontrol", "update", f"nodename={node}", "state=power_down_force", "reason=spending cap")
                continue
            instance = self.door.run(node)
            have.add(node)
            started.append(node)
            self._note(node, instance=instance, tries=self._read(node).get("tries", 0) + 1)
            self._say(f"resume {node} {instance}")
        return started

    def suspend(self, nodes: list[str]) -> None:
        """End the machines of these nodes."""
        with self._lock():
            ours = [machine["instance"] for machine in self.door.instances() if machine["node"] in nodes]
            self.door.terminate(ours)
            for node in nodes:
                (self.folder / f"{node}.machine").unlink(missing_ok=True)
                self._say(f"suspend {node}")

    def sweep(self) -> None:
        """Replace what never booted, end what nobody wants, tell Slurm new addresses."""
        with self._lock():
            states = self._states()
            if states is None:
                return  # unknown is not gone: the next sweep looks again
            for machine in self.door.instances():
                self._sweep_one(machine, states)

    def _sweep_one(self, machine: dict, states: dict[str, str]) -> None:
        node, age = machine["node"], time.time() - machine["started"]
        state = states.get(node, "")
        if age < FRESH_S:
            self._address(machine)
            return
        off = not state or (state.endswith("~") or ("power" in state and "up" not in state))
        if off:
            self._say(f"sweep {machine['instance']}: {node or 'no node'} is {state or 'unknown to Slurm'}, nobody wants it")
            self.door.terminate([machine["instance"]])
            return
        joined = state.rstrip("*#~%!@^-+$") in UP and not state.endswith(("#", "*"))
        if joined:
            if self._read(node).get("tries"):
                self._note(node, instance=machine["instance"], tries=0)
            return
        if age >= self.config["boot_limit_s"]:
            self._replace(machine)
        else:
            self._address(machine)

    def _replace(self, machine: dict) -> None:
        node = machine["node"]
        self.door.terminate([machine["instance"]])
        if self._read(node).get("tries", 1) >= TRIES_MAX:
            self._say(f"give up {node}: {TRIES_MAX} machines did not boot")
            self.slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=machines do not boot")
            return
        self._say(f"replace {machine['instance']}: {node} did not boot in {self.config['boot_limit_s']} s")
        self._resume([node])

    def _address(self, machine: dict) -> None:
        known = self._read(machine["node"])
        if machine["address"] and machine["address"] != known.get("address") and self.config["door"] != "stand-in":
            self.slurm("scontrol", "update", f"nodename={machine['node']}", f"nodeaddr={machine['address']}")
            self._note(machine["node"], **{**known, "address": machine["address"]})

    def _states(self) -> dict[str, str] | None:
        try:
            lines = self.slurm("sinfo", "-hN", "-o", "%N|%t|%T").splitlines()
        except (OSError, subprocess.SubprocessError):
            return None
        return {parts[0]: parts[2] for parts in (line.strip().split("|") for line in lines) if len(parts) == 3}

    def _slurm(self, *argv: str) -> str:
        env = {**os.environ, "SLURM_CONF": self.config["slurm_conf"]}
        return subprocess.run(argv, env=env, check=True, capture_output=True, text=True, timeout=15).stdout

    def _note(self, node: str, **facts: object) -> None:
        draft = self.folder / f".{node}.{os.getpid()}"
        draft.write_text(json.dumps(facts))
        draft.replace(self.folder / f"{node}.machine")

    def _read(self, node: str) -> dict:
        try:
            return json.loads((self.folder / f"{node}.machine").read_text())
        except (OSError, ValueError):
            return {}

    def _say(self, text: str) -> None:
        with (self.folder / "log").open("a") as log:
            log.write(f"{time.time():.2f} {text}\n")

    def _lock(self):
        handle = (self.folder / "lock").open("a")
        fcntl.flock(handle, fcntl.LOCK_EX)
        return handle


def _door(config: dict):
    if config["door"] == "ec2":
        from ec2 import EC2

        return EC2(config)
    from stand_in import StandIn

    return StandIn(config)


def main() -> None:
    """As Slurm calls it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("verb", choices=["resume", "suspend", "sweep"])
    parser.add_argument("hosts", nargs="?", default="")
    said = parser.parse_args()
    os.umask(0o022)
    burst = Burst(json.loads(said.config.read_text()))
    if said.verb == "sweep":
        burst.sweep()
        return
    nodes = burst.slurm("scontrol", "show", "hostnames", said.hosts).split()
    getattr(burst, said.verb)(nodes)


if __name__ == "__main__":
    main()
