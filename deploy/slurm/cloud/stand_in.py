"""The door to the stand-in cloud: a machine is a wish file, `<node>.want`, that another process turns into a running slurmd."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path


class StandIn:
    """Machines of this computer. With `broken-next` in the folder, that many next machines never boot."""

    def __init__(self, config: dict) -> None:
        self.folder = Path(config["state"])

    def run(self, node: str) -> str:
        """Start a machine for a node; returns its id."""
        instance = f"i-{uuid.uuid4().hex[:17]}"
        wish = {"instance": instance, "node": node, "started": time.time(), "state": "broken" if self._broken() else "running"}
        draft = self.folder / f".{node}.{instance}"
        draft.write_text(json.dumps(wish))
        draft.replace(self.folder / f"{node}.want")
        return instance

    def terminate(self, instances: list[str]) -> None:
        """End machines; unknown ones are no trouble."""
        for path in self.folder.glob("*.want"):
            if self._read(path).get("instance") in instances:
                path.unlink(missing_ok=True)

    def instances(self) -> list[dict]:
        """Every machine of this site: instance, node, when it was started, its address."""
        found = [self._read(path) for path in sorted(self.folder.glob("*.want"))]
        return [
            {"instance": w["instance"], "node": w["node"], "started": w["started"], "address": "127.0.0.1"} for w in found if w
        ]

    def _read(self, path: Path) -> dict:
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError):
            return {}

    def _broken(self) -> bool:
        path = self.folder / "broken-next"
        try:
            left = int(path.read_text())
        except (OSError, ValueError):
            return False
        path.write_text(str(left - 1)) if left > 1 else path.unlink()
        return True
