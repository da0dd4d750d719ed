"""
Whatever the order, duplication or loss of what a site reports, the final charge equals that of the true timeline.

A simulator plays random lives of sessions on a virtual clock: boots that fail, stops, extensions, exits, lost runners,
operators, hubs that forget, agents and portals that are away, events that come late, twice or never, looks that are
incomplete, clocks that are up to two seconds off. What truly happened is what the site's own processes did.
"""

from __future__ import annotations

import heapq
import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from allocations.ledger.models import Transfer
from allocations.ledger.verify import verify
from allocations.usage.models import UsageRecord
from notebooks_svc.metering.counting import STOP_GRACE_S
from notebooks_svc.sessions import advance, services
from notebooks_svc.sessions.events import event_take
from notebooks_svc.sessions.models import Session
from portal.accounts.models import Role
from portal.core.errors import Refusal
from portal.core.quantities import charge
from tests.support import portal

from .conftest import World

BATCHES, TIMELINES = (20, 500) if os.environ.get("COMMONS_TEST_LONG") != "1" else (80, 500)
RATE = 6_000_000


class Simulator:
    """Plays many lives at once on one site."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.dice = world, random.Random(seed)
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        self.began = world.now
        self.sessions: dict[str, dict[str, Any]] = {}
        self.operator = portal.person("operator", Role.OPERATOR, at=world.now)
        self.seen = 0
        self.told: Counter[str] = Counter()

    @property
    def clock(self) -> float:
        return (self.world.now - self.began).total_seconds()

    def at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (moment, next(self.order), action))

    def play(self, lives: int) -> None:
        """Play all lives to their end, then let the site be seen once more in full."""
        dice, site = self.dice, self.world.site
        site.now += dice.uniform(-1.9, 1.9)
        self.at(0.0, self.world.look)
        for _ in range(lives):
            self.at(dice.uniform(0, 900), self.live)
        for moment in range(5, 5000, 60):
            self.at(moment + dice.random(), self.sweep)
        for _ in range(40):
            self.at(dice.uniform(0, 4000), self.look)
        for name in ("hub_up", "agent_up"):
            for _ in range(3):
                away = dice.uniform(0, 3500)
                self.at(away, lambda name=name: setattr(site, name, False))
                self.at(away + dice.uniform(10, 400), lambda name=name: setattr(site, name, True))
        for _ in range(3):
            self.at(dice.uniform(0, 3500), site.restart_hub)
        while self.queue:
            moment, _, action = heapq.heappop(self.queue)
            self.go_to(moment)
            action()
        site.hub_up = site.agent_up = site.complete = True
        for _ in range(12):
            self.go_to(self.clock + 30)
            self.sweep()
            self.world.look()

    def go_to(self, moment: float) -> None:
        ahead = moment - self.clock
        if ahead > 0:
            self.world.now += timedelta(seconds=ahead)
            self.world.site.advance(ahead)
        self.post_events()

    def post_events(self) -> None:
        """Each new event is lost, late, or doubled, as the dice say."""
        events = self.world.site.events
        while self.seen < len(events):
            event, self.seen = events[self.seen], self.seen + 1
            fate = self.dice.random()
            if fate < 0.3:
                self.told["lost"] += 1
                continue
            times = 2 if fate > 0.8 else 1
            for _ in range(times):
                self.told["told"] += 1
                self.at(
                    self.clock + self.dice.choice([0.05, 1, 30, 600]) * self.dice.random(),
                    lambda event=event: event_take(event, at=self.world.now),
                )

    def sweep(self) -> None:
        if self.dice.random() < 0.8:  # now and then the portal is away
            advance.sessions_advance_due(at=self.world.now)

    def look(self) -> None:
        self.world.site.complete = self.dice.random() < 0.7
        self.world.look()
        self.world.site.complete = True

    # --- one life -------------------------------------------------------------------------------------------------------

    def live(self) -> None:
        dice, world = self.dice, self.world
        world.site.boot_takes_s = None if dice.random() < 0.05 else dice.uniform(1, 90)
        session = world.launch(minutes=dice.choice([1, 2, 5, 15, 40]), user=world.founder)
        life = self.sessions[session.pk] = {"extensions": 0}
        if dice.random() < 0.7:
            advance.session_advance(session_id=session.pk, at=world.now)
        if dice.random() < 0.4:
            self.at(self.clock + dice.uniform(0, 900), lambda: self.stop(session, world.founder))
        if dice.random() < 0.05:
            self.at(self.clock + dice.uniform(0, 900), lambda: self.stop(session, self.operator))
        if dice.random() < 0.2:
            self.at(self.clock + dice.uniform(5, 900), lambda: self.extend(session, life))
        if dice.random() < 0.1:
            self.at(self.clock + dice.uniform(5, 900), lambda: self.exit(session.pk))
        if dice.random() < 0.05:
            self.at(self.clock + dice.uniform(5, 900), lambda: self.lose(session.pk))

    def stop(self, session: Session, by: Any) -> None:
        session.refresh_from_db()
        services.session_stop(session=session, by=by, reason="person", at=self.world.now)

    def extend(self, session: Session, life: dict[str, Any]) -> None:
        session.refresh_from_db()
        try:
            services.session_extend(session=session, by=self.world.founder, minutes=5, at=self.world.now)
            life["extensions"] += 1
        except Refusal as refusal:
            life["refused"] = refusal.code

    def exit(self, launch: str) -> None:
        server = self.world.site.servers.get(launch)
        if server is not None and server.ended is None:
            self.world.site.end(server, at=self.world.site.now, reason="exited")

    def lose(self, launch: str) -> None:
        server = self.world.site.servers.get(launch)
        if server is not None and server.ended is None:
            self.world.site.lose_runner(launch, seen_alive=self.world.site.now - self.dice.uniform(0, 5))


def true_seconds(session: Session, world: World) -> int:
    """What the time is worth by the sentences of the charging rule, from what the process truly did."""
    server = world.site.servers.get(session.pk)
    if server is None or server.ready_at is None or server.reason == "runner lost" or session.stop_reason == "operator":
        return 0
    assert server.ended is not None
    assert server.deadline is not None
    ends = [server.ended, server.deadline]
    if session.stop_asked_at is not None:
        ends.append(session.stop_asked_at.timestamp() + STOP_GRACE_S)
    return max(0, int(min(ends) - server.ready_at + 0.001))


def true_charge(session: Session, seconds: int) -> int:
    """Rounded once per hold, in the order the minutes were bought."""
    total = 0
    for hold in session.holds.all():
        if not hold.confirmed:
            continue
        part = min(seconds, hold.minutes * 60)
        seconds -= part
        total += charge(rate_per_hour=RATE, unit_seconds=part)
    return total


@pytest.mark.parametrize("seed", range(BATCHES))
def test_the_charge_is_that_of_the_true_timeline(world: World, seed: int, request: pytest.FixtureRequest) -> None:
    world.allocation = portal.award(world.allocation.organisation, at=world.now, credits=100_000)
    services_limit = pytest.MonkeyPatch()
    services_limit.setattr(services, "OPEN_MAX_PER_PERSON", 10**6)
    request.addfinalizer(services_limit.undo)
    simulator = Simulator(world, seed)
    simulator.play(TIMELINES)

    rows = list(Session.objects.prefetch_related("holds"))
    assert len(rows) == TIMELINES
    for session in rows:
        assert session.state in ("ended", "failed"), (seed, session.pk, session.state)
        posts = Transfer.objects.filter(subject=session.subject, kind="post")
        charged = sum(post.amount for post in posts)
        seconds = true_seconds(session, world)
        told = f"seed {seed}: {session.pk} paid {charged}\n{session.__dict__}\n{world.site.servers.get(session.pk)}"
        assert charged == true_charge(session, seconds), told
        record = UsageRecord.objects.filter(launch=session.pk).first()
        if record is not None:
            assert (record.unit_seconds, record.charge) == (seconds, charged)
        else:
            assert session.sent_at is None
    assert world.balance().held == 0
    assert not [s for s in world.site.servers.values() if s.ended is None], "something runs unpaid"
    assert simulator.told["lost"] > TIMELINES / 4
    verify(chain=False)
