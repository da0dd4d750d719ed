"""
A site in memory with a clock of its own: hub and agent as the portal sees them. The contract tests that run on it run on the
real hub and agent too.

`hub_up`, `agent_up` and `complete` make it silent or half-blind; `events` collects what the hub would send, for tests to
deliver, lose, repeat or shuffle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from notebooks_svc.wire import (
    BatchAsk,
    BatchLook,
    Look,
    LookItem,
    MirrorAccount,
    MirrorAnswer,
    ProcessKind,
    SessionSpec,
    SiteEvent,
)

from .agent import AgentUnreachable
from .fake_batch import FakeScheduler
from .gateway import GatewayUnreachable
from .hub import HubUnreachable, ServerState

STOP_TAKES_S = 1.0


@dataclass
class FakeServer:
    """A notebook server's process group, as its journal would have it. Times in seconds of the site's clock."""

    launch: str
    user: str
    minutes: int
    boot_s: int
    started: float
    ready_due: float | None
    ready_at: float | None = None
    deadline: float | None = None
    stop_at: float | None = None
    ended: float | None = None
    reason: str = ""
    exit_due: float | None = None
    late_s: float = 0.0
    kind: ProcessKind = "session"
    parent: str = ""


@dataclass
class FakeSite:
    """Hub and agent of one site. `spec` answers what the portal's spec route would, or raises its refusal."""

    instance: str
    now: float
    spec: Callable[[str, str], SessionSpec]
    boot_takes_s: float | None = 3.0
    skew_s: float = 0.0
    hub_up: bool = True
    agent_up: bool = True
    gateway_up: bool = True
    complete: bool = True
    users: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    known: dict[str, str] = field(default_factory=dict)
    servers: dict[str, FakeServer] = field(default_factory=dict)
    events: list[SiteEvent] = field(default_factory=list)
    used: dict[str, float] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    starts: int = 0
    scheduler: FakeScheduler = field(default_factory=FakeScheduler)

    def __post_init__(self) -> None:
        self.scheduler.now = self.now

    # --- the clock ------------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass; what falls due happens at its own moment."""
        until = self.now + seconds
        while True:
            due = [(moment, server) for server in self.servers.values() if (moment := self._next(server)) is not None]
            moment, server = min(due, key=lambda pair: pair[0], default=(until + 1, None))
            if server is None or moment > until:
                break
            self.now = max(self.now, moment)
            self._happen(server, moment)
        self.now = self.scheduler.now = until

    def _next(self, server: FakeServer) -> float | None:
        if server.ended is not None:
            return None
        if server.ready_at is None:
            boot_end = server.started + server.boot_s
            candidates = [server.ready_due, boot_end, server.stop_at, server.exit_due]
        else:
            deadline = server.deadline + server.late_s if server.deadline is not None else None
            candidates = [deadline, server.stop_at, server.exit_due]
        return min(moment for moment in candidates if moment is not None)

    def _happen(self, server: FakeServer, moment: float) -> None:
        if server.ready_at is None and moment == server.ready_due and moment != server.stop_at:
            server.ready_at, server.deadline = moment, moment + 60 * server.minutes
            self._tell("session.ready", server, ready_at=moment)
            return
        if moment == server.stop_at:
            reason = "stopped"
        elif server.deadline is not None and moment == server.deadline + server.late_s:
            reason = "deadline"
        elif server.ready_at is None:
            reason = "boot_timeout"
        else:
            reason = "exited"
        self.end(server, at=moment, reason=reason)

    def end(self, server: FakeServer, *, at: float, reason: str) -> None:
        """The process group is gone; its journal has its last line."""
        server.ended, server.reason = at, reason
        self.known.pop(server.launch, None)
        self._tell("session.ended", server)

    def lose_runner(self, launch: str, *, seen_alive: float) -> None:
        """The runner was killed: the journal ends with when it was last seen alive."""
        self.end(self.servers[launch], at=seen_alive, reason="runner lost")

    def restart_hub(self) -> None:
        """The hub comes back: it forgets what was starting and finds again what its store had as running."""
        self.known = {launch: user for launch, user in self.known.items() if self._runs(launch)}

    def _runs(self, launch: str) -> bool:
        server = self.servers.get(launch)
        return server is not None and server.ended is None and server.ready_at is not None

    def _tell(self, kind: Literal["session.ready", "session.ended"], server: FakeServer, ready_at: float | None = None) -> None:
        number = len(self.events)
        self.events.append(SiteEvent(id=f"e{number}", kind=kind, subject=server.launch, at=self.now, ready_at=ready_at))

    # --- the hub ----------------------------------------------------------------------------------------------------------

    def _hub(self) -> None:
        if not self.hub_up:
            raise HubUnreachable("the hub is down")

    def user_ensure(self, user: str) -> None:
        """As `HubDoor.user_ensure`."""
        self._hub()
        self.users.add(user)

    def server_start(self, user: str, server: str) -> Literal["accepted", "exists", "user_unknown"]:
        """As `HubDoor.server_start`; the spec is asked of the portal, and a launch that runs already is adopted."""
        self._hub()
        if user not in self.users:
            return "user_unknown"
        if server in self.known:
            return "exists"
        self.starts += 1
        try:
            spec = self.spec(server, user)
        except Exception as refusal:
            self.events.append(
                SiteEvent(id=f"e{len(self.events)}", kind="session.failed", subject=server, at=self.now, message=str(refusal))
            )
            return "accepted"
        self.known[server] = user
        if server not in self.servers:
            ready_due = self.now + self.boot_takes_s if self.boot_takes_s is not None else None
            self.servers[server] = FakeServer(server, user, spec.minutes, spec.boot_s, self.now, ready_due)
        elif self.servers[server].ready_at is not None:
            self._tell("session.ready", self.servers[server], ready_at=self.servers[server].ready_at)
        return "accepted"

    def server_get(self, user: str, server: str) -> ServerState | None:
        """As `HubDoor.server_get`."""
        self._hub()
        if self.known.get(server) != user:
            return None
        ready = self.servers[server].ready_at is not None
        return ServerState(ready, "" if ready else "spawn", "")

    def activity(self) -> dict[str, datetime]:
        """As `HubDoor.activity`; a server of which nothing else is said was in use when it was ready."""
        self._hub()
        said = {name: self.servers[name].ready_at for name in self.known} | self.used
        return {name: datetime.fromtimestamp(moment, UTC) for name, moment in said.items() if moment is not None}

    def server_stop(self, user: str, server: str) -> None:
        """As `HubDoor.server_stop`."""
        self._hub()
        if self.known.get(server) == user:
            self._stop(server)

    def token_create(self, user: str, server: str, *, expires_in_s: int) -> str:
        """As `HubDoor.token_create`."""
        self._hub()
        return f"token-{user}-{server}-{expires_in_s}"

    def _stop(self, launch: str) -> None:
        server = self.servers[launch]
        if server.ended is None and server.stop_at is None:
            server.stop_at = self.now + STOP_TAKES_S

    # --- the gateway ------------------------------------------------------------------------------------------------------

    def process_start(self, cluster: str, name: str, kind: ProcessKind, *, lease_end: float, ready: bool = True) -> None:
        """A scheduler or worker begins, of use at once unless said otherwise; it ends at the lease's end."""
        server = FakeServer(name, "", 0, 10**9, self.now, None, kind=kind, parent=cluster, deadline=lease_end)
        server.ready_at = self.now if ready else None
        self.servers[name] = server

    def cluster_stop(self, cluster: str) -> None:
        """As `GatewayDoor.cluster_stop`."""
        if not self.gateway_up:
            raise GatewayUnreachable("the gateway is down")
        for server in self.servers.values():
            if server.parent == cluster:
                self._stop(server.launch)

    # --- the agent --------------------------------------------------------------------------------------------------------

    def _agent(self) -> None:
        if not self.agent_up:
            raise AgentUnreachable("the agent is down")

    def look(self, *, since: float) -> Look:
        """As `AgentDoor.look`."""
        self._agent()
        items = [self._item(server) for server in self.servers.values() if server.ended is None or server.ended >= since]
        complete = self.complete and not self.unreadable
        return Look(instance=self.instance, now=self.now + self.skew_s, complete=complete, items=items)

    def accounts_sync(self, accounts: list[MirrorAccount], *, asked: float = 0.0) -> MirrorAnswer:
        """As `AgentDoor.accounts_sync`."""
        self._agent()
        return self.scheduler.sync(accounts)

    def batch_look(self, ask: BatchAsk) -> BatchLook:
        """As `AgentDoor.batch_look`."""
        self._agent()
        return self.scheduler.look(ask, instance=self.instance, skew_s=self.skew_s)

    def _item(self, server: FakeServer) -> LookItem:
        if server.launch in self.unreadable:
            return LookItem(id=server.launch, kind="session", parent="", state="unknown")
        return LookItem(
            id=server.launch,
            kind=server.kind,
            parent=server.parent,
            state="alive" if server.ended is None else "gone",
            started=server.started,
            ready_at=server.ready_at,
            seen_alive=self.now if server.ended is None else server.ended,
            ended=server.ended,
            exit_code=None if server.ended is None else 0,
            reason=server.reason,
            deadline=server.deadline,
        )

    def cancel(self, id: str, *, reason: str) -> bool:
        """As `AgentDoor.cancel`."""
        self._agent()
        if id not in self.servers:
            return False
        self._stop(id)
        return True

    def extend(self, id: str, *, deadline: float) -> bool:
        """As `AgentDoor.extend`."""
        self._agent()
        server = self.servers.get(id)
        if server is None or server.ended is not None:
            return False
        server.deadline = deadline
        return True
