"""A network line that can be cut: a process that passes bytes between two ports, stopped and continued by signals."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from typing import Self

CODE = """
import asyncio, sys
async def pump(r, w):
    try:
        while data := await r.read(65536):
            w.write(data); await w.drain()
    except OSError:
        pass
    finally:
        w.close()
async def serve(r, w):
    try:
        other_r, other_w = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    except OSError:
        w.close(); return
    await asyncio.gather(pump(r, other_w), pump(other_r, w))
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
"""


class Relay:
    """`port` leads to `to` while the line is whole."""

    def __init__(self, to: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen([sys.executable, "-c", CODE, str(self.port), str(to)])
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the relay does not listen")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told: connections hang."""
        self.process.send_signal(signal.SIGSTOP)

    def mend(self) -> None:
        """Everything passes again."""
        self.process.send_signal(signal.SIGCONT)
