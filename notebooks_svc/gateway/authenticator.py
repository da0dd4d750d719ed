"""Who asks for a cluster: a person, from inside one running session."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from dask_gateway_server.auth import JupyterHubAuthenticator, unauthorized
from dask_gateway_server.models import User

SCOPE = "access:servers!server="


class SessionAuthenticator(JupyterHubAuthenticator):
    """Ask the hub who a token belongs to and which single server it opens: that server's name is the launch id."""

    async def authenticate(self, request: web.Request) -> User:
        token = self.get_token(request)
        if token is None:
            raise unauthorized("jupyterhub")
        headers = {"Authorization": f"token {token}"}
        async with self.session.get(f"{self.jupyterhub_api_url}/user", headers=headers, ssl=self.ssl_context) as answer:
            if answer.status in (401, 403, 404):
                raise unauthorized("jupyterhub")
            if answer.status >= 400:
                raise web.HTTPBadGateway(reason="The hub could not say whose token this is; try again.")
            data = await answer.json()
        if data.get("kind") != "user":
            raise unauthorized("jupyterhub")
        scopes = set(data.get("scopes", []))
        if not {"access:services", f"access:services!service={self.jupyterhub_service_name}"} & scopes:
            raise unauthorized("jupyterhub")
        user = User(data["name"])
        user.launch = _launch_of(scopes, data["name"])
        return user


def _launch_of(scopes: set[str], name: str) -> str:
    servers = {scope.removeprefix(SCOPE) for scope in scopes if scope.startswith(SCOPE)}
    own = {server.partition("/")[2] for server in servers if server.partition("/")[0] == name}
    if len(servers) != 1 or len(own) != 1 or not next(iter(own)):
        raise web.HTTPForbidden(reason="This token names no single session. Make clusters from inside a notebook.")
    return own.pop()


def launch_of(user: Any) -> str:
    """The launch id the authenticator found."""
    launch: str = user.launch
    return launch
