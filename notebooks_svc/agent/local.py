"""
The local engine: process groups of this machine, each under a runner, known by files in the engine folder.

Any process of the site may start, mark, stop or look; the runner's lock and journal keep them consistent.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ..wire import LookItem, RunOrder
from .folder import EngineFolder

RUNNER = Path(__file__).with_name("runner.py")
LAUNCH_VARIABLE = "COMMONS_PROCESS"  # marks every process of a group, so that strays of a killed runner are found
INSTANCE_VARIABLE = "COMMONS_INSTANCE"
STARTING_S = 10.0  # how long an order without journal counts as starting


class AlreadyRan(Exception):
    """The id has ended before; an id runs once."""


class Engine(EngineFolder):
    """The process groups of this machine."""

    def start(self, order: RunOrder, env: dict[str, str]) -> None:
        """
        Start a process group, or do nothing when it runs already.

        :raises AlreadyRan: when it ran and ended
        """
        journal = self.journal(order.id)
        if journal is not None:
            if journal["ended"] is not None or not self.runner_lives(order.id):
                raise AlreadyRan(order.id)
            return
        if self.runner_lives(order.id):
            return
        self.write(f"{order.id}.order.json", order.model_dump_json())
        marked = {**env, LAUNCH_VARIABLE: order.id, INSTANCE_VARIABLE: order.instance}
        # The runner leads a session of its own: Ctrl-C at the supervisor and the death of the hub do not reach it.
        subprocess.Popen(
            [sys.executable, "-I", "-S", str(RUNNER), str(self.folder), order.id],
            env=marked,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def runner_lives(self, id: str) -> bool:
        """Whether a runner holds the id's lock."""
        try:
            handle = os.open(self.folder / f"{id}.lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def stop(self, id: str) -> None:
        """Ask the runner to end the group. Safe to repeat."""
        if (self.folder / f"{id}.order.json").exists():
            self.write_once(f"{id}.stop", repr(time.time()))

    def extend(self, id: str, deadline: float) -> bool:
        """Move the deadline; False when the group has ended."""
        if not self.runner_lives(id):
            return False
        self.write(f"{id}.deadline", repr(deadline))
        return True

    def look_one(self, id: str) -> LookItem | None:
        """One group: alive, gone, unknown; None when nothing of that name was ever ordered."""
        order = self.order(id)
        if order is None:
            return None
        try:
            journal = self.journal(id)
        except (OSError, ValueError):
            return LookItem(id=id, kind=order.kind, parent=order.parent, state="unknown")
        if journal is None:
            return self._look_unwritten(order)
        if journal["ended"] is None and not self.runner_lives(id):
            journal = self.journal(id) or journal  # it may have written its last line between the two looks
            if journal["ended"] is None:
                self._close_for_dead_runner(journal)
        return LookItem(
            id=id,
            kind=journal["kind"],
            parent=journal["parent"],
            state="alive" if journal["ended"] is None else "gone",
            started=journal["started"],
            ready_at=journal["ready_at"] or self._ready_mark(id),
            seen_alive=journal["seen_alive"],
            ended=journal["ended"],
            exit_code=journal["exit_code"],
            reason=journal["reason"],
        )

    def look(self, *, instance: str, since: float) -> tuple[list[LookItem], bool]:
        """Every group of this portal that lives or ended since; and whether nothing was unreadable."""
        items, complete = [], True
        for path in self.folder.glob("*.order.json"):
            id = path.name.removesuffix(".order.json")
            if self._ended_before(id, since):
                continue
            try:
                order, item = self.order(id), self.look_one(id)
            except (OSError, ValueError):
                complete = False
                continue
            if order is None or item is None or order.instance != instance or order.engine != "local":
                continue
            complete = complete and item.state != "unknown"
            items.append(item)
        return items, complete

    def sweep_strays(self, instance: str) -> int:
        """Kill processes of this portal whose runner is gone: they would run unpaid. Returns how many."""
        killed = 0
        for pid, id in _marked_processes(instance):
            if not self.runner_lives(id) and not self._of_a_scheduler(id):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        return killed

    def _of_a_scheduler(self, id: str) -> bool:
        """Whether it is a job of this same machine: the site in a box runs its jobs here, without runners."""
        order = self.order(id) if "/" not in id else None
        return order is not None and order.engine != "local"

    def _look_unwritten(self, order: RunOrder) -> LookItem:
        item = LookItem(id=order.id, kind=order.kind, parent=order.parent, state="alive")
        age = time.time() - (self.folder / f"{order.id}.order.json").stat().st_mtime
        if self.runner_lives(order.id) or age < STARTING_S:
            return item
        # The order was written and its runner died before the first line: nothing ever ran.
        return item.model_copy(update={"state": "gone", "ended": time.time() - age, "reason": "runner lost before it began"})

    def _close_for_dead_runner(self, journal: dict[str, Any]) -> None:
        _kill_marked(journal["instance"], journal["id"])
        journal.update(ended=journal["seen_alive"] or journal["started"], reason="runner lost")
        self.write(f"{journal['id']}.json", json.dumps(journal))


def _marked_processes(instance: str) -> list[tuple[int, str]]:
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            if os.stat(f"/proc/{name}").st_uid != os.geteuid():
                continue  # our runners run as we do: what another account runs is a scheduler's, whatever it is marked with
            environ = Path(f"/proc/{name}/environ").read_bytes()
            if RUNNER.name.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                continue
        except OSError:
            continue
        pairs = dict(part.split(b"=", 1) for part in environ.split(b"\0") if b"=" in part)
        if pairs.get(INSTANCE_VARIABLE.encode()) == instance.encode() and LAUNCH_VARIABLE.encode() in pairs:
            found.append((int(name), pairs[LAUNCH_VARIABLE.encode()].decode()))
    return found


def _kill_marked(instance: str, id: str) -> None:
    for pid, owner in _marked_processes(instance):
        if owner == id:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
