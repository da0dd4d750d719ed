"""
Whatever the order, duplication or loss of what a site reports, the final charge equals that of the true timeline.

A simulator plays random lives of sessions and their clusters on a virtual clock: boots that fail, stops, extensions (some of
whose answers are lost), exits, ends long after the deadline, runners lost, nodes failing, operators, workers that die; hubs
that forget; agents, gateways and portals that are away; events that come late, twice or never; looks that are incomplete;
records that are wrong at first and corrected after the settlement, by the journal or by the scheduler's accounting, for
sessions and for schedulers and workers; journals that say otherwise after accounting has spoken; batch holds whose jobs end,
fail, are put back into the queue, and whose records are late, doubled or corrected; processes that began anew within their
launch; declared outages; clocks that are up to two seconds off. What truly happened is what the site's own processes did.
"""

from __future__ import annotations

import heapq
import os
import random
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from ulid import ULID

from allocations.catalogue.models import Resource, Site
from allocations.ledger.models import Transfer
from allocations.ledger.verify import verify
from allocations.usage.models import UsageRecord
from notebooks_svc.batch import collecting, ending
from notebooks_svc.batch import services as batch
from notebooks_svc.batch.models import BatchHold
from notebooks_svc.metering.counting import STOP_GRACE_S
from notebooks_svc.sessions import advance, clusters, mirror, outages, services
from notebooks_svc.sessions.doors.agent import AgentUnreachable
from notebooks_svc.sessions.doors.fake import FakeServer
from notebooks_svc.sessions.doors.fake_batch import FakeJob, NotTaken
from notebooks_svc.sessions.events import event_take
from notebooks_svc.sessions.models import Cluster, Session
from notebooks_svc.wire import LookItem
from portal.accounts.models import Role
from portal.core.errors import Refusal
from portal.core.quantities import charge
from tests.support import portal

from .conftest import World

