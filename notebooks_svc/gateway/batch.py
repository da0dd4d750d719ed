"""Schedulers and workers as jobs of a batch scheduler: what differs from processes of this machine."""

from __future__ import annotations

import json
from pathlib import Path

from dask_gateway_server.backends.db_base import Cluster

from ..agent.slurm.site import SlurmSite
from ..wire import ClusterGrant, ProcessKind, RunOrder

FOLDER = ".dask-gateway"


def place(site: SlurmSite, grant: ClusterGrant) -> Path:
    """The person's home at the site."""
    return site.homes / grant.home


def tls_paths(site: SlurmSite, grant: ClusterGrant, cluster: Cluster) -> tuple[str, str]:
    """Where a cluster's certificate and key lie: in the person's home, for their account alone."""
    folder = place(site, grant) / FOLDER / cluster.name
    return str(folder / "dask.crt"), str(folder / "dask.pem")


def private_files(cluster: Cluster) -> dict[str, str]:
    """Certificate and key, laid there by the program that submits as the person."""
    return {
        f"{FOLDER}/{cluster.name}/dask.crt": cluster.tls_cert.decode(),
        f"{FOLDER}/{cluster.name}/dask.pem": cluster.tls_key.decode(),
    }


def order_make(site: SlurmSite, grant: ClusterGrant, *, id: str, kind: ProcessKind, argv: list[str]) -> RunOrder:
    """The order of one job; its limit follows from the lease's end."""
    return RunOrder(
        id=id,
        kind=kind,
        parent=grant.cluster,
        instance=grant.instance,
        argv=argv,
        cwd=str(place(site, grant)),
        log="",
        deadline=grant.lease_end,
        grace_s=2.0,
        engine="slurm",
        batch=grant.batch,
    )


def job_env(order: RunOrder, env: dict[str, str]) -> dict[str, str]:
    """What the batch script reads besides."""
    return env | {
        "COMMONS_PROCESS": order.id,
        "COMMONS_INSTANCE": order.instance,
        "COMMONS_ARGV": json.dumps(order.argv),
    }
