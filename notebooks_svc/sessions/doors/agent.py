"""The portal's door to a site agent: look, cancel, extend; and what a batch scheduler is asked through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from django.conf import settings
from pydantic import ValidationError

from notebooks_svc.wire import (
    BatchAsk,
    BatchLook,
    CancelAsk,
    ExtendAsk,
    FolderList,
    FoldersUse,
    Look,
    MirrorAccount,
    MirrorAnswer,
    MirrorAsk,
    TestAnswer,
    TestAsk,
)

from .line import authority

TIMEOUT = httpx.Timeout(10.0, connect=2.0)
TIMEOUT_SHORT = httpx.Timeout(3.0, connect=1.0)  # somebody looks at a page meanwhile
TIMEOUT_LONG = httpx.Timeout(120.0, connect=2.0)  # many accounts at once, a third of a second each


class AgentUnreachable(Exception):
    """No answer, or none that can be read: what runs there is unknown."""


class AgentRefused(Exception):
    """The agent answered, and would not."""


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

    def test_only(self, ask: TestAsk) -> TestAnswer:
        """When the scheduler would start something of this size."""
        answer = self._call("POST", "/test_only", content=ask.model_dump_json(), timeout=TIMEOUT_SHORT)
        return TestAnswer.model_validate_json(self._good(answer))

    def accounts_sync(self, accounts: list[MirrorAccount], *, asked: float = 0.0) -> MirrorAnswer:
        """Make the scheduler's accounts as the portal says; what had to be changed, in words, and people's accounts."""
        content = MirrorAsk(accounts=accounts, asked=asked).model_dump_json()
        answer = self._call("POST", "/accounts_sync", content=content, timeout=TIMEOUT_LONG)
        return MirrorAnswer.model_validate_json(self._good(answer))

    def batch_look(self, ask: BatchAsk) -> BatchLook:
        """What became of jobs that people submitted themselves under batch holds."""
        answer = self._call("POST", "/batch_look", content=ask.model_dump_json(), timeout=TIMEOUT_LONG)
        try:
            return BatchLook.model_validate_json(self._good(answer))
        except ValidationError as error:
            raise AgentUnreachable(f"a look at batch jobs cannot be read: {error}") from error

    def log(self, id: str) -> str:
        """The end of a launch's log, where the portal cannot read it itself."""
        answer = self._call("GET", f"/log/{id}", timeout=TIMEOUT_SHORT)
        return str(answer.json().get("text", "")) if answer.status_code == 200 else ""

    def folders_use(self) -> dict[str, tuple[int, int]] | None:
        """Bytes and files of every team's folder, by its name in small letters; None where the agent may not look."""
        said = FoldersUse.model_validate_json(self._good(self._call("GET", "/folders", timeout=TIMEOUT_LONG)))
        return {team.lower(): use for team, use in said.folders.items()} if said.told else None

    def folder_list(self, team: str, path: str = "") -> FolderList:
        """The files of a team, or the one of a path; none where there is no folder or file of that name."""
        answer = self._call("GET", f"/folders/{team}", params={"path": path} if path else {}, timeout=TIMEOUT_LONG)
        return FolderList(items=[]) if answer.status_code == 404 else FolderList.model_validate_json(self._good(answer))

    @contextmanager
    def folder_read(self, team: str, path: str, *, start: int = 0, size: int | None = None) -> Iterator[Iterator[bytes]]:
        """
        The bytes of one file, in pieces.

        :raises AgentRefused: no such file
        """
        asked = {"path": path, "start": str(start)} | ({"size": str(size)} if size is not None else {})
        where = f"{self.url}/folders/{team}/file"
        try:
            with httpx.stream("GET", where, params=asked, headers=self.headers, timeout=TIMEOUT, verify=authority()) as answer:
                if answer.status_code != 200:
                    raise AgentRefused(f"{path}: the agent answered {answer.status_code}")
                yield answer.iter_bytes()
        except httpx.HTTPError as error:
            raise AgentUnreachable(str(error)) from error

    def folder_remove(self, team: str) -> None:
        """Delete a team's files; asking again is harmless."""
        self._good(self._call("POST", f"/folders/{team}/remove", timeout=TIMEOUT_LONG))

    @staticmethod
    def _good(answer: httpx.Response) -> str:
        if answer.status_code != 200:
            raise AgentRefused(f"the agent answered {answer.status_code}: {answer.text[:300]}")
        return answer.text

    def _call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        try:
            kwargs.setdefault("timeout", TIMEOUT)
            answer = httpx.request(method, self.url + path, headers=self.headers, verify=authority(), **kwargs)
        except httpx.HTTPError as error:
            raise AgentUnreachable(str(error)) from error
        if answer.status_code in (401, 403) or answer.status_code >= 500:
            raise AgentUnreachable(f"{method} {path} answered {answer.status_code}")
        return answer


def agent_door(url: str) -> AgentDoor:
    """The door to the agent at `url`."""
    return AgentDoor(url, settings.SITE_TOKEN)
