"""Runs code in a notebook's kernel over Jupyter's own API, as any outside program would."""

from __future__ import annotations

import asyncio
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

import aiohttp


@dataclass
class Answer:
    """What a cell printed, its last value as text, and its error if it failed."""

    stdout: str = ""
    result: str = ""
    error: str = ""
    traceback: list[str] = field(default_factory=list)


def run_in_kernel(url: str, token: str, code: str, *, timeout_s: float = 120) -> Answer:
    """
    Start a kernel, run one cell, return what it said, shut the kernel down.

    :param url: the notebook server, ending in `/user/<name>/<launch>/`
    """
    return asyncio.run(_run(url.rstrip("/"), token, code, timeout_s))


class LiveKernel:
    """A kernel that stays, so that cells see each other's names. Shut down at the end."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"token {token}"}
        self.loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        self.loop.run_until_complete(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.run_until_complete(self._close())
        self.loop.close()

    def run(self, code: str, *, timeout_s: float = 180) -> Answer:
        """Run one cell and return what it said."""
        return self.loop.run_until_complete(asyncio.wait_for(_execute(self.socket, code), timeout_s))

    async def _open(self) -> None:
        self.http = aiohttp.ClientSession(headers=self.headers)
        async with self.http.post(f"{self.url}/api/kernels", json={"name": "python3"}) as answer:
            answer.raise_for_status()
            self.kernel = (await answer.json())["id"]
        self.socket = await self.http.ws_connect(f"{self.url}/api/kernels/{self.kernel}/channels", max_msg_size=0)

    async def _close(self) -> None:
        await self.socket.close()
        await self.http.delete(f"{self.url}/api/kernels/{self.kernel}")
        await self.http.close()


class KernelApart:
    """A `LiveKernel` in a thread of its own, for tests that drive a browser: Playwright's loop runs in theirs."""

    def __init__(self, url: str, token: str) -> None:
        self.thread = ThreadPoolExecutor(1)
        self.kernel = LiveKernel(url, token)

    def __enter__(self) -> Self:
        self.thread.submit(self.kernel.__enter__).result()
        return self

    def __exit__(self, *error: object) -> None:
        self.thread.submit(self.kernel.__exit__, *error).result()
        self.thread.shutdown()

    def run(self, code: str) -> Answer:
        """Run one cell and return what it said."""
        return self.thread.submit(self.kernel.run, code).result()


async def _run(url: str, token: str, code: str, timeout_s: float) -> Answer:
    headers = {"Authorization": f"token {token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=timeout_s)) as http:
        async with http.post(f"{url}/api/kernels", json={"name": "python3"}) as answer:
            answer.raise_for_status()
            kernel = (await answer.json())["id"]
        try:
            async with http.ws_connect(f"{url}/api/kernels/{kernel}/channels", max_msg_size=0) as socket:
                return await asyncio.wait_for(_execute(socket, code), timeout_s)
        finally:
            await http.delete(f"{url}/api/kernels/{kernel}")


async def _execute(socket: aiohttp.ClientWebSocketResponse, code: str) -> Answer:
    request = uuid.uuid4().hex
    await socket.send_json(
        {
            "channel": "shell",
            "header": {"msg_id": request, "msg_type": "execute_request", "session": request, "username": "", "version": "5.3"},
            "parent_header": {},
            "metadata": {},
            "content": {"code": code, "silent": False, "store_history": False, "allow_stdin": False},
        }
    )
    answer, idle, replied = Answer(), False, False
    async for raw in socket:
        message = json.loads(raw.data)
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream" and content["name"] == "stdout":
            answer.stdout += content["text"]
        elif kind in ("execute_result", "display_data"):
            answer.result = content["data"].get("text/plain", "")
        elif kind == "error":
            answer.error, answer.traceback = f"{content['ename']}: {content['evalue']}", content["traceback"]
        elif kind == "execute_reply":
            replied = True
        elif kind == "status" and content["execution_state"] == "idle":
            idle = True
        if idle and replied:
            return answer
    raise ConnectionError("the kernel's line was closed")
