"""
The site agent: what the portal asks of a site beside hub and gateway.

    python -m notebooks_svc.agent.server

It keeps nothing in memory: journals hold the truth, so it may be restarted at any moment.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from ..wire import CancelAsk, ExtendAsk, Look
from .local import Engine

log = logging.getLogger("commons.agent")
ID = re.compile(r"[sc][0-9a-hjkmnp-tv-z]{26}(-[0-9a-z]{1,40})?")
KEEP_JOURNALS_S = 7 * 86_400
STRAYS_EVERY_S = 10


class Agent:
    """The routes, for one portal at one site."""

    def __init__(self, *, engine: Engine, instance: str, token: str) -> None:
        self.engine, self.instance, self.token = engine, instance, token

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/v1/health", self._health),
                web.get("/v1/look", self._look),
                web.post("/v1/cancel", self._cancel),
                web.post("/v1/extend", self._extend),
            ]
        )
        app.cleanup_ctx.append(self._housekeeping)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        said = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.path != "/v1/health" and not hmac.compare_digest(said.encode(), self.token.encode()):
            return web.json_response({"detail": "The site token is wrong."}, status=401)
        try:
            return await handler(request)
        except ValidationError as wrong:
            return web.json_response({"detail": str(wrong)}, status=422)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def _look(self, request: web.Request) -> web.Response:
        since = float(request.query.get("since", "0"))
        items, complete = await asyncio.to_thread(self.engine.look, instance=self.instance, since=since)
        look = Look(instance=self.instance, now=time.time(), complete=complete, items=items)
        return web.Response(text=look.model_dump_json(), content_type="application/json")

    async def _cancel(self, request: web.Request) -> web.Response:
        ask = CancelAsk.model_validate_json(await request.text())
        if refusal := self._not_ours(ask.id):
            return refusal
        log.info("cancel %s: %s", ask.id, ask.reason)
        await asyncio.to_thread(self.engine.stop, ask.id)
        return web.json_response({"ok": True})

    async def _extend(self, request: web.Request) -> web.Response:
        ask = ExtendAsk.model_validate_json(await request.text())
        if refusal := self._not_ours(ask.id):
            return refusal
        moved = await asyncio.to_thread(self.engine.extend, ask.id, ask.deadline)
        return web.json_response({"ok": moved}, status=200 if moved else 409)

    def _not_ours(self, id: str) -> web.Response | None:
        order = self.engine.order(id) if ID.fullmatch(id) else None
        if order is None or order.instance != self.instance:
            return web.json_response({"detail": f"Nothing of this portal runs here as {id[:60]!r}."}, status=404)
        return None

    async def _housekeeping(self, _: web.Application):  # type: ignore[no-untyped-def]
        task = asyncio.ensure_future(self._keep_house())
        yield
        task.cancel()

    async def _keep_house(self) -> None:
        while True:
            try:
                killed = await asyncio.to_thread(self.engine.sweep_strays, self.instance)
                if killed:
                    log.warning("killed %s stray processes whose runner was gone", killed)
                await asyncio.to_thread(self.engine.forget, older_than=time.time() - KEEP_JOURNALS_S)
            except OSError:
                log.exception("housekeeping failed; next try in %s s", STRAYS_EVERY_S)
            await asyncio.sleep(STRAYS_EVERY_S)


def main() -> None:
    """Serve, as the environment says."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    agent = Agent(
        engine=Engine(Path(os.environ["COMMONS_ENGINE_FOLDER"])),
        instance=os.environ["COMMONS_INSTANCE_ID"],
        token=Path(os.environ["COMMONS_SITE_TOKEN_FILE"]).read_text(),
    )
    host, port = os.environ["COMMONS_AGENT_LISTEN"].rsplit(":", 1)
    web.run_app(agent.app(), host=host, port=int(port), access_log=None, print=lambda *_: None)


if __name__ == "__main__":
    main()
