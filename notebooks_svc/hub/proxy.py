"""
The proxy of the embedded default: streams HTTP and websockets to hub and notebooks, inside the hub's process.

It answers only the notebooks' own host name (421 to others, before any cookie is read or set) and never passes the portal's
cookies on: cookies ignore ports, and what runs behind here is other people's code.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlparse

import aiohttp
from aiohttp import ClientTimeout, WSMsgType, web
from jupyterhub.proxy import Proxy
from traitlets import List, Unicode
from yarl import URL

HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
}
FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port")


class Streamer:
    """Routes by longest path prefix and streams both ways."""

    def __init__(self, *, host: str, dropped_cookies: list[str]) -> None:
        self.host, self.dropped_cookies = host.lower(), set(dropped_cookies)
        self.routes: dict[str, dict[str, Any]] = {}

    async def start(self, addresses: list[tuple[str, int]]) -> None:
        """Listen on every address that this machine has."""
        self.http = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=ClientTimeout(total=None, connect=10, sock_read=None),
            connector=aiohttp.TCPConnector(limit=0),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        app = web.Application(client_max_size=2**50)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self.runner = web.AppRunner(app, auto_decompress=False, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await self.runner.setup()
        for number, (host, port) in enumerate(addresses):
            try:
                await web.TCPSite(self.runner, host, port).start()
            except OSError:
                if number == 0:  # the first address must be had; the others (::1) where the machine has them
                    raise

    async def stop(self) -> None:
        """Close listeners and connections."""
        await self.runner.cleanup()
        await self.http.close()

    def match(self, path: str) -> dict[str, Any] | None:
        """The route with the longest prefix of `path`."""
        while True:
            if path in self.routes:
                return self.routes[path]
            if path in ("", "/"):
                return self.routes.get("/")
            path = path.rsplit("/", 1)[0] or "/"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if request.headers.get("Host", "").lower() != self.host:
            return web.Response(status=421, text=f"This server is {self.host}. You asked for another name.\n")
        route = self.match(request.rel_url.raw_path.rstrip("/") or "/")
        if route is None:
            return web.Response(status=404, text="There is nothing here.\n")
        route["last_activity"] = time.time()
        url = URL(route["target"].rstrip("/") + request.raw_path, encoded=True)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, url, route)
        return await self._http(request, url)

    async def _http(self, request: web.Request, url: URL) -> web.StreamResponse:
        body = request.content if request.can_read_body else None
        try:
            upstream = await self.http.request(
                request.method, url, headers=self._headers(request), data=body, allow_redirects=False
            )
        except aiohttp.ClientConnectorError:
            return web.Response(status=503, text="This notebook does not answer just now. Its page on the portal says why.\n")
        except aiohttp.ServerDisconnectedError:
            return web.Response(status=502, text="The notebook closed the connection.\n")
        try:
            answer = web.StreamResponse(status=upstream.status, reason=upstream.reason)
            for name, value in upstream.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    answer.headers.add(name, value)
            await answer.prepare(request)
            async for chunk in upstream.content.iter_any():
                await answer.write(chunk)
            await answer.write_eof()
            return answer
        finally:
            if upstream.content.is_eof():
                upstream.release()
            else:
                upstream.close()

    async def _websocket(self, request: web.Request, url: URL, route: dict[str, Any]) -> web.StreamResponse:
        protocols = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if p.strip()]
        headers = [(k, v) for k, v in self._headers(request) if not k.lower().startswith("sec-websocket-")]
        try:
            upstream = await self.http.ws_connect(url, headers=headers, protocols=protocols, max_msg_size=0, compress=0)
        except aiohttp.WSServerHandshakeError as refused:
            return web.Response(status=refused.status)
        except aiohttp.ClientError:
            return web.Response(status=503)
        down = web.WebSocketResponse(protocols=[upstream.protocol] if upstream.protocol else (), max_msg_size=0, compress=False)
        await down.prepare(request)
        pumps = [asyncio.ensure_future(_pump(down, upstream, route)), asyncio.ensure_future(_pump(upstream, down, route))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await upstream.close()
            await down.close()
        return down

    def _headers(self, request: web.Request) -> list[tuple[str, str]]:
        dropped = HOP_BY_HOP | {name.strip().lower() for name in request.headers.get("Connection", "").split(",")}
        headers = []
        for name, value in request.headers.items():
            lower = name.lower()
            if lower in dropped or lower in FORWARDED:
                continue
            kept = self._cookies_kept(value) if lower == "cookie" else value
            if kept:
                headers.append((name, kept))
        headers.append(("X-Forwarded-For", request.remote or ""))
        headers.append(("X-Forwarded-Proto", request.scheme))
        headers.append(("X-Forwarded-Host", request.host))
        headers.append(("X-Forwarded-Port", str(urlparse(f"//{request.host}").port or 80)))
        return headers

    def _cookies_kept(self, header: str) -> str:
        kept = []
        for part in header.split(";"):
            name = part.partition("=")[0].strip()
            if name and name not in self.dropped_cookies:
                kept.append(part.strip())
        return "; ".join(kept)


async def _pump(source: Any, sink: Any, route: dict[str, Any]) -> None:
    async for message in source:
        route["last_activity"] = time.time()
        if message.type == WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        else:
            break
    await sink.close(code=source.close_code or 1000)


class EmbeddedProxy(Proxy):
    """JupyterHub's view of the streamer."""

    own_host = Unicode(config=True, help="the one Host header that is answered, port included")
    dropped_cookies: List = List(config=True, help="cookie names never passed on")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.streamer = Streamer(host=self.own_host, dropped_cookies=list(self.dropped_cookies))

    @property
    def should_start(self) -> bool:  # type: ignore[override]
        return True

    async def start(self) -> None:
        port = urlparse(self.public_url).port or 80
        await self.streamer.start([("127.0.0.1", port), ("::1", port)])

    async def stop(self) -> None:
        with contextlib.suppress(AttributeError):
            await self.streamer.stop()

    async def check_running(self) -> None:
        """It lives and dies with the hub."""

    async def add_route(self, routespec: str, target: str, data: dict[str, Any]) -> None:
        path = "/" + routespec.strip("/")
        self.streamer.routes[path] = {
            "routespec": routespec,
            "target": target,
            "data": {**data, "jupyterhub": True},
            "last_activity": time.time(),
        }

    async def delete_route(self, routespec: str) -> None:
        self.streamer.routes.pop("/" + routespec.strip("/"), None)

    async def get_all_routes(self) -> dict[str, Any]:
        return {
            route["routespec"]: {
                "routespec": route["routespec"],
                "target": route["target"],
                "data": {
                    **route["data"],
                    "last_activity": datetime.fromtimestamp(route["last_activity"], UTC).isoformat(),
                },
            }
            for route in self.streamer.routes.values()
        }
