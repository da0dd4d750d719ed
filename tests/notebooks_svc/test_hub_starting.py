"""The spawner waits for a server that boots: its answer, its end, or its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
from aiohttp import web

from notebooks_svc.hub.failing import NotStarted
from notebooks_svc.hub.spawner import CommonsSpawner


class Booting(CommonsSpawner):
    """A spawner whose process is what a test says."""

    server = SimpleNamespace(base_url="/user/somebody/")  # type: ignore[assignment]
    looks: Callable[[], Awaitable[int | None]]

    async def poll(self) -> int | None:
        return await self.looks()

    def _log_tail(self) -> str:
        return "its last line"


async def _wait(looks: Callable[[], Awaitable[int | None]], *, answers_after_s: float | None, boot_s: int = 5) -> float:
    """Seconds until the wait was over; the server answers after so long, or not at all."""
    spawner = Booting()
    spawner.looks = looks  # type: ignore[method-assign]
    runner = web.AppRunner(_server(answers_after_s))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    began = time.monotonic()
    try:
        await spawner._wait_reachable(f"http://127.0.0.1:{port}", boot_s=boot_s)
    finally:
        await runner.cleanup()
    return time.monotonic() - began


def _server(answers_after_s: float | None) -> web.Application:
    began = time.monotonic()

    async def api(_: web.Request) -> web.Response:
        boots = answers_after_s is None or time.monotonic() - began < answers_after_s
        return web.Response(status=503 if boots else 200)

    app = web.Application()
    app.router.add_get("/user/somebody/api", api)
    return app


async def _lives() -> None:
    return None


def test_a_scheduler_that_is_slow_to_say_whether_it_lives_delays_no_answer() -> None:
    async def slow() -> None:
        await asyncio.sleep(4)

    assert 0.3 <= asyncio.run(_wait(slow, answers_after_s=0.3)) < 2


def test_one_that_ends_while_it_boots_has_failed_with_its_last_words() -> None:
    async def ended() -> int:
        return 1

    with pytest.raises(NotStarted, match="boot_failed.*its last line"):
        asyncio.run(_wait(ended, answers_after_s=None))


def test_one_that_does_not_answer_in_its_time_has_failed() -> None:
    with pytest.raises(NotStarted, match="boot_timeout.*within 1 s"):
        asyncio.run(_wait(_lives, answers_after_s=None, boot_s=1))


def test_an_error_while_looking_is_told_as_it_is() -> None:
    async def breaks() -> None:
        raise OSError("no such folder")

    with pytest.raises(OSError, match="no such folder"):
        asyncio.run(_wait(breaks, answers_after_s=None))
