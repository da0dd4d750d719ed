"""
Clusters that the portal granted, as process groups of this machine under runners.

Before anything starts, the portal holds the credits and answers how many workers they cover (the grant), and is told that the
start is about to happen (the claim). Scheduler and workers write journals by their runners; they end at the lease's end whether
this process lives or not.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from dask_gateway_server.backends.base import PublicException
from dask_gateway_server.backends.db_base import Cluster, JobStatus, Worker
from dask_gateway_server.backends.local import UnsafeLocalBackend
from traitlets import Dict, Unicode

from ..agent.engines import Engines
from ..agent.home import aws_environment
from ..agent.local import AlreadyRan
from ..agent.slurm.commands import SlurmRefused, SlurmSilent
from ..agent.slurm.site import SlurmSite, site_read
from ..agent.spool import Spool
from ..wire import ClusterAsk, ClusterClaim, ClusterGrant, ProcessKind, RunOrder
from . import batch
from .authenticator import launch_of

STOPPING_WAIT_S = 20.0
STOP_WAIT_S = 6.0
GRANT = "COMMONS_GRANT"  # the grant travels in the cluster's environment, so that it survives a restart of the gateway


class GrantedBackend(UnsafeLocalBackend):
    """dask-gateway's local backend, by grant of the portal and under runners."""

    portal_url = Unicode(config=True, help="where the portal answers site requests")
    site_token = Unicode(config=True, help="what this site shows the portal, and the portal shows here")
    engine_folder = Unicode(config=True, help="journals and orders of the local engine")
    homes_folder = Unicode(config=True, help="homes of people, per allocation")
    environments_folder = Unicode(config=True, help="notebook environments")
    slurm_file = Unicode(config=True, help="description of the site's Slurm cluster, where there is one")
    extra_env = Dict(config=True, help="environment of every scheduler and worker at this site")

    # --- life of the process --------------------------------------------------------------------------------------------

    async def setup(self, app: web.Application) -> None:
        await super().setup(app)
        app.router.add_delete("/site/v1/clusters/{cluster}", self._site_stop)
        app.router.add_get("/site/v1/clusters", self._site_list)

    async def do_setup(self) -> None:
        self.engine = Engines(
            Path(self.engine_folder),
            homes=Path(self.homes_folder),
            environments=Path(self.environments_folder),
            slurm=site_read(Path(self.slurm_file) if self.slurm_file else None),
        )
        self.http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self.site_token}", "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=15),
        )
        folder = Path(self.engine_folder).parent / "spool" / "gateway"
        self.spool = Spool(folder, url=f"{self.portal_url}/site/v1/events", token=self.site_token)
        self.spool.start()

    async def do_cleanup(self) -> None:
        await self.spool.close()
        await self.http.close()

    # --- grant, claim, start --------------------------------------------------------------------------------------------

    async def start_cluster(self, user: Any, cluster_options: dict[str, Any]) -> str:
        """Hold credits at the portal, make the cluster, tell the portal, and only then start it."""
        grant = await self._grant(launch=launch_of(user), hub_username=user.name)
        options, config = await self.process_cluster_options(user, cluster_options)
        values = config.to_dict() | {
            "worker_cores": grant.worker_cores,
            "worker_threads": grant.worker_cores,
            "worker_memory": grant.worker_memory_gib * 2**30,
            "cluster_max_workers": grant.workers_max,
            "idle_timeout": float(grant.idle_timeout_s),
            "environment": {GRANT: grant.model_dump_json()},
        }
        cluster = self.db.create_cluster(user.name, options, values)
        try:
            await self._claim(grant, cluster)
        except PublicException:
            self.db.update_cluster(cluster, status=JobStatus.FAILED, target=JobStatus.FAILED, stop_time=int(time.time() * 1000))
            raise
        self.log.info("cluster %s is %s of session %s", cluster.name, grant.cluster, grant.launch)
        self.queue.put(cluster)
        return cluster.name

    async def _grant(self, *, launch: str, hub_username: str) -> ClusterGrant:
        ask = ClusterAsk(launch=launch, hub_username=hub_username)
        limit = time.monotonic() + STOPPING_WAIT_S
        while True:
            status, body = await self._post("clusters", ask.model_dump_json())
            if status == 201:
                return ClusterGrant.model_validate(body)
            # The cluster before is on its way out: wait for its books to be closed instead of refusing.
            over = body.get("code") == "cluster_stopping" or (body.get("code") == "cluster_exists" and not self._runs(launch))
            if over and time.monotonic() < limit:
                await asyncio.sleep(0.5)
                continue
            raise PublicException(body.get("detail") or f"The portal gave no grant ({status}).")

    def _runs(self, launch: str) -> bool:
        """Whether a cluster of that session runs here and is to go on."""
        wanted = [c for c in self.db.active_clusters() if c.target == JobStatus.RUNNING and GRANT in c.config.environment]
        return any(_grant_of(cluster).launch == launch for cluster in wanted)

    async def _claim(self, grant: ClusterGrant, cluster: Cluster) -> None:
        claim = ClusterClaim(cluster=grant.cluster, gateway_name=cluster.name)
        status, body = await self._post("clusters/claim", claim.model_dump_json())
        if status != 200:
            raise PublicException(body.get("detail") or f"The portal withdrew the grant ({status}).")

    async def _post(self, path: str, data: str) -> tuple[int, dict[str, Any]]:
        try:
            async with self.http.post(f"{self.portal_url}/site/v1/{path}", data=data) as answer:
                return answer.status, await answer.json()
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise PublicException(f"The portal does not answer just now ({error}); nothing was started.") from error

    # --- processes under runners ----------------------------------------------------------------------------------------

    def get_env(self, cluster: Cluster) -> dict[str, str]:
        env = super().get_env(cluster)
        grant = _grant_of(cluster)
        env.pop(GRANT, None)
        homes, environments = self._folders(grant)
        home = homes / grant.home
        overlay, environment = home / ".packages", environments / grant.environment
        for name in self.inherited_environment:
            env.pop(name, None)
        return {
            **env,
            **self.extra_env,
            **grant.env,
            **aws_environment(home=home, env=grant.env),
            "HOME": str(home),
            "USER": cluster.username,
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "PATH": f"{overlay}/bin:{environment}/bin:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": str(overlay),
            "OMP_NUM_THREADS": str(grant.worker_cores),
        }

    def _folders(self, grant: ClusterGrant) -> tuple[Path, Path]:
        """Homes and environments of the engine that runs the grant."""
        if grant.engine == "slurm":
            return self._site.homes, self._site.environments
        return Path(self.homes_folder), Path(self.environments_folder)

    @property
    def _site(self) -> SlurmSite:
        if self.engine.slurm is None:
            raise RuntimeError("a grant for Slurm at a site that has none")
        return self.engine.slurm.site

    def get_tls_paths(self, cluster: Cluster) -> tuple[str, str]:
        grant = _grant_of(cluster)
        if grant.engine == "slurm":
            return batch.tls_paths(self._site, grant, cluster)
        paths: tuple[str, str] = super().get_tls_paths(cluster)
        return paths

    async def do_start_cluster(self, cluster: Cluster) -> AsyncIterator[dict[str, Any]]:
        grant = _grant_of(cluster)
        batched = grant.engine == "slurm"
        workdir = "" if batched else self.setup_working_directory(cluster)
        yield {"workdir": workdir}
        command = self._python(grant, self.get_scheduler_command(cluster))
        env = self.get_scheduler_env(cluster)
        start = self._submit if batched else self._run
        await start(cluster, id=f"{grant.cluster}-scheduler", kind="scheduler", argv=command, env=env, workdir=workdir)
        self.spool.put(kind="cluster.started", subject=grant.cluster)
        yield {"workdir": workdir, "process": f"{grant.cluster}-scheduler"}

    async def do_start_worker(self, worker: Worker) -> AsyncIterator[dict[str, Any]]:
        grant = _grant_of(worker.cluster)
        if time.time() >= grant.lease_end:
            raise RuntimeError("the lease is over")
        name = f"{grant.cluster}-w{worker.name[:24]}"
        command = self._python(grant, self.get_worker_command(worker.cluster, worker.name))
        env, workdir = self.get_worker_env(worker.cluster), worker.cluster.state["workdir"]
        start = self._submit if grant.engine == "slurm" else self._run
        await start(worker.cluster, id=name, kind="worker", argv=command, env=env, workdir=workdir)
        yield {"process": name}

    async def _submit(
        self, cluster: Cluster, *, id: str, kind: ProcessKind, argv: list[str], env: dict[str, str], workdir: str
    ) -> None:
        """As a job on the allocation's account, in the person's own name."""
        order = batch.order_make(self._site, _grant_of(cluster), id=id, kind=kind, argv=argv)
        started = asyncio.to_thread(self.engine.start, order, batch.job_env(order, env), private=batch.private_files(cluster))
        try:
            await started
        except (SlurmRefused, SlurmSilent) as error:
            raise RuntimeError(str(error)) from error

    async def _run(
        self, cluster: Cluster, *, id: str, kind: ProcessKind, argv: list[str], env: dict[str, str], workdir: str
    ) -> None:
        grant = _grant_of(cluster)
        order = RunOrder(
            id=id,
            kind=kind,
            parent=grant.cluster,
            instance=grant.instance,
            argv=argv,
            cwd=workdir,
            log=str(Path(self.get_logs_directory(workdir)) / f"{kind}-{id[-8:]}.log"),
            deadline=grant.lease_end,
            grace_s=2.0,
        )
        try:
            await asyncio.to_thread(self.engine.start, order, env)
        except AlreadyRan as error:
            raise RuntimeError(f"{id} ran before") from error

    def _python(self, grant: ClusterGrant, command: list[str]) -> list[str]:
        """The person's own Python, packages included; without a home of theirs the shared one."""
        homes, environments = self._folders(grant)
        overlay = homes / grant.home / ".packages" / "bin" / "python"
        shared = environments / grant.environment / "bin" / "python"
        # A home at a batch site is its owner's alone and cannot be looked into: its first session has laid the overlay there.
        return [str(overlay if grant.engine == "slurm" or overlay.exists() else shared), *command]

    async def do_stop_cluster(self, cluster: Cluster) -> None:
        grant = _grant_of(cluster)
        await self._stop(f"{grant.cluster}-scheduler")
        if workdir := cluster.state.get("workdir"):
            self.cleanup_working_directory(workdir)
        self.spool.put(kind="cluster.ended", subject=grant.cluster)

    async def do_stop_worker(self, worker: Worker) -> None:
        if name := worker.state.get("process"):
            await self._stop(name)

    async def _stop(self, id: str) -> None:
        await asyncio.to_thread(self.engine.stop, id)
        limit = time.monotonic() + STOP_WAIT_S
        while await self._alive(id) and time.monotonic() < limit:
            await asyncio.sleep(0.05)

    async def do_check_clusters(self, clusters: list[Cluster]) -> list[bool]:
        return [await self._alive(c.state.get("process", "")) for c in clusters]

    async def do_check_workers(self, workers: list[Worker]) -> list[bool]:
        return [await self._alive(w.state.get("process", "")) for w in workers]

    async def _alive(self, id: str) -> bool:
        item = await asyncio.to_thread(self.engine.look_one, id) if id else None
        return item is not None and item.state != "gone"

    # --- the moment a process is of use: charging begins there ------------------------------------------------------------

    async def on_cluster_heartbeat(self, cluster_name: str, msg: dict[str, Any]) -> None:
        await super().on_cluster_heartbeat(cluster_name, msg)
        cluster = self.db.get_cluster(cluster_name)
        if cluster is None or GRANT not in cluster.config.environment:
            return
        now = time.time()
        self.engine.mark_ready(f"{_grant_of(cluster).cluster}-scheduler", now)
        for worker in cluster.workers.values():
            if worker.status == JobStatus.RUNNING and (name := worker.state.get("process")):
                self.engine.mark_ready(name, now)

    # --- for the portal, by the site token ----------------------------------------------------------------------------------

    async def _site_stop(self, request: web.Request) -> web.Response:
        if refusal := self._not_the_portal(request):
            return refusal
        wanted = request.match_info["cluster"]
        for cluster in self.db.active_clusters():
            if _grant_of(cluster).cluster == wanted:
                await self.stop_cluster(cluster.name)
                return web.Response(status=202)
        return web.Response(status=404)

    async def _site_list(self, request: web.Request) -> web.Response:
        if refusal := self._not_the_portal(request):
            return refusal
        rows = [
            {
                "cluster": _grant_of(c).cluster,
                "gateway_name": c.name,
                "status": c.status.name,
                "workers": len(c.active_workers()),
            }
            for c in self.db.active_clusters()
        ]
        return web.json_response({"items": rows})

    def _not_the_portal(self, request: web.Request) -> web.Response | None:
        said = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(said.encode(), self.site_token.encode()):
            return None
        return web.json_response({"detail": "The site token is wrong."}, status=401)


def _grant_of(cluster: Cluster) -> ClusterGrant:
    return ClusterGrant.model_validate_json(cluster.config.environment[GRANT])
