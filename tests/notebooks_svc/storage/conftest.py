"""Teams with files at a site: a real site agent over a real folder, in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from django.conf import settings as django_settings
from django.test import Client

from allocations.ledger.verify import verify
from allocations.projects import services as projects
from allocations.projects.models import Allocation
from notebooks_svc.agent.engines import Engines
from notebooks_svc.agent.server import Agent
from notebooks_svc.storage import ending, keeping
from notebooks_svc.storage.models import Keeping
from portal.accounts.models import Role, User
from portal.core.quantities import MICRO
from portal.organisations.models import OrgRole
from tests.support import portal

GIB = 2**30


@dataclass
class Ground:
    """Two enterprises with an award each; `homes` is what the agent keeps."""

    now: datetime
    homes: Path
    founder: User
    colleague: User
    rival: User
    officer: User
    allocation: Allocation
    rivals: Allocation

    def write(self, who: User | str, path: str, body: bytes = b"text", *, of: Allocation | None = None, size: int = 0) -> Path:
        """A file in somebody's folder; with `size` a sparse one of so many bytes."""
        folder = self.homes / (of or self.allocation).code / (who if isinstance(who, str) else who.hub_username)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        if size:
            with target.open("r+b") as file:
                file.truncate(size)
        return target

    def later(self, **time: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(**time)
        return self.now

    def sweep(self) -> None:
        """What the portal does every minute, and every hour."""
        projects.allocations_by_date(at=self.now)
        keeping.keepings_due(at=self.now)
        ending.endings_due(at=self.now)

    def hours(self, count: int) -> None:
        """Sweep every hour."""
        for _ in range(count):
            self.later(hours=1)
            self.sweep()

    def kept(self, allocation: Allocation | None = None) -> Keeping:
        """The row of a project."""
        return Keeping.objects.select_related("allocation").get(allocation=allocation or self.allocation)

    def books(self) -> None:
        """Prove the books."""
        verify(chain=True)


def agent_run(homes: Path, token: str) -> tuple[str, Any]:
    """A real site agent on a free port; returns its address and how it is stopped."""
    loop = asyncio.new_event_loop()
    engine = Engines(homes.parent / "engine", homes=homes, environments=homes.parent / "environments")
    (homes.parent / "engine").mkdir(exist_ok=True)
    runner = web.AppRunner(Agent(engine=engine, instance="test", token=token).app())

    async def begin() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    port = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def stop() -> None:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)

    return f"http://127.0.0.1:{port}", stop


@pytest.fixture
def ground(db: None, now: datetime, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """See `Ground`. 1 GiB is free, the quota is 4 GiB, a GiB-hour costs half a credit; views ask the ground's clock."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.STORAGE_QUOTA_BYTES, settings.STORAGE_FREE_BYTES, settings.STORAGE_GIB_HOUR = 4 * GIB, GIB, MICRO // 2
    founder, colleague, rival = (portal.person(name, at=now) for name in ("founder", "colleague", "rival"))
    officer = portal.person("officer", Role.OFFICER, at=now)
    firm = portal.firm(founder, at=now)
    portal.member(firm, colleague, OrgRole.MEMBER, at=now)
    other = portal.firm(rival, at=now)
    site = portal.machine_room(at=now)
    homes = tmp_path / "homes"
    homes.mkdir()
    url, stop = agent_run(homes, django_settings.SITE_TOKEN)
    site.agent_url = url
    site.save()
    made = Ground(now, homes, founder, colleague, rival, officer, portal.award(firm, at=now), portal.award(other, at=now))
    monkeypatch.setattr("django.utils.timezone.now", lambda: made.now)
    yield made
    stop()


@pytest.fixture
def signed_in(settings: Any) -> Any:
    """A browser of a person."""

    def made(user: User) -> Client:
        client = Client(HTTP_HOST=settings.PORTAL_HOST)
        client.force_login(user)
        return client

    return made
