"""Events to the portal, kept on disk until the portal has taken them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import uuid
from pathlib import Path

import aiohttp

from ..wire import Events, SiteEvent

log = logging.getLogger(__name__)
BATCH = 50


class Spool:
    """
    A folder of events, one file each, named by time.

    :param url: the portal's address for events
    """

    def __init__(self, folder: Path, *, url: str, token: str) -> None:
        self.folder, self.url, self.token = folder, url, token
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def put(self, **fields: object) -> None:
        """Write an event down and wake the sender."""
        event = SiteEvent.model_validate({"id": uuid.uuid4().hex, "at": time.time(), **fields})
        name = f"{time.time_ns():020d}-{event.id}.json"
        draft = self.folder / f".{name}"
        draft.write_text(event.model_dump_json())
        os.replace(draft, self.folder / name)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._send_forever())
        self._wake.set()

    async def close(self) -> None:
        """Stop sending; what is left is sent by the next process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def start(self) -> None:
        """Send what an earlier process left behind."""
        if any(self.folder.glob("*.json")):
            self._task = asyncio.ensure_future(self._send_forever())

    async def _send_forever(self) -> None:
        pause = 0.2
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
            while True:
                files = sorted(self.folder.glob("*.json"))[:BATCH]
                if not files:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                if await self._send(http, files):
                    pause = 0.2
                else:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 10.0)

    async def _send(self, http: aiohttp.ClientSession, files: list[Path]) -> bool:
        events = Events(events=[SiteEvent.model_validate_json(path.read_text()) for path in files])
        try:
            async with http.post(
                self.url,
                data=events.model_dump_json(),
                headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            ) as answer:
                if answer.status != 200:
                    log.warning("portal answered %s to events; they wait", answer.status)
                    return False
        except (TimeoutError, aiohttp.ClientError) as error:
            log.warning("portal unreachable (%s); events wait", error)
            return False
        for path in files:
            path.unlink(missing_ok=True)
        return True
