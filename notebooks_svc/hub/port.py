"""
Where a job tells the port its server has. It can say one number, once, for its own launch; nothing else can be set from here.

(batchspawner's route sets any attribute of the spawner from a notebook's own token, the query command included: whoever may
open a notebook then runs commands as the hub. See docs/adr and the attack in tests/slurm.)
"""

from __future__ import annotations

import asyncio
import hmac
import json
from pathlib import Path

from tornado import web

from ..agent.folder import EngineFolder

PATH = r"/commons/port/(?P<launch>s[0-9a-hjkmnp-tv-z]{26})"
BODY_MAX = 200

_told: dict[str, asyncio.Event] = {}


def told(launch: str) -> asyncio.Event:
    """An event that is set when the launch's job has told its port."""
    return _told.setdefault(launch, asyncio.Event())


def forget(launch: str) -> None:
    """Nobody waits for it any more."""
    _told.pop(launch, None)


class PortHandler(web.RequestHandler):
    """`POST <hub>/commons/port/<launch>` with the launch's own secret and exactly `{"port": <1024-65535>}`."""

    def initialize(self, engine_folder: str) -> None:
        self.engine = EngineFolder(Path(engine_folder))

    def check_xsrf_cookie(self) -> None:
        """No cookie speaks here: the secret does."""

    def post(self, launch: str) -> None:
        said = self.request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not said or not hmac.compare_digest(said.encode(), self._secret(launch).encode()):
            raise web.HTTPError(403)
        port = self._port()
        first = int(self.engine.write_once(f"{launch}.port", str(port)))
        if launch in _told:
            _told[launch].set()
        if first != port:
            raise web.HTTPError(409, "another port was told before")
        self.set_status(204)

    def _secret(self, launch: str) -> str:
        try:
            return json.loads((self.engine.folder / f"{launch}.hub").read_text())["secret"]
        except (OSError, ValueError, KeyError):
            raise web.HTTPError(403) from None

    def _port(self) -> int:
        try:
            body = json.loads(self.request.body) if len(self.request.body) <= BODY_MAX else None
        except ValueError:
            body = None
        port = body.get("port") if isinstance(body, dict) and set(body) == {"port"} else None
        if type(port) is not int or not 1024 <= port <= 65535:
            raise web.HTTPError(400, "only an integer port from 1024 to 65535 is accepted")
        return port
