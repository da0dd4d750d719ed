"""The portal's door to a site's Dask gateway: stop a cluster by its id. Everything else the gateway asks of us."""

from __future__ import annotations

import httpx
from django.conf import settings

from .line import authority

TIMEOUT = httpx.Timeout(10.0, connect=2.0)


class GatewayUnreachable(Exception):
    """No answer: whether the cluster is being stopped is unknown."""


class GatewayDoor:
    """The gateway's site routes at `url`, with the site token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}"}

    def cluster_stop(self, cluster: str) -> None:
        """Ask for a cluster's end; one it does not know has ended."""
        try:
            where = f"{self.url}/site/v1/clusters/{cluster}"
            answer = httpx.delete(where, headers=self.headers, timeout=TIMEOUT, verify=authority())
        except httpx.HTTPError as error:
            raise GatewayUnreachable(str(error)) from error
        if answer.status_code not in (202, 204, 404):
            raise GatewayUnreachable(f"stopping a cluster answered {answer.status_code}")


def gateway_door(url: str) -> GatewayDoor:
    """The door to the gateway at `url`."""
    return GatewayDoor(url, settings.SITE_TOKEN)
