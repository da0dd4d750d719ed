"""
The engine folder: what was ordered at this site, what is marked about it, and the journal of how it ended.

`<id>.order.json` is the order, `<id>.json` the journal, `<id>.ready`, `.stop`, `.deadline` are marks. Any process of the site
may read and write; every file is written by rename or once.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ..wire import RunOrder


class EngineFolder:
    """The files, whichever engine runs what they name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def journal(self, id: str) -> dict[str, Any] | None:
        """What the runner wrote last, or None before its first line."""
        try:
            return json.loads((self.folder / f"{id}.json").read_text())
        except FileNotFoundError:
            return None

    def order(self, id: str) -> RunOrder | None:
        """What was ordered."""
        try:
            return RunOrder.model_validate_json((self.folder / f"{id}.order.json").read_text())
        except FileNotFoundError:
            return None

    def mark_ready(self, id: str, at: float) -> float:
        """Write down the first moment the server was reachable; a second call answers the first moment."""
        return float(self.write_once(f"{id}.ready", repr(at)))

    def forget(self, *, older_than: float) -> None:
        """Remove the files of groups that ended before the given moment."""
        for path in self.folder.glob("*.order.json"):
            id = path.name.removesuffix(".order.json")
            if self._ended_before(id, older_than):
                for part in self.folder.glob(f"{id}.*"):
                    part.unlink(missing_ok=True)

    def _ended_before(self, id: str, moment: float) -> bool:
        # The journal is not written after its last line, so its file time is when the group ended.
        try:
            if (self.folder / f"{id}.json").stat().st_mtime >= moment:
                return False
            journal = self.journal(id)
        except (OSError, ValueError):
            return False
        return journal is not None and journal["ended"] is not None

    def _ready_mark(self, id: str) -> float | None:
        try:
            return float((self.folder / f"{id}.ready").read_text())
        except (OSError, ValueError):
            return None

    def write(self, name: str, text: str) -> None:
        """Write a file by rename, readable by its owner alone."""
        draft = self.folder / f"{name}.{os.getpid()}.{time.monotonic_ns()}.draft"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            handle.write(text)
        draft.replace(self.folder / name)

    def write_once(self, name: str, text: str) -> str:
        """Write a file that is not there yet, and return what it holds: whoever was first wins."""
        draft = self.folder / f"{name}.{os.getpid()}.{time.monotonic_ns()}.draft"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(text)
        try:
            os.link(draft, self.folder / name)
        except FileExistsError:
            text = (self.folder / name).read_text()
        finally:
            draft.unlink()
        return text
