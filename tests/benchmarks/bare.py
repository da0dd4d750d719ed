"""The floors of launching: a bare JupyterHub and a bare dask-gateway, with the same notebook environment, on this machine."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import httpx

from tests.support.up import ROOT, environments_ready, port_base_free

START_LIMIT_S = 60


class BareServer:
    """A server process with a configuration file of its own, in a folder of its own."""

    environment: Path | None = None  # whose programs come first in the server's path

    def __init__(self, argv: list[str], config: str, health: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="commons-bare-"))
        (self.folder / "config.py").write_text(config.replace("FOLDER", str(self.folder)))
        self.argv, self.health = argv, health

    def __enter__(self) -> Self:
        environment = self.environment or environments_ready() / "base" / "bin"
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.argv, "-f", str(self.folder / "config.py")],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{environment}:{os.environ['PATH']}"},
            stdout=(self.folder / "log").open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if httpx.get(self.health, timeout=2).status_code == 200:
                    return self
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise AssertionError((self.folder / "log").read_text()[-3000:])

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class BareHub(BareServer):
    """JupyterHub as it comes: dummy sign-in, local processes. Our proxy class, since the usual one is a Node program."""

    def __init__(self) -> None:
        base = port_base_free() + 250
        self.token, self.base = secrets.token_hex(16), base
        self.url = f"http://127.0.0.1:{base}"
        python = environments_ready() / "base" / "bin" / "python"
        super().__init__(
            ["jupyterhub"],
            f"""
from notebooks_svc.hub.proxy import EmbeddedProxy
c.JupyterHub.bind_url = {self.url!r}
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{base + 1}"
c.JupyterHub.db_url = "sqlite:///FOLDER/hub.sqlite"
c.JupyterHub.cookie_secret_file = "FOLDER/cookie"
c.JupyterHub.proxy_class = EmbeddedProxy
c.EmbeddedProxy.own_host = "127.0.0.1:{base}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "FOLDER/home/{{username}}"
c.Spawner.cmd = [{str(python)!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = {["--allow-root"] if os.geteuid() == 0 else []!r}
c.Spawner.env_keep = ["PATH", "LANG"]
c.SimpleLocalProcessSpawner.interrupt_timeout = 1
c.JupyterHub.allow_named_servers = True
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}
c.JupyterHub.services = [{{"name": "bench", "api_token": {self.token!r}}}]
c.JupyterHub.load_roles = [{{"name": "bench", "services": ["bench"],
    "scopes": ["admin:users", "admin:servers", "access:servers", "tokens"]}}]
""",
            f"{self.url}/hub/api/",
        )

    def call(self, method: str, path: str) -> httpx.Response:
        """Ask the hub's API."""
        return httpx.request(method, f"{self.url}/hub/api{path}", headers={"Authorization": f"token {self.token}"}, timeout=30)


class BareGateway(BareServer):
    """dask-gateway as it comes: no sign-in, local processes."""

    def __init__(self) -> None:
        base = port_base_free() + 260
        self.url, self.tcp = f"http://127.0.0.1:{base}", f"tls://127.0.0.1:{base + 1}"
        python = environments_ready() / "base" / "bin" / "python"
        super().__init__(
            ["dask_gateway_server"],
            f"""
c.DaskGateway.address = "127.0.0.1:{base + 2}"
c.Proxy.address = "127.0.0.1:{base}"
c.Proxy.tcp_address = "127.0.0.1:{base + 1}"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.UnsafeLocalBackend.clusters_directory = "FOLDER/clusters"
c.ClusterConfig.scheduler_cmd = [{str(python)!r}, "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = [{str(python)!r}, "-m", "distributed.cli.dask_worker"]
c.ClusterConfig.worker_cores = 1
""",
            f"http://127.0.0.1:{base + 2}/api/health",
        )


class BareSlurmGateway(BareServer):
    """
    dask-gateway as it comes, with its own Slurm backend, which runs schedulers and workers as an account of the machine.

    :param home: a folder the account may write
    """

    def __init__(self, environment: Path, servers: Path, *, home: Path) -> None:
        base = port_base_free() + 270
        self.environment = environment / "bin"
        self.url, self.tcp = f"http://127.0.0.1:{base}", f"tls://127.0.0.1:{base + 1}"
        python = environment / "bin" / "python"
        # Its launcher begins in the account's home of the machine, and people of a portal have none there.
        launcher = home / ".bare-launcher"
        program = servers / "bin" / "dask-gateway-jobqueue-launcher"
        launcher.write_text(f'#!/bin/sh\nHOME="{home}" exec "{program}"\n')
        launcher.chmod(0o755)
        super().__init__(
            ["dask_gateway_server"],
            f"""
c.DaskGateway.address = "127.0.0.1:{base + 2}"
c.Proxy.address = "127.0.0.1:{base}"
c.Proxy.tcp_address = "127.0.0.1:{base + 1}"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.DaskGateway.backend_class = "dask_gateway_server.backends.jobqueue.slurm.SlurmBackend"
b = c.SlurmBackend
b.api_url = "http://127.0.0.1:{base + 2}/api"
b.dask_gateway_jobqueue_launcher = {str(launcher)!r}
k = c.SlurmClusterConfig
k.account = "root"
k.partition = "hpc"
k.staging_directory = {str(home / ".bare-gateway")!r}
k.scheduler_cmd = [{str(python)!r}, "-m", "distributed.cli.dask_scheduler"]
k.worker_cmd = [{str(python)!r}, "-m", "distributed.cli.dask_worker"]
k.worker_cores = 1
""",
            f"http://127.0.0.1:{base + 2}/api/health",
        )
