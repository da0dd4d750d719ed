"""
The site agent: what the portal asks of a site beside hub and gateway.

    python -m notebooks_svc.agent.server

It keeps nothing in memory: journals hold the truth, so it may be restarted at any moment. An ordinary Unix user will do; at a
Slurm site it has AdminLevel Operator.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import os
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from ..wire import BatchAsk, CancelAsk, ExtendAsk, FolderList, FoldersUse, Look, MirrorAsk, TestAsk
from .engines import Engines
from .folders import TEAM, NoSuchFile, file_look, folder_list, folder_open, folder_remove, folders_use
from .slurm.asking import test_only
from .slurm.batch import batch_look
from .slurm.commands import SlurmRefused, SlurmSilent
from .slurm.engine import SlurmEngine
from .slurm.site import site_read

log = logging.getLogger("commons.agent")
ID = re.compile(r"[sc][0-9a-hjkmnp-tv-z]{26}(-[0-9a-z]{1,40})?")
KEEP_JOURNALS_S = 7 * 86_400
STRAYS_EVERY_S = 10
KEEP_EVERY_S = 1.0
LOG_TAIL = 16_000
CHUNK_BYTES = 1 << 20


class Agent:
    """The routes, for one portal at one site."""

    def __init__(self, *, engine: Engines, instance: str, token: str) -> None:
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
                web.get("/v1/log/{id}", self._log),
                web.post("/v1/test_only", self._test_only),
                web.post("/v1/accounts_sync", self._accounts_sync),
                web.post("/v1/batch_look", self._batch_look),
                web.get("/v1/folders", self._folders),
                web.get("/v1/folders/{team}", self._folder),
                web.get("/v1/folders/{team}/file", self._file),
                web.post("/v1/folders/{team}/remove", self._folder_remove),
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
        except NoSuchFile as nothing:
            return web.json_response({"detail": f"There is nothing named {str(nothing)[:200]!r}."}, status=404)
        except (KeyError, ValueError) as wrong:
            return web.json_response({"detail": f"This cannot be read: {wrong}"}, status=422)
        except SlurmSilent as silence:
            return web.json_response({"detail": f"The scheduler does not answer: {silence}"}, status=503)

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

    async def _log(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        if refusal := self._not_ours(id):
            return refusal
        engine = self.engine.of(id)
        text = await asyncio.to_thread(engine.log_tail, id, LOG_TAIL) if isinstance(engine, SlurmEngine) else ""
        return web.json_response({"text": text})

    async def _test_only(self, request: web.Request) -> web.Response:
        ask = TestAsk.model_validate_json(await request.text())
        if self.engine.slurm is None:
            return web.json_response({"detail": "This site has no scheduler."}, status=404)
        answer = await asyncio.to_thread(test_only, self.engine.slurm, ask, self.instance)
        return web.Response(text=answer.model_dump_json(), content_type="application/json")

    async def _accounts_sync(self, request: web.Request) -> web.Response:
        ask = MirrorAsk.model_validate_json(await request.text())
        slurm = self.engine.slurm
        if slurm is None:
            return web.json_response({"detail": "This site has no scheduler."}, status=404)
        try:
            answer = await asyncio.to_thread(slurm.mirror.sync, self.instance, ask.accounts, slurm.people, ask.asked)
        except SlurmRefused as refusal:
            return web.json_response({"detail": str(refusal)}, status=409)
        for change in answer.changes:
            log.info("accounts: %s", change)
        return web.Response(text=answer.model_dump_json(), content_type="application/json")

    async def _batch_look(self, request: web.Request) -> web.Response:
        ask = BatchAsk.model_validate_json(await request.text())
        slurm = self.engine.slurm
        if slurm is None:
            return web.json_response({"detail": "This site has no scheduler."}, status=404)
        look = await asyncio.to_thread(batch_look, slurm.folder, slurm.commands, ask, self.instance)
        return web.Response(text=look.model_dump_json(), content_type="application/json")

    async def _folders(self, _: web.Request) -> web.Response:
        if self.engine.slurm is not None:
            return web.Response(text=FoldersUse(told=False).model_dump_json(), content_type="application/json")
        found = await asyncio.to_thread(folders_use, self.engine.homes)
        return web.Response(text=FoldersUse(told=True, folders=found).model_dump_json(), content_type="application/json")

    async def _folder(self, request: web.Request) -> web.Response:
        team = request.match_info["team"]
        if "path" in request.query:
            file = await asyncio.to_thread(file_look, self.engine.homes, team, request.query["path"])
            return web.Response(text=FolderList(items=[file]).model_dump_json(), content_type="application/json")
        items, more = await asyncio.to_thread(folder_list, self.engine.homes, team)
        return web.Response(text=FolderList(items=items, more=more).model_dump_json(), content_type="application/json")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Its bytes from `start` on, at most `size` of them: what it grows by meanwhile is left out."""
        start, size = int(request.query.get("start", "0")), int(request.query.get("size", str(1 << 62)))
        handle = await asyncio.to_thread(folder_open, self.engine.homes, request.match_info["team"], request.query["path"])
        with os.fdopen(handle, "rb", buffering=0) as file:
            file.seek(max(0, start))
            answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
            with contextlib.suppress(ConnectionError):  # whoever asked has enough, or is gone
                await answer.prepare(request)
                while size > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK_BYTES, size))):
                    await answer.write(chunk)
                    size -= len(chunk)
                await answer.write_eof()
        return answer

    async def _folder_remove(self, request: web.Request) -> web.Response:
        team = request.match_info["team"]
        if self.engine.slurm is not None or not TEAM.fullmatch(team):
            return web.json_response({"detail": "Folders of people are the site's own to remove."}, status=404)
        log.info("the files of %s are deleted", team)
        await asyncio.to_thread(folder_remove, self.engine.homes, team)
        return web.json_response({"ok": True})

    def _not_ours(self, id: str) -> web.Response | None:
        order = self.engine.order(id) if ID.fullmatch(id) else None
        if order is None or order.instance != self.instance:
            return web.json_response({"detail": f"Nothing of this portal runs here as {id[:60]!r}."}, status=404)
        return None

    async def _housekeeping(self, _: web.Application):  # type: ignore[no-untyped-def]
        tasks = [asyncio.ensure_future(self._keep_house()), asyncio.ensure_future(self._keep_deadlines())]
        yield
        for task in tasks:
            task.cancel()

    async def _keep_deadlines(self) -> None:
        while self.engine.slurm is not None:
            try:
                await asyncio.to_thread(self.engine.slurm.keep)
            except Exception:
                log.exception("deadlines could not be kept; next try in %s s", KEEP_EVERY_S)
            await asyncio.sleep(KEEP_EVERY_S)

    async def _keep_house(self) -> None:
        while True:
            try:
                killed = await asyncio.to_thread(self.engine.local.sweep_strays, self.instance)
                if killed:
                    log.warning("killed %s stray processes whose runner was gone", killed)
                await asyncio.to_thread(self.engine.local.forget, older_than=time.time() - KEEP_JOURNALS_S)
            except OSError:
                log.exception("housekeeping failed; next try in %s s", STRAYS_EVERY_S)
            await asyncio.sleep(STRAYS_EVERY_S)


