"""
JupyterHub's configuration for one site: `jupyterhub -f notebooks_svc/hub/config.py`.

What differs between sites comes from `COMMONS_HUB_SETTINGS`, a JSON file that `manage.py up` (or the operator) writes.
"""

import json
import os
from pathlib import Path

import notebooks_svc.hub
from notebooks_svc.hub import port
from notebooks_svc.hub.proxy import EmbeddedProxy
from notebooks_svc.hub.spawner import CommonsSpawner, post_stop

c = get_config()  # type: ignore[name-defined]  # noqa: F821 (JupyterHub gives it)
s = json.loads(Path(os.environ["COMMONS_HUB_SETTINGS"]).read_text())
home = Path(s["home"])
hub_home = home / "hub"
hub_home.mkdir(mode=0o700, parents=True, exist_ok=True)


def secret(name: str) -> str:
    """A key of the state folder."""
    return (home / "keys" / name).read_text()


# --- where it listens ---------------------------------------------------------------------------------------------------
c.JupyterHub.bind_url = s["notebooks_url"]
c.JupyterHub.hub_bind_url = s["hub_url"]
c.JupyterHub.db_url = f"sqlite:///{hub_home}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret = bytes.fromhex(secret("hub_cookie_secret"))
c.JupyterHub.proxy_class = EmbeddedProxy
c.EmbeddedProxy.own_host = s["notebooks_host"]
c.EmbeddedProxy.dropped_cookies = s["portal_cookies"]
c.JupyterHub.template_paths = [str(Path(notebooks_svc.hub.__file__).with_name("templates"))]
c.JupyterHub.template_vars = {"portal_url": s["portal_url"]}
c.JupyterHub.default_url = s["portal_url"] + "/"

# --- who people are: the portal says -------------------------------------------------------------------------------------
os.environ.setdefault("JUPYTERHUB_CRYPT_KEY", secret("hub_crypt_key"))
c.JupyterHub.authenticator_class = "generic-oauth"
a = c.GenericOAuthenticator
a.client_id = s["oidc_client_id"]
a.client_secret = secret("oidc_client_secret")
a.oauth_callback_url = s["notebooks_url"] + "/hub/oauth_callback"
a.authorize_url = s["portal_url"] + "/identity/o/authorize"
a.token_url = s["portal_url"] + "/identity/o/api/token"
a.userdata_url = s["portal_url"] + "/identity/o/api/userinfo"
a.scope = ["openid", "profile", "email"]
a.username_claim = "hub_username"
a.enable_pkce = True
a.auto_login = True
a.auto_login_oauth2_authorize = True
a.allow_all = True  # the portal decides who signs in; a server exists only when the portal starts it
a.admin_users = set()  # no person is an administrator: that role may enter any notebook
a.enable_auth_state = True
a.auth_refresh_age = 300
a.refresh_pre_spawn = False
a.logout_redirect_url = s["portal_url"] + "/"

# --- what may be started, and by whom -------------------------------------------------------------------------------------
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 0
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.active_server_limit = 0
c.JupyterHub.cleanup_servers = False  # an orderly stop of the hub ends nobody's session
c.JupyterHub.cleanup_proxy = True
c.JupyterHub.init_spawners_timeout = 2
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0, "slow_stop_timeout": 0}
c.JupyterHub.last_activity_interval = 60
c.JupyterHub.services = [
    {"name": "portal", "api_token": secret("hub_service_token")},
    {"name": "dask-gateway", "api_token": secret("gateway_service_token"), "url": s["gateway_url"], "oauth_no_confirm": True},
]
c.JupyterHub.load_roles = [
    {
        "name": "portal-launcher",
        "services": ["portal"],
        # access:servers lets the portal give an owner a token for one notebook (POST /sessions/{id}/token).
        "scopes": ["servers", "admin:users", "list:users", "read:hub", "tokens", "access:servers"],
    },
    {"name": "dask-gateway", "services": ["dask-gateway"], "scopes": ["read:users:name", "read:users:groups"]},
    # People open what the portal started; they start and stop nothing here.
    {
        "name": "user",
        "scopes": [
            "read:users!user",
            "read:servers!user",
            "access:servers!user",
            "users:activity!user",
            "access:services!service=dask-gateway",
        ],
    },
]

# --- how it is started ----------------------------------------------------------------------------------------------------
c.JupyterHub.spawner_class = CommonsSpawner
p = c.CommonsSpawner
p.portal_url = s["portal_url"]
p.site_token = secret("site_token")
p.engine_folder = str(home / "engine")
p.homes_folder = str(home / "homes")
p.environments_folder = str(home / "environments")
p.logs_folder = str(home / "logs" / "sessions")
(home / "logs" / "sessions").mkdir(parents=True, exist_ok=True)
p.slurm_file = s.get("slurm_file", "")
# The only thing a job may tell the hub: the port of its server, with its own launch's secret.
c.JupyterHub.extra_handlers = [(port.PATH, port.PortHandler, {"engine_folder": str(home / "engine")})]
p.extra_env = {
    "DASK_GATEWAY__ADDRESS": s["notebooks_url"] + "/services/dask-gateway/",
    "DASK_GATEWAY__PROXY_ADDRESS": s["gateway_tcp_url"],
    "DASK_GATEWAY__AUTH__TYPE": "jupyterhub",
}
p.env_keep = ["LANG", "LC_ALL", "TZ"]
p.ip = "127.0.0.1"
p.poll_interval = 5
p.start_timeout = s["start_timeout_s"]
p.http_timeout = 130  # longer than a boot: a server that was starting when the hub died is waited for
p.consecutive_failure_limit = 0
p.post_stop_hook = post_stop
p.server_token_scopes = [
    "users:activity!user",
    "access:servers!server",
    "access:services!service=dask-gateway",
    "read:users:name!user",
    "read:users:groups!user",
]
p.oauth_client_allowed_scopes = []
c.JupyterHub.log_level = s.get("log_level", "INFO")
