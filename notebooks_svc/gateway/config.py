"""dask-gateway's configuration for one site: `dask-gateway-server -f notebooks_svc/gateway/config.py`."""

import base64
import json
import os
from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821 (dask-gateway gives it)
s = json.loads(Path(os.environ["COMMONS_HUB_SETTINGS"]).read_text())
home = Path(s["home"])
gateway_home = home / "gateway"
(gateway_home / "clusters").mkdir(mode=0o700, parents=True, exist_ok=True)


def secret(name: str) -> str:
    """A key of the state folder."""
    return (home / "keys" / name).read_text()


# --- where it listens -----------------------------------------------------------------------------------------------------
c.DaskGateway.address = s["gateway_api"]
c.Proxy.address = s["gateway_url"].removeprefix("http://")
c.Proxy.prefix = "/services/dask-gateway"
c.Proxy.tcp_address = s["gateway_tcp_url"].removeprefix("tls://")
c.Proxy.api_token = secret("gateway_proxy_token")

# --- who asks ---------------------------------------------------------------------------------------------------------------
c.DaskGateway.authenticator_class = "notebooks_svc.gateway.authenticator.SessionAuthenticator"
a = c.SessionAuthenticator
a.jupyterhub_api_token = secret("gateway_service_token")
a.jupyterhub_api_url = s["hub_url"] + "/hub/api"
a.jupyterhub_service_name = "dask-gateway"
a.cache_max_age = 0  # a token's session is asked for each time: it may have ended

# --- what may be started ----------------------------------------------------------------------------------------------------
c.DaskGateway.backend_class = "notebooks_svc.gateway.backend.GrantedBackend"
b = c.GrantedBackend
b.portal_url = s["portal_url"]
b.site_token = secret("site_token")
b.engine_folder = str(home / "engine")
b.homes_folder = str(home / "homes")
b.environments_folder = str(home / "environments")
b.slurm_file = s.get("slurm_file", "")
b.clusters_directory = str(gateway_home / "clusters")
b.extra_env = {}
b.db_url = f"sqlite:///{gateway_home}/gateway.sqlite"
b.db_encrypt_keys = [base64.b64encode(bytes.fromhex(secret("gateway_db_key"))).decode()]
b.stop_clusters_on_shutdown = False  # a restart of the gateway ends nobody's cluster
b.cluster_heartbeat_period = 3
b.cluster_heartbeat_timeout = 60.0
b.cluster_start_timeout = 60
b.worker_start_timeout = 60
if b.slurm_file:
    # A job may wait for a place; only the lease's end is a limit. A worker that is never ready costs nothing.
    b.cluster_start_timeout = b.worker_start_timeout = 6 * 3600
b.cluster_status_period = 5
b.worker_status_period = 5
# distributed no longer installs dask-scheduler and dask-worker as programs; the backend puts the person's Python in front.
c.ClusterConfig.scheduler_cmd = ["-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = ["-m", "distributed.cli.dask_worker"]
c.ClusterConfig.scheduler_memory = "1 G"
c.ClusterConfig.adaptive_period = 3
