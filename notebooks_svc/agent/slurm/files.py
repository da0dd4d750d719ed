"""
What is known of Slurm jobs, as files that hub, gateway and agent share: orders, marks, journals, and the last look's answer.

A journal is written when accounting has the end of a job, and anew when accounting says otherwise later.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...wire import LookItem, RunOrder
from ..folder import EngineFolder

log = logging.getLogger("commons.slurm")
SNAPSHOT = "slurm.look"
TOLD = ("started", "ready_at", "ended", "exit_code", "reason", "record")


class SlurmFolder(EngineFolder):
    """The files of one cluster's jobs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._read: dict[str, Any] = {}
        self._read_version: tuple[int, int] | None = None

    # --- orders and marks ---------------------------------------------------------------------------------------------------

    def deadline_of(self, order: RunOrder) -> float | None:
        """When it is to end: moved, as ordered, or so many minutes after it was ready."""
        moved = self._number(order.id, "deadline")
        if moved is not None:
            return moved
        if order.deadline is not None:
            return order.deadline
        ready = self._ready_mark(order.id)
        return ready + 60 * order.minutes if ready is not None and order.minutes is not None else None

    def _open_orders(self) -> list[RunOrder]:
        found = []
        for path in self.folder.glob("*.order.json"):
            id = path.name.removesuffix(".order.json")
            if (self.folder / f"{id}.json").exists():
                continue
            with suppress(OSError, ValueError):
                order = self.order(id)
                if order is not None and order.engine == "slurm":
                    found.append(order)
        return found

    def _ordered_at(self, id: str) -> float:
        try:
            return (self.folder / f"{id}.order.json").stat().st_mtime
        except OSError:
            return time.time()

    def _job_of(self, id: str) -> int | None:
        number = self._number(id, "job")
        return int(number) if number is not None else None

    def _stop_of(self, id: str) -> dict[str, Any]:
        try:
            return json.loads((self.folder / f"{id}.stop").read_text())
        except (OSError, ValueError):
            return {}

    def _number(self, id: str, suffix: str) -> float | None:
        try:
            return float((self.folder / f"{id}.{suffix}").read_text())
        except (OSError, ValueError):
            return None

    def _closed_orders(self, *, since: float) -> list[RunOrder]:
        found = []
        for path in self.folder.glob("*.order.json"):
            id = path.name.removesuffix(".order.json")
            with suppress(OSError, ValueError):
                if (self.folder / f"{id}.json").stat().st_mtime < since:
                    continue
                order = self.order(id)
                if order is not None and order.engine == "slurm":
                    found.append(order)
        return found

    # --- journals ---------------------------------------------------------------------------------------------------------

    def _journal_write(
        self, id: str, *, ended: float, exit_code: int | None, reason: str, started: float | None, record: str = ""
    ) -> None:
        order = self.order(id)
        assert order is not None  # noqa: S101 (a journal is written for an order)
        journal = {
            "id": id,
            "kind": order.kind,
            "parent": order.parent,
            "instance": order.instance,
            "started": started,
            "ready_at": self._ready_mark(id),
            "deadline": self.deadline_of(order),
            "seen_alive": ended,
            "ended": ended,
            "exit_code": exit_code,
            "reason": reason,
            "record": record,
        }
        before = self.journal(id)
        if before is None:
            self.write_once(f"{id}.json", json.dumps(journal))
        elif record and any(before.get(name) != journal[name] for name in TOLD):
            log.warning("accounting says anew of %s: %s", id, {name: journal[name] for name in TOLD})
            self.write(f"{id}.json", json.dumps(journal))

    def _journal_item(self, id: str) -> LookItem | None:
        journal = self.journal(id)
        if journal is None or journal["ended"] is None:
            return None
        return LookItem(
            id=id,
            kind=journal["kind"],
            parent=journal["parent"],
            state="gone",
            started=journal["started"],
            ready_at=journal["ready_at"],
            seen_alive=journal["seen_alive"],
            ended=journal["ended"],
            exit_code=journal["exit_code"],
            reason=journal["reason"],
            deadline=journal["deadline"],
            source="scheduler" if journal.get("record") else "journal",  # what never began is not in accounting
            record=journal.get("record", ""),
        )

    # --- the last answer ----------------------------------------------------------------------------------------------------

    def _snapshot(self) -> dict[str, Any]:
        """The last answer, read again only when the file has changed."""
        path = self.folder / f"{SNAPSHOT}.json"
        try:
            stat = path.stat()
            version = (stat.st_mtime_ns, stat.st_ino)
            if version != self._read_version:
                self._read, self._read_version = json.loads(path.read_text()), version
        except (OSError, ValueError):
            return {"asked": 0.0, "seen": 0.0, "complete": False, "items": [], "jobs": []}
        return self._read

    def _snapshot_items(self) -> dict[str, LookItem]:
        return {item["id"]: LookItem.model_validate(item) for item in self._snapshot()["items"]}

    def _snapshot_item(self, id: str) -> LookItem | None:
        found = next((item for item in self._snapshot()["items"] if item["id"] == id), None)
        return LookItem.model_validate(found) if found else None

    def _snapshot_jobs(self, id: str) -> list[Any]:
        return [SimpleNamespace(**job) for job in self._snapshot()["jobs"] if job["name"] == id]

    def _snapshot_write(
        self, asked: float, *, complete: bool, items: list[LookItem], jobs: list[dict[str, Any]], seen: float | None = None
    ) -> None:
        data = {
            "asked": asked,
            "seen": asked if seen is None else seen,
            "complete": complete,
            "items": [item.model_dump() for item in items],
            "jobs": jobs,
        }
        self.write(f"{SNAPSHOT}.json", json.dumps(data))
