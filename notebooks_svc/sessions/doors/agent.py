"""The portal's door to a site agent: look, cancel, extend."""

from __future__ import annotations

from typing import Any

import httpx
from django.conf import settings
from pydantic import ValidationError

from notebooks_svc.wire import CancelAsk, ExtendAsk, Look

TIMEOUT = httpx.Timeout(10.0, connect=2.0)


class AgentUnreachable(Exception):
    """No answer, or none that can be read: what runs there is unknown."""


class AgentDoor:
    """The site agent at `url`, with the site token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/") + "/v1"
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def look(self, *, since: float) -> Look:
        """Everything of ours that lives there, and what ended since."""
        answer = self._call("GET", "/look", params={"since": repr(since)})
        if answer.status_code != 200:
            raise AgentUnreachable(f"look answered {answer.status_code}")
        try:
            return Look.model_validate_json(answer.text)
        except ValidationError as error:
            raise AgentUnreachable(f"look cannot be read: {error}") from error

    def cancel(self, id: str, *, reason: str) -> bool:
        """Stop one process group; False when the site does not know it."""
        answer = self._call("POST", "/cancel", content=CancelAsk(id=id, reason=reason).model_dump_json())
        return answer.status_code == 200

    def extend(self, id: str, *, deadline: float) -> bool:
        """Move a deadline; False when the group has ended."""
        answer = self._call("POST", "/extend", content=ExtendAsk(id=id, deadline=deadline).model_dump_json())
        return answer.status_code == 200

    def _call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        try:
            answer = httpx.request(method, self.url + path, headers=self.headers, timeout=TIMEOUT, **kwargs)
        except httpx.HTTPError as error:
            raise AgentUnreachable(str(error)) from error
        if answer.status_code in (401, 403) or answer.status_code >= 500:
            raise AgentUnreachable(f"{method} {path} answered {answer.status_code}")
        return answer


def agent_door(url: str) -> AgentDoor:
    """The door to the agent at `url`."""
    return AgentDoor(url, settings.SITE_TOKEN)
