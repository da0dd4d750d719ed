"""
Starting through a batch scheduler: submit, wait for a place (hours, cancellable, free), wait for the server (minutes).

Everything that tells where a launch is lies in the engine folder: a hub that was killed at any moment goes on from there.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..agent.slurm.commands import SlurmRefused, SlurmSilent
from ..agent.slurm.engine import SlurmEngine
from ..agent.slurm.words import SITE_FAULTS
from ..wire import RunOrder, SessionSpec
from . import port
from .failing import NotStarted

ASK_AGAIN_S = (0.5, 1, 2, 5, 10)
LOOK_S = 2.0
BOOT_LOOK_S = 1.0


class BatchStart:
    """The part of the spawner that speaks to a scheduler."""

    if TYPE_CHECKING:
        name: str
        port: int
        api_token: str
        log: Any
        _message: str

        def __getattr__(self, name: str) -> Any: ...

    async def _batch_start(self, spec: SessionSpec) -> str:
        engine: SlurmEngine | None = self.engines.slurm
        if engine is None:
            raise NotStarted("site_error", "this site has no Slurm cluster")
        kept = self._kept_read()
        if kept is None:
            kept = {"api_token": self.api_token, "secret": secrets.token_urlsafe(32)}
            self._kept_write(kept)
        self.api_token = kept["api_token"]  # a job that was submitted before the hub died has this one
        await self._batch_submit(engine, spec, kept["secret"])
        host = await self._batch_place(engine)
        told = engine.port_of(self.name)
        assert told is not None  # noqa: S101 (`_batch_place` waited for it)
        self.port = told
        self._kept_write({**kept, "port": self.port, "host": host})
        return f"http://{host}:{self.port}"

    def _batch_without_a_place(self) -> bool:
        """
        Whether it still waits for a scheduler: there is no server yet that a restarted hub could find again.

        The hub then forgets it, the portal asks for it again, and `_batch_start` goes on where it was.
        """
        order = self.engines.order(self.name)
        return order is not None and order.engine == "slurm" and "port" not in (self._kept_read() or {})

    async def _batch_submit(self, engine: SlurmEngine, spec: SessionSpec, secret: str) -> None:
        """Submit once; while the scheduler is silent, ask again: an id that was taken after all runs only once."""
        home = engine.site.homes / spec.home
        environment = self._environment(spec, engine.site.environments)
        order = RunOrder(
            id=self.name,
            kind="session",
            parent="",
            instance=spec.instance,
            argv=self._argv(spec, home, environment, allow_root=False),
            cwd=str(home),
            log="",
            minutes=spec.minutes,
            boot_s=spec.boot_s,
            engine="slurm",
            batch=spec.batch,
        )
        env = self._batch_env(engine, spec, order, secret=secret, home=home, environment=environment)
        for attempt in range(10_000):
            try:
                await asyncio.to_thread(engine.start, order, env, self._home_wish(spec))
                return
            except SlurmRefused as refusal:
                raise NotStarted(refusal.code, refusal.words) from refusal
            except SlurmSilent as silence:
                self._message = "The scheduler does not answer just now; asking again. Nothing is charged while it waits."
                self.log.warning("submitting %s: %s", self.name, silence)
                await asyncio.sleep(ASK_AGAIN_S[min(attempt, len(ASK_AGAIN_S) - 1)])

    def _batch_env(
        self, engine: SlurmEngine, spec: SessionSpec, order: RunOrder, *, secret: str, home: Path, environment: Path
    ) -> dict[str, str]:
        env: dict[str, str] = self._server_env(spec, home, environment)
        return env | {
            "COMMONS_PROCESS": order.id,
            "COMMONS_INSTANCE": order.instance,
            "COMMONS_ARGV": json.dumps(order.argv),
            "COMMONS_BIND": engine.site.bind,
            "COMMONS_CALLBACK": engine.site.callback_url,
            "COMMONS_CALLBACK_SECRET": secret,
            "COMMONS_CALLBACK_S": str(spec.boot_s),
        }

    async def _batch_place(self, engine: SlurmEngine) -> str:
        """Wait until the job has told its port, and say where its node is reached."""
        told = port.told(self.name)
        try:
            while True:
                known = engine.port_of(self.name)
                look = engine.look_fresh if known is not None else engine.look_one
                item = await asyncio.to_thread(look, self.name)
                if item is not None and item.state == "gone":
                    raise NotStarted(_failure(item.reason), f"the job ended ({item.reason}). {self._log_tail()}")
                if item is not None and known is not None and item.node:
                    return engine.site.address_of(item.node)
                if item is not None and item.waiting:
                    self._message = item.waiting + _estimate(item.starts)
                elif item is not None and item.started is not None:
                    self._message = "Starting the notebook server"
                await _wait(told, 0.3 if known is not None else LOOK_S)
        finally:
            port.forget(self.name)


def _failure(reason: str) -> str:
    """The error catalogue's key for a job that ended before its server was ready."""
    if reason in ("home_unwritable", "out of memory", "boot_timeout"):
        return reason.replace(" ", "_")
    if reason.startswith("refused: "):
        return reason.removeprefix("refused: ")
    return "node_lost" if reason.upper() in SITE_FAULTS else "boot_failed"


def _estimate(starts: float | None) -> str:
    left = (starts or 0) - time.time()
    return f" Expected to start in about {max(1, round(left / 60))} min." if left > 30 else ""


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
        event.clear()
    except TimeoutError:
        pass