def main() -> None:
    """Serve, as the environment says."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    folder, slurm = Path(os.environ["COMMONS_ENGINE_FOLDER"]), os.environ.get("COMMONS_SLURM_FILE", "")
    agent = Agent(
        engine=Engines(
            folder,
            homes=folder.parent / "homes",
            environments=folder.parent / "environments",
            slurm=site_read(Path(slurm) if slurm else None),
        ),
        instance=os.environ["COMMONS_INSTANCE_ID"],
        token=Path(os.environ["COMMONS_SITE_TOKEN_FILE"]).read_text(),
    )
    host, port = os.environ["COMMONS_AGENT_LISTEN"].rsplit(":", 1)
    tls = tls_context(host)
    web.run_app(agent.app(), host=host, port=int(port), ssl_context=tls, access_log=None, print=lambda *_: None)


def tls_context(host: str) -> ssl.SSLContext | None:
    """The agent's certificate (`COMMONS_AGENT_CERTIFICATE`, `COMMONS_AGENT_KEY`); none is needed on this machine alone."""
    certificate = os.environ.get("COMMONS_AGENT_CERTIFICATE", "")
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, os.environ.get("COMMONS_AGENT_KEY") or certificate)
        return context
    if not ipaddress.ip_address(host).is_loopback:
        raise SystemExit(
            f"the site token would cross the network in the clear: listening on {host} needs COMMONS_AGENT_CERTIFICATE and "
            "COMMONS_AGENT_KEY, or listen on 127.0.0.1 behind a web server that has them"
        )
    return None


if __name__ == "__main__":
    main()
