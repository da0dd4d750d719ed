"""
A part of the notebook server: passes the portal's words about the session's end on to JupyterLab, and notes when the notebook
is in use. In use is: a busy kernel, somebody who has it open, a program that computes.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.ioloop import PeriodicCallback

from .portal import CommonsError, session_plan

LOOK_EVERY_S = 30.0
COMPUTES = 0.05  # of one core: less than this is a program that waits
FRESH_S = 5.0  # several open windows ask the portal once


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "commons.jupyter"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Called by the notebook server at its start."""
    if not os.environ.get("COMMONS_SESSION"):
        return  # somebody's own JupyterLab, which ends when they like
    route = url_path_join(server.web_app.settings["base_url"], "commons", "session")
    server.web_app.add_handlers(".*$", [(route, PlanHandler)])
    use = Use(server)
    server.commons_use = PeriodicCallback(use.look, LOOK_EVERY_S * 1000)
    server.commons_use.start()


class PlanHandler(APIHandler):
    """`GET <server>/commons/session`: what JupyterLab is to say and do, in seconds from now."""

    _track_activity = False  # asked by an open window, not by a person
    _known: tuple[float, dict[str, Any]] | None = None

    @web.authenticated
    async def get(self) -> None:
        """As the portal plans it; nothing while it does not answer."""
        now = time.monotonic()
        if PlanHandler._known is None or now - PlanHandler._known[0] > FRESH_S:
            try:
                plan = await asyncio.to_thread(session_plan)
            except CommonsError:
                raise web.HTTPError(503, "the portal does not answer") from None
            PlanHandler._known = (now, plan)
        asked, plan = PlanHandler._known
        self.finish(json.dumps(plan_later(plan, now - asked)))


def plan_later(plan: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The same plan, so many seconds later."""
    messages = [{**message, "in_s": max(0.0, message["in_s"] - seconds)} for message in plan["messages"]]
    return {**plan, "messages": messages, "saves": [moment - seconds for moment in plan["saves"] if moment > seconds]}


class Use:
    """Tells the notebook server that it is in use, which tells the hub."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self._cpu: tuple[float, float] | None = None

    def look(self) -> None:
        """Look once."""
        if self._kernels_in_use() or self._computes():
            self.server.web_app.settings["last_activity_times"]["commons"] = datetime.now(UTC)

    def _kernels_in_use(self) -> bool:
        """Whether a kernel is busy, or somebody has one open."""
        kernels = self.server.kernel_manager
        return any(
            getattr(kernels.get_kernel(id), "execution_state", "idle") == "busy" or kernels._kernel_connections.get(id, 0)
            for id in kernels.list_kernel_ids()
        )

    def _computes(self) -> bool:
        """Whether programs of this session have computed since the last look: in a terminal, say, or behind a kernel."""
        now, used = time.monotonic(), cpu_seconds(os.environ["COMMONS_SESSION"])
        before, self._cpu = self._cpu, (now, used)
        return before is not None and (used - before[1]) / max(now - before[0], 1.0) > COMPUTES


def cpu_seconds(session: str) -> float:
    """Processor seconds of all living processes that carry the session's mark, the notebook server's own left out."""
    mark, total = f"COMMONS_SESSION={session}".encode(), 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    for entry in Path("/proc").glob("[0-9]*"):
        if entry.name == str(os.getpid()):
            continue
        try:
            if mark not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total
