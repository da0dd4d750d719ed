from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from allocations.ledger.selectors import Balance, balance
from allocations.ledger.services import holds_expire
from allocations.ledger.verify import verify
from allocations.projects.models import Allocation
from notebooks_svc.sessions import advance, clusters, idle, looking, services
from notebooks_svc.sessions.doors.fake import FakeSite
from notebooks_svc.sessions.events import event_take
from notebooks_svc.sessions.models import Session
from notebooks_svc.sessions.spec import session_spec
from portal.accounts.models import User
from portal.core.quantities import credits_text
from portal.organisations.models import OrgRole
from tests.support import portal


@dataclass
class World:
    """A firm with an award, a person of it, a site, and one clock for all."""

    now: datetime
    site: FakeSite
    founder: User
    colleague: User
    rival: User
    allocation: Allocation
    delivered: int = 0
    log: list[str] = field(default_factory=list)

    def launch(self, user: User | None = None, **asked: Any) -> Session:
        """Launch `small` for an hour unless said otherwise."""
        values: dict[str, Any] = {"allocation": self.allocation.code, "resource": "cpu", "profile": "small", "minutes": 60}
        return services.session_launch(user=user or self.colleague, at=self.now, **{**values, **asked})

    def ready(self, **asked: Any) -> Session:
        """Launch and wait until it is ready."""
        session = self.launch(**asked)
        self.run(10)
        session.refresh_from_db()
        assert session.state == "ready"
        return session

    def stop(self, session: Session, by: User | None = None, reason: str = "person") -> None:
        """Ask for a session's end."""
        services.session_stop(session=session, by=by, reason=reason, at=self.now)

    def run(self, seconds: float, *, step: float = 1.0, look_every: float = 15.0, deliver: bool = True) -> None:
        """Let the world go on: the site's clock, events, sweeps every second, a look every 15 s."""
        end = self.now + timedelta(seconds=seconds)
        since_look = 0.0
        while self.now < end:
            self.now += timedelta(seconds=step)
            self.site.advance(step)
            since_look += step
            if deliver:
                self.deliver()
            advance.sessions_advance_due(at=self.now)
            clusters.clusters_advance_due(at=self.now)
            holds_expire(at=self.now)
            if since_look >= look_every:
                since_look = 0.0
                self.look()

    def look(self) -> bool:
        """One look at the site."""
        return looking.site_look(slug="room", at=self.now)

    def deliver(self) -> None:
        """Give the portal the events it has not had."""
        while self.delivered < len(self.site.events):
            event_take(self.site.events[self.delivered], at=self.now)
            self.delivered += 1

    def balance(self) -> Balance:
        """The allocation's balances."""
        return balance(code=self.allocation.account)

    def spent(self) -> str:
        """Credits spent, as text."""
        return credits_text(self.balance().spent)

    def books(self) -> None:
        """Prove the books."""
        verify(chain=True)


class OutsideSite(FakeSite):
    """A site that notices when it is asked from inside a transaction: the network is never awaited while rows are locked."""

    def _outside(self) -> None:
        # One block is the test's own; a service's would be another.
        assert len(connection.atomic_blocks) <= 1, "the network was asked inside a transaction"

    def _hub(self) -> None:
        self._outside()
        super()._hub()

    def _agent(self) -> None:
        self._outside()
        super()._agent()

    def cluster_stop(self, cluster: str) -> None:
        self._outside()
        super().cluster_stop(cluster)


@pytest.fixture
def world(db: None, now: datetime, monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> World:
    """See `World`. The doors lead to the site in memory; the portal's clock is the world's."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    founder, colleague, rival = (portal.person(name, at=now) for name in ("founder", "colleague", "rival"))
    organisation = portal.firm(founder, at=now)
    portal.member(organisation, colleague, OrgRole.MEMBER, at=now)
    portal.firm(rival, at=now)
    portal.machine_room(at=now)
    site = OutsideSite(
        instance=settings.INSTANCE_ID,
        now=now.timestamp(),
        spec=lambda launch, user: session_spec(launch=launch, hub_username=user),
    )
    made = World(now, site, founder, colleague, rival, portal.award(organisation, at=now))
    for module in (advance, looking, idle):
        monkeypatch.setattr(module, "hub_door", lambda url: site)
    for module in (advance, looking, services, clusters):
        monkeypatch.setattr(module, "agent_door", lambda url: site)
    _clock_patch(monkeypatch, lambda: made.now)
    monkeypatch.setattr(clusters, "gateway_door", lambda url: site)
    monkeypatch.setattr("notebooks_svc.sessions.looking._orphans", {})
    monkeypatch.setattr("notebooks_svc.sessions.looking._wide", {})
    return made


def _clock_patch(monkeypatch: pytest.MonkeyPatch, now: Callable[[], datetime]) -> None:
    """The few places that ask the clock themselves (views, loops) ask the world's."""
    monkeypatch.setattr("django.utils.timezone.now", now)
    monkeypatch.setattr("notebooks_svc.sessions.looking.time.time", lambda: now().timestamp())
    assert now().tzinfo == UTC