BATCHES, TIMELINES = (40, 250) if os.environ.get("COMMONS_TEST_LONG") != "1" else (160, 250)
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
        self.officer = portal.person("officer", Role.OFFICER, at=world.now)
        self.outages: list[tuple[float, float]] = []
        self.wrong: dict[str, tuple[float, float]] = {}
        self.holds: list[BatchHold] = []
        self.seen = 0
        self.told: Counter[str] = Counter()
        self.accounted: Counter[str] = Counter()
        self.truly = world.site._item
        world.site._item = self.reported  # type: ignore[method-assign]

    def reported(self, server: FakeServer) -> LookItem:
        """What a look says of a process. Some records are wrong until the accounting, or the journal, is read anew."""
        item = self.truly(server)
        if item.state != "gone":
            return item
        if server.launch not in self.wrong:
            later = self.clock + self.dice.choice([0, 0, 0, 0, 0, 0, 300, 900])
            self.wrong[server.launch] = (later, self.dice.choice([-40.0, -3.0, 7.0, 200.0]))
        until, difference = self.wrong[server.launch]
        if self.clock < until:
            self.told["wrong at first"] += 1
            return item.model_copy(update={"ended": max(server.started, server.ended + difference)})
        if zlib.crc32(server.launch.encode()) % 3:
            return item
        if self.accounted[server.launch] >= 3 and self.dice.random() < 0.1:
            # Accounting was told and believed; a journal that says otherwise is weaker, and changes nothing.
            self.told["weaker later"] += 1
            return item.model_copy(update={"ended": server.ended + 33.0})
        self.accounted[server.launch] += 1
        record = f"fake/{server.launch[-6:]}/1"
        self.told[f"accounted {server.kind}"] += 1
        return item.model_copy(update={"source": "scheduler", "record": record})

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
        for _ in range(lives // 25):
            self.at(dice.uniform(0, 900), self.batch_life)
        for moment in range(5, 5000, 60):
            self.at(moment + dice.random(), self.sweep)
        for _ in range(40):
            self.at(dice.uniform(0, 4000), self.look)
        for name in ("hub_up", "agent_up", "gateway_up"):
            for _ in range(3):
                away = dice.uniform(0, 3500)
                self.at(away, lambda name=name: setattr(site, name, False))
                self.at(away + dice.uniform(10, 400), lambda name=name: setattr(site, name, True))
        for _ in range(3):
            self.at(dice.uniform(0, 3500), site.restart_hub)
        for begin in [dice.uniform(50, 2500) for _ in range(3)]:  # those that touch an earlier one are refused
            self.at(begin + dice.uniform(400, 2000), lambda begin=begin: self.outage(begin, dice.uniform(20, 300)))
        while self.queue:
            moment, _, action = heapq.heappop(self.queue)
            self.go_to(moment)
            action()
        site.hub_up = site.agent_up = site.gateway_up = site.complete = True
        for hold in self.holds:
            self.batch_close(hold, self.world.founder)
        for _ in range(26):
            self.go_to(self.clock + 60)
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
            clusters.clusters_advance_due(at=self.world.now)
        if self.dice.random() < 0.8:
            at = self.world.now
            mirror.sites_mirror(at=at)
            collecting.batch_collect(at=at)
            outages.outages_refund_due(at=at)
            ending.batch_advance_due(at=at)

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
        if dice.random() < 0.4:
            self.at(self.clock + dice.uniform(20, 400), lambda: self.cluster(session))
        if dice.random() < 0.2:
            self.at(self.clock + dice.uniform(5, 200), lambda: self.make_late(session.pk))
        if dice.random() < 0.1:
            self.at(self.clock + dice.uniform(5, 200), lambda: self.restart(session.pk))
        if dice.random() < 0.05:
            reason = dice.choice(["node_fail", "NODE_FAIL", "PREEMPTED", "boot_fail"])
            self.at(self.clock + dice.uniform(5, 900), lambda: self.exit(session.pk, reason))
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
        deaf = self.dice.random() < 0.3
        if deaf:
            self.world.site.extend = self.extend_unheard  # type: ignore[method-assign]
        try:
            services.session_extend(session=session, by=self.world.founder, minutes=5, at=self.world.now)
            life["extensions"] += 1
        except Refusal as refusal:
            life["refused"] = refusal.code
        finally:
            if deaf:
                del self.world.site.extend

    def extend_unheard(self, id: str, *, deadline: float) -> bool:
        """The engine takes the new deadline; its answer is lost."""
        if type(self.world.site).extend(self.world.site, id, deadline=deadline):
            self.told["extended unheard"] += 1
        raise AgentUnreachable("the answer was lost")

    def exit(self, launch: str, reason: str = "exited") -> None:
        server = self.world.site.servers.get(launch)
        if server is not None and server.ended is None:
            self.world.site.end(server, at=self.world.site.now, reason=reason)

    def make_late(self, launch: str) -> None:
        """A scheduler that ends it long after its deadline."""
        if server := self.world.site.servers.get(launch):
            server.late_s = self.dice.choice([2.0, 26.0, 110.0])

    def restart(self, launch: str) -> None:
        """Its process began anew after it was first ready, as after a requeue: what lies before is not charged."""
        server = self.world.site.servers.get(launch)
        if server is not None and server.ended is None and server.ready_at is not None:
            server.started = self.world.site.now

    def outage(self, begin: float, length: float) -> None:
        """An officer declares an outage that is over."""
        first = self.began + timedelta(seconds=begin)
        last = min(first + timedelta(seconds=length), self.world.now)
        try:
            for site in Site.objects.order_by("pk"):
                outages.outage_declare(site=site, begin=first, end=last, reason="power", by=self.officer, at=self.world.now)
        except Refusal:
            return
        self.outages.append((first.timestamp(), last.timestamp()))

    # --- batch holds ----------------------------------------------------------------------------------------------------

    def batch_life(self) -> None:
        """Credits are set aside, and people submit what they like until it is closed."""
        dice, world = self.dice, self.world
        hold = batch.batch_open(
            user=world.founder, allocation=world.allocation.code, resource="hpc", amount=2_000 * 10**6, at=world.now
        )
        self.holds.append(hold)
        for _ in range(dice.randint(1, 6)):
            self.at(self.clock + dice.uniform(0, 1500), lambda: self.batch_job(hold))
        if dice.random() < 0.6:
            closer = self.operator if dice.random() < 0.2 else world.founder
            self.at(self.clock + dice.uniform(300, 3000), lambda: self.batch_close(hold, closer))
        if dice.random() < 0.3:
            # The day's end, now and then while jobs run.
            self.at(self.clock + dice.uniform(100, 2500), lambda: BatchHold.objects.filter(pk=hold.pk).update(due_at=world.now))

    def batch_job(self, hold: BatchHold) -> None:
        dice, scheduler = self.dice, self.world.site.scheduler
        try:
            job = scheduler.submit(
                hold.pk, self.world.founder.hub_username, cores=dice.randint(1, 8), memory_mib=dice.choice([256, 1024, 5000])
            )
        except NotTaken:
            self.told["not taken"] += 1
            return
        self.told["batch jobs"] += 1
        self.at(self.clock + dice.uniform(0, 1500), lambda: self.batch_end(job))

    def batch_end(self, job: FakeJob) -> None:
        dice, scheduler = self.dice, self.world.site.scheduler
        if job.ended is not None:
            return
        if dice.random() < 0.15:
            again = scheduler.requeue(job)
            self.at(self.clock + dice.uniform(5, 600), lambda: self.batch_end(again))
            return
        state = dice.choice(["COMPLETED"] * 6 + ["FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL"])
        scheduler.end(job, state=state, late_s=dice.choice([0, 0, 0, 5, 40, 600]))
        if dice.random() < 0.3:
            self.told["batch wrong at first"] += 1
            job.shift = dice.choice([-30.0, 45.0, 400.0])
            self.at(self.clock + dice.uniform(10, 900), lambda: setattr(job, "shift", 0.0))

    def batch_close(self, hold: BatchHold, by: Any) -> None:
        finish = self.dice.random() < 0.4
        batch.batch_close(hold=BatchHold.objects.get(pk=hold.pk), by=by, let_finish=finish, at=self.world.now)

    # --- clusters -------------------------------------------------------------------------------------------------------

    def cluster(self, session: Session) -> None:
        dice, site = self.dice, self.world.site
        session.refresh_from_db()
        try:
            granted = clusters.cluster_grant(launch=session.pk, hub_username=session.user.hub_username, at=self.world.now)
            if dice.random() < 0.1:
                return  # the gateway died before it claimed it
            clusters.cluster_claim(id=granted.pk, gateway_name=f"g{granted.pk}", at=self.world.now)
        except Refusal as refusal:
            self.told[f"no cluster: {refusal.code}"] += 1
            return
        self.told["clusters"] += 1
        lease_end = granted.lease_end.timestamp()
        site.process_start(granted.pk, f"{granted.pk}-s", "scheduler", lease_end=lease_end)
        for number in range(dice.randint(0, granted.workers_max)):
            self.at(self.clock + dice.uniform(0, 60), lambda number=number: self.worker(granted, number, lease_end))
        if dice.random() < 0.5:
            self.at(self.clock + dice.uniform(30, 900), lambda: self.cluster_stop(granted))
        if dice.random() < 0.2:
            self.at(self.clock + dice.uniform(30, 900), lambda: self.exit(f"{granted.pk}-w0", "runner lost"))
        if dice.random() < 0.1:
            self.at(self.clock + dice.uniform(30, 900), lambda: self.exit(f"{granted.pk}-s"))

    def worker(self, cluster: Cluster, number: int, lease_end: float) -> None:
        """A worker begins, unless its cluster is being stopped: the gateway starts nothing more then."""
        scheduler = self.world.site.servers[f"{cluster.pk}-s"]
        if scheduler.ended is None and scheduler.stop_at is None and self.world.site.now < lease_end:
            self.world.site.process_start(
                cluster.pk, f"{cluster.pk}-w{number}", "worker", lease_end=lease_end, ready=self.dice.random() < 0.9
            )

    def cluster_stop(self, cluster: Cluster) -> None:
        clusters.cluster_stop(
            cluster=Cluster.objects.get(pk=cluster.pk), by=self.world.founder, reason="person", at=self.world.now
        )

    def lose(self, launch: str) -> None:
        server = self.world.site.servers.get(launch)
        if server is not None and server.ended is None:
            self.world.site.lose_runner(launch, seen_alive=self.world.site.now - self.dice.uniform(0, 5))


FREE = ("runner lost", "agent lost", "node_fail", "boot_fail", "preempted")


def worth(server: FakeServer, ends: list[float], outages: list[tuple[float, float]]) -> int:
    """Whole seconds from ready to the first of its ends, without outages."""
    assert server.ready_at is not None
    begin, end = max(server.ready_at, server.started), min(ends)
    lost = sum(max(0.0, min(end, last) - max(begin, first)) for first, last in outages)
    return max(0, int(end - begin - lost + 0.001)) if end > begin else 0


def true_seconds(session: Session, world: World, outages: list[tuple[float, float]]) -> int:
    """What the time is worth by the sentences of the charging rule, from what the process truly did."""
    server = world.site.servers.get(session.pk)
    if server is None or server.ready_at is None or session.stop_reason == "operator":
        return 0
    if server.reason.lower().startswith(FREE):
        return 0
    assert server.ended is not None
    assert server.deadline is not None
    ends = [server.ended, server.deadline]
    if session.stop_asked_at is not None:
        ends.append(session.stop_asked_at.timestamp() + STOP_GRACE_S)
    return worth(server, ends, outages)


def true_unit_seconds(cluster: Cluster, world: World, outages: list[tuple[float, float]]) -> int:
    """The same for a cluster: the sum over its scheduler and workers."""
    total = 0
    for server in world.site.servers.values():
        if server.parent != cluster.pk or server.ready_at is None or cluster.stop_reason == "operator":
            continue
        if server.reason.lower().startswith(FREE):
            continue
        assert server.ended is not None
        ends = [server.ended, cluster.lease_end.timestamp()]
        if cluster.stop_asked_at is not None:
            ends.append(cluster.stop_asked_at.timestamp() + STOP_GRACE_S)
        total += worth(server, ends, outages)
    return total


def true_job_seconds(job: FakeJob, hold: BatchHold, outages: list[tuple[float, float]]) -> int:
    """The same for a job somebody submitted themselves: from its start to its end."""
    assert job.ended is not None
    asked = hold.close_asked_at.timestamp() if hold.close_asked_at and not hold.let_finish else None
    cancelled = asked is not None and job.ended >= asked
    if job.started is None or job.state.lower().startswith(FREE) or (cancelled and hold.close_reason == "operator"):
        return 0
    end = min(job.ended, asked + STOP_GRACE_S) if cancelled and asked is not None else job.ended
    lost = sum(max(0.0, min(end, last) - max(job.started, first)) for first, last in outages)
    return min(max(0, int(end - job.started - lost + 0.001)), int(job.ended - job.started)) if end > job.started else 0


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


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(BATCHES))
def test_the_charge_is_that_of_the_true_timeline(
    world: World,
    seed: int,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    names_follow_from(seed, world, monkeypatch)
    batch_site_make(world, request)
    resources = ("cpu", "hpc")
    world.allocation = portal.award(world.allocation.organisation, at=world.now, credits=1_000_000, resources=resources)
    services_limit = pytest.MonkeyPatch()
    services_limit.setattr(services, "OPEN_MAX_PER_PERSON", 10**6)
    services_limit.setattr(batch, "LIVE_MAX", 10**6)
    request.addfinalizer(services_limit.undo)
    simulator = Simulator(world, seed)
    simulator.play(TIMELINES)

    rows = list(Session.objects.prefetch_related("holds"))
    assert len(rows) == TIMELINES
    paid, corrected = paid_by_subject()
    records: dict[tuple[str, str], list[UsageRecord]] = {}
    for record in UsageRecord.objects.order_by("pk"):
        key = record.launch if record.kind == "session" else record.record_id[:27]
        records.setdefault((record.kind, key), []).append(record)
    for session in rows:
        assert session.state in ("ended", "failed"), (seed, session.pk, session.state)
        charged, seconds = paid[session.subject], true_seconds(session, world, simulator.outages)
        told = f"seed {seed}: {session.pk} paid {charged}\n{session.__dict__}\n{world.site.servers.get(session.pk)}"
        assert charged == true_charge(session, seconds), told
        kept = records.get(("session", session.pk), [])
        assert bool(kept) == (session.sent_at is not None), told
        assert sum(r.unit_seconds for r in kept) == seconds, told
        assert sum(r.charge for r in kept) == charged, told
    for cluster in Cluster.objects.select_related("session"):
        assert cluster.state == "ended", (seed, cluster.pk, cluster.state)
        charged, seconds = paid[cluster.subject], true_unit_seconds(cluster, world, simulator.outages)
        mine = [s for s in world.site.servers.values() if s.parent == cluster.pk]
        told = f"seed {seed}: {cluster.pk} paid {charged}\n{cluster.__dict__}\n{mine}"
        kept = records.get(("cluster", cluster.pk), [])
        assert sum(r.unit_seconds for r in kept) == cluster.unit_seconds_posted == seconds, told
        # Rounded once per hold.
        exact = -(-cluster.rate_per_hour * seconds // 3600)
        assert exact <= charged <= exact + cluster.hold_number, told
        assert charged == cluster.charged, told
    batch_books_are_true(simulator, paid)
    assert not [record.getMessage() for record in caplog.records if record.exc_info], "something was passed over"
    assert world.balance().held == 0
    assert not [s for s in world.site.servers.values() if s.ended is None], "something runs unpaid"
    assert simulator.told["lost"] > TIMELINES / 4
    assert simulator.told["clusters"] > TIMELINES / 60
    assert simulator.outages
    assert corrected > TIMELINES / 50
    assert simulator.told["batch jobs"] > TIMELINES / 25
    assert simulator.told["accounted worker"] + simulator.told["accounted scheduler"] > 0
    verify(chain=False)


def names_follow_from(seed: int, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Launches and clusters are named by the seed and the virtual clock, so that a seed plays the same lives again."""
    dice = random.Random(f"names {seed}")

    def named() -> ULID:
        return ULID(int(world.now.timestamp() * 1000).to_bytes(6, "big") + dice.randbytes(10))

    monkeypatch.setattr("portal.core.ids.ULID", named)


def batch_site_make(world: World, request: pytest.FixtureRequest) -> None:
    """A second site, with a batch scheduler, behind the same agent."""
    room = Site.objects.get(slug="room")
    site = Site.objects.create(slug="hall", provider=room.provider, engine="slurm", hub_url="http://x", agent_url="http://x")
    Resource.objects.create(
        slug="hpc", name="hpc", site=site, partition="hpc", cores=64, memory_gib=256, core_hour=4 * 10**6, gib_hour=10**6
    )
    patch = pytest.MonkeyPatch()
    for module in (mirror, collecting):
        patch.setattr(module, "agent_door", lambda url: world.site)
    patch.setattr(collecting, "WIDE_EVERY", timedelta(minutes=5))
    request.addfinalizer(patch.undo)


def batch_books_are_true(simulator: Simulator, paid: Counter[str]) -> None:
    """Every batch hold is closed, and has cost what its jobs truly used, rounded once for each job."""
    jobs = simulator.world.site.scheduler.jobs
    assert not simulator.world.site.scheduler.living()
    for hold in BatchHold.objects.all():
        mine = [job for job in jobs if job.hold == hold.pk]
        seconds = {f"hall:{job.record}": true_job_seconds(job, hold, simulator.outages) for job in mine}
        known = {job.record: job for job in hold.jobs.all()}
        told = f"{hold.pk} paid {paid[hold.subject]}\n{hold.__dict__}\n{mine}\n{[job.__dict__ for job in known.values()]}"
        assert hold.state == "closed", told
        assert set(known) == set(seconds), told
        assert {record: job.paid_seconds for record, job in known.items()} == seconds, told
        true = sum(charge(rate_per_hour=known[r].rate_per_hour, unit_seconds=s) for r, s in seconds.items())
        assert paid[hold.subject] == true == hold.charged, told
        kept = UsageRecord.objects.filter(launch=hold.pk, kind="batch")
        assert sum(record.charge for record in kept) == true, told
        assert sum(record.unit_seconds for record in kept) == sum(seconds.values()), told


def paid_by_subject() -> tuple[Counter[str], int]:
    """What each session and cluster has cost in the end, and how many corrections there were."""
    paid: Counter[str] = Counter()
    rows = list(Transfer.objects.filter(kind__in=["post", "adjust"]).values_list("subject", "kind", "amount"))
    for subject, kind, amount in rows:
        paid[subject] += amount if kind == "post" else -amount
    return paid, sum(kind == "adjust" for _, kind, _ in rows)
