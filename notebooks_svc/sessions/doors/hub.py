"""The portal's door to a site's hub: the few calls of JupyterHub's REST API that a launch needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import httpx
from django.conf import settings

from .line import authority

PAGE, USERS_MAX = 200, 100_000  # the hub gives at most so many at a time
TIMEOUT = httpx.Timeout(10.0, connect=2.0)


class HubUnreachable(Exception):
    """No answer, or one that says nothing about our server: what happened is unknown."""


@dataclass(frozen=True)
class ServerState:
    """A named server as the hub has it."""

    ready: bool
    pending: str
    last_activity: str


class HubDoor:
    """JupyterHub's API at `url`, with the portal's service token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/") + "/hub/api"
        self.headers = {"Authorization": f"token {token}"}

    def user_ensure(self, user: str) -> None:
        """Make the person known to the hub; known already is fine."""
        answer = self._call("POST", f"/users/{user}")
        if answer.status_code not in (201, 409):
            raise HubUnreachable(f"making a user answered {answer.status_code}")

    def server_start(self, user: str, server: str) -> Literal["accepted", "exists", "user_unknown"]:
        """Ask for a server. Every answer is a hint: `server_get` decides."""
        answer = self._call("POST", f"/users/{user}/servers/{server}", json={})
        if answer.status_code in (201, 202):
            return "accepted"
        if answer.status_code == 404:
            return "user_unknown"
        if answer.status_code == 400:
            return "exists"
        raise HubUnreachable(f"starting a server answered {answer.status_code}: {answer.text[:200]}")

    def server_get(self, user: str, server: str) -> ServerState | None:
        """The server, or None when the hub does not have it."""
        answer = self._call("GET", f"/users/{user}")
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise HubUnreachable(f"reading a user answered {answer.status_code}")
        found: dict[str, Any] | None = answer.json().get("servers", {}).get(server)
        if found is None:
            return None
        return ServerState(bool(found.get("ready")), found.get("pending") or "", found.get("last_activity") or "")

    def activity(self) -> dict[str, datetime]:
        """When each named server was last in use, as its own notebook server told the hub: one question for all."""
        found: dict[str, datetime] = {}
        for offset in range(0, USERS_MAX, PAGE):
            answer = self._call("GET", "/users", params={"state": "active", "offset": offset, "limit": PAGE})
            if answer.status_code != 200:
                raise HubUnreachable(f"reading users answered {answer.status_code}")
            users = answer.json()
            for user in users:
                for name, server in user.get("servers", {}).items():
                    if moment := server.get("last_activity"):
                        found[name] = datetime.fromisoformat(moment)
            if len(users) < PAGE:
                break
        return found

    def server_stop(self, user: str, server: str) -> None:
        """Ask for the server's end; not there is fine."""
        answer = self._call("DELETE", f"/users/{user}/servers/{server}", json={"remove": True})
        if answer.status_code not in (202, 204, 404, 400):
            raise HubUnreachable(f"stopping a server answered {answer.status_code}")

    def token_create(self, user: str, server: str, *, expires_in_s: int) -> str:
        """A token that opens this one server and nothing else."""
        answer = self._call(
            "POST",
            f"/users/{user}/tokens",
            json={"scopes": [f"access:servers!server={user}/{server}"], "expires_in": expires_in_s, "note": "from the portal"},
        )
        if answer.status_code != 201:
            raise HubUnreachable(f"making a token answered {answer.status_code}: {answer.text[:200]}")
        return answer.json()["token"]

    def _call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        try:
            answer = httpx.request(method, self.url + path, headers=self.headers, timeout=TIMEOUT, verify=authority(), **kwargs)
        except httpx.HTTPError as error:
            raise HubUnreachable(str(error)) from error
        if answer.status_code in (401, 403) or answer.status_code >= 500:
            raise HubUnreachable(f"{method} {path} answered {answer.status_code}")
        return answer


def hub_door(url: str) -> HubDoor:
    """The door to the hub at `url`."""
    return HubDoor(url, settings.HUB_SERVICE_TOKEN)
