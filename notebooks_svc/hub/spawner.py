"""
Starts what the portal says, and nothing else.

The spec comes from the portal by launch id; `user_options` are never read. A launch that is running already (the hub was
killed while it started) is adopted, with the token it was born with.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from jupyterhub.spawner import Spawner
from traitlets import Dict, Float, Unicode

from ..agent.engines import Engines
from ..agent.home import aws_environment
from ..agent.local import AlreadyRan
from ..agent.slurm.site import site_read
from ..agent.spool import Spool
from ..wire import HomeWish, RunOrder, SessionSpec
from .batch import BatchStart
from .failing import NotStarted

STOP_WAIT_S = 8.0
LIVES_LOOK_S = 0.5  # how often a starting server is looked at whether it lives
UNSAFE_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


class CommonsSpawner(BatchStart, Spawner):
    """One session of the portal as a JupyterHub server; its name is the launch id."""

    portal_url = Unicode(config=True, help="where the portal answers site requests")
    site_token = Unicode(config=True, help="what this site shows the portal")
    engine_folder = Unicode(config=True, help="journals and orders of the local engine")
    homes_folder = Unicode(config=True, help="homes of people, per allocation")
    environments_folder = Unicode(config=True, help="notebook environments")
    logs_folder = Unicode(config=True, help="logs of single-user servers")
    slurm_file = Unicode(config=True, help="description of the site's Slurm cluster, where there is one")
    extra_env = Dict(config=True, help="environment of every server at this site")
    look_every_s = Float(0.05, config=True, help="how often a starting server is asked whether it answers")

    _spools: dict[str, Spool] = {}
    _engines: dict[str, Engines] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._message = "Asking the portal"
        self.ready_at: float | None = None
        self.server_token = ""

    @property
    def engines(self) -> Engines:
        """One set of engines for the whole hub."""
        if self.engine_folder not in self._engines:
            self._engines[self.engine_folder] = Engines(
                Path(self.engine_folder),
                homes=Path(self.homes_folder),
                environments=Path(self.environments_folder),
                slurm=site_read(Path(self.slurm_file) if self.slurm_file else None),
            )
        return self._engines[self.engine_folder]

    @property
    def spool(self) -> Spool:
        """One sender of events for the whole hub."""
        folder = str(Path(self.engine_folder).parent / "spool" / "hub")
        if folder not in self._spools:
            self._spools[folder] = Spool(Path(folder), url=f"{self.portal_url}/site/v1/events", token=self.site_token)
        return self._spools[folder]

    # --- what JupyterHub keeps over a restart ---------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        state = super().get_state()
        if self.ready_at is not None:
            state |= {"port": self.port, "ready_at": self.ready_at}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.port = state.get("port", 0)
        self.ready_at = state.get("ready_at")

    def clear_state(self) -> None:
        super().clear_state()
        self.ready_at = None

    # --- life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> str:
        try:
            spec = await self._spec_fetch()
            self._message = "Preparing the files"
            url = await (self._batch_start(spec) if spec.engine == "slurm" else self._adopt_or_launch(spec))
            self._message = "Starting the notebook server"
            await self._wait_reachable(url, boot_s=spec.boot_s)
        except NotStarted as refusal:
            self._tell_failed(str(refusal))
            raise
        except Exception as error:
            self._tell_failed(f"{type(error).__name__}: {error}")
            raise
        self._tell_ready()
        return url

    async def get_url(self) -> str:
        """Asked at the hub's start for a server that lives though the hub died while starting it: where it listens."""
        kept = self._kept_read()
        if kept is None or "port" not in kept:
            return await super().get_url()
        self.port = kept["port"]
        url = f"http://{kept.get('host', '127.0.0.1')}:{self.port}"
        if self.ready_at is None:
            self._waiting = asyncio.ensure_future(self._tell_ready_when_reachable(url))
        return url

    async def poll(self) -> int | None:
        item = await asyncio.to_thread(self.engines.look_one, self.name)
        if item is None or self._batch_without_a_place():
            return 0
        # An unreadable journal is no news: only a written end ends a session.
        return None if item.state != "gone" else (item.exit_code or 0)

    async def stop(self, now: bool = False) -> None:
        await asyncio.to_thread(self.engines.stop, self.name)
        end = time.monotonic() + STOP_WAIT_S
        while time.monotonic() < end:
            if await self.poll() is not None:
                return
            await asyncio.sleep(0.05)

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        last = ""
        while self.ready_at is None:
            if self._message != last:
                last = self._message
                yield {"progress": 30, "message": last}
            await asyncio.sleep(0.2)

    def _tell_ready(self) -> None:
        self.ready_at = self.engines.mark_ready(self.name, time.time())
        self.spool.put(kind="session.ready", subject=self.name, ready_at=self.ready_at)
        self._message = "Ready"

    async def _tell_ready_when_reachable(self, url: str) -> None:
        order = self.engines.order(self.name)
        try:
            await self._wait_reachable(url, boot_s=(order.boot_s if order else None) or 120)
        except NotStarted as failure:
            self._tell_failed(str(failure))
            return
        self._tell_ready()

    def _tell_failed(self, message: str) -> None:
        self.engines.stop(self.name)
        self.spool.put(kind="session.failed", subject=self.name, message=message[:500])

    # --- steps ----------------------------------------------------------------------------------------------------------

    async def _spec_fetch(self) -> SessionSpec:
        url = f"{self.portal_url}/site/v1/sessions/{self.name or 'default'}/spec"
        headers = {"Authorization": f"Bearer {self.site_token}"}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http,
            http.get(url, params={"hub_username": self.user.name}, headers=headers) as answer,
        ):
            text = await answer.text()
            if answer.status != 200:
                words = f"The portal gave no spec ({answer.status}): {_detail(text)} Launch notebooks from the portal."
                raise NotStarted("spec_refused", words, status_code=403)
        return SessionSpec.model_validate_json(text)

    async def _adopt_or_launch(self, spec: SessionSpec) -> str:
        kept = self._kept_read()
        if kept and await self.poll() is None:
            self.port, self.api_token = kept["port"], kept["api_token"]
            self.log.info("adopting %s, which runs already on port %s", self.name, self.port)
        else:
            self.port = _free_port()
            await asyncio.to_thread(self._launch, spec)
        self.environment_name = spec.environment
        return f"http://127.0.0.1:{self.port}"

    def _launch(self, spec: SessionSpec) -> None:
        home = Path(self.homes_folder) / spec.home
        environment = self._environment(spec, Path(self.environments_folder))
        order = RunOrder(
            id=self.name,
            kind="session",
            parent="",
            instance=spec.instance,
            argv=self._argv(spec, home, environment, allow_root=os.geteuid() == 0),
            cwd=str(home),
            log=str(Path(self.logs_folder) / f"{self.name}.log"),
            minutes=spec.minutes,
            boot_s=spec.boot_s,
        )
        env = self._server_env(spec, home, environment)
        self._kept_write({"port": self.port, "api_token": self.api_token})
        try:
            self.engines.start(order, env, home=self._home_wish(spec))
        except OSError as error:
            raise NotStarted("home_unwritable", error.strerror or str(error)) from error
        except AlreadyRan as error:
            raise NotStarted("launch_over", "this launch ran before; start a new one from the portal") from error

    def _environment(self, spec: SessionSpec, environments: Path) -> Path:
        environment = environments / spec.environment
        if not (environment / "bin" / "jupyterhub-singleuser").exists():
            raise NotStarted("environment_missing", f"the environment {spec.environment!r} is not installed at this site")
        return environment

    @staticmethod
    def _home_wish(spec: SessionSpec) -> HomeWish:
        return HomeWish(home=spec.home, shared=spec.shared, environment=spec.environment, files=spec.files)

    @staticmethod
    def _argv(spec: SessionSpec, home: Path, environment: Path, *, allow_root: bool) -> list[str]:
        argv = [
            str(environment / "bin" / "python"),
            "-m",
            "jupyterhub.singleuser",
            f"--ServerApp.root_dir={home}",
            f"--ServerApp.default_url={spec.open_path}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=",
            "--LabApp.extension_manager=readonly",
        ]
        if allow_root:
            argv.append("--allow-root")
        return argv

    def _server_env(self, spec: SessionSpec, home: Path, environment: Path) -> dict[str, str]:
        overlay = home / ".packages"
        env = {**self.get_env(), **self.extra_env, **spec.env}
        env |= {
            "HOME": str(home),
            "USER": spec.hub_username,
            "SHELL": "/bin/bash",
            "PATH": f"{overlay}/bin:{environment}/bin:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": str(overlay),
            "JUPYTER_PATH": str(home / ".local/share/commons"),
            "JUPYTER_PREFER_ENV_PATH": "0",
            "JUPYTER_RUNTIME_DIR": str(home / ".local/share/jupyter/runtime" / self.name),
            "IPYTHONDIR": str(home / ".ipython"),
            "PYTHONDONTWRITEBYTECODE": "",
            "OMP_NUM_THREADS": str(spec.cores),
        }
        for name in UNSAFE_VARIABLES:
            env.pop(name, None)
        return env | aws_environment(home=home, env=env)

    async def _wait_reachable(self, url: str, *, boot_s: int) -> None:
        """Wait until the server answers HTTP; a process that ended, or took too long, is a failed boot."""
        # Side by side: whether it lives may be a question to a scheduler, and the server's answer is not to wait for that.
        answers = asyncio.ensure_future(self._until_answer(f"{url}{self.server.base_url}api"))
        ended = asyncio.ensure_future(self._until_end())
        try:
            done, _ = await asyncio.wait({answers, ended}, timeout=boot_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answers.cancel()
            ended.cancel()
        if answers in done:
            return answers.result()
        if ended in done:
            ended.result()  # an error while looking is told as it is
            raise NotStarted("boot_failed", f"the notebook server ended while starting. {self._log_tail()}")
        raise NotStarted("boot_timeout", f"the notebook server did not answer within {boot_s} s. {self._log_tail()}")

    async def _until_answer(self, url: str) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
            while not await _answers(http, url):
                await asyncio.sleep(self.look_every_s)

    async def _until_end(self) -> None:
        while await self.poll() is None:
            await asyncio.sleep(LIVES_LOOK_S)

    def _log_tail(self) -> str:
        slurm = self.engines.slurm
        order = self.engines.order(self.name)
        try:
            if slurm is not None and order is not None and order.engine == "slurm":
                lines = slurm.log_tail(self.name).splitlines()
            else:
                lines = (Path(self.logs_folder) / f"{self.name}.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return " / ".join(lines[-3:])[-300:]

    # The port and token a server was born with: needed to adopt it when the hub died before JupyterHub stored its state.
    def _kept_path(self) -> Path:
        return Path(self.engine_folder) / f"{self.name}.hub"

    def _kept_write(self, kept: dict[str, Any]) -> None:
        with os.fdopen(os.open(self._kept_path(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            json.dump(kept, handle)

    def _kept_read(self) -> dict[str, Any] | None:
        try:
            return json.loads(self._kept_path().read_text())
        except (OSError, ValueError):
            return None


async def post_stop(spawner: CommonsSpawner) -> None:
    """Tell the portal that a server ended; it looks for itself when this is lost."""
    if spawner.name:
        spawner.spool.put(kind="session.ended", subject=spawner.name)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except (TimeoutError, aiohttp.ClientError):
        return False


def _detail(text: str) -> str:
    try:
        return str(json.loads(text).get("detail", ""))
    except ValueError:
        return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
