"""
What portal, hub, gateway and site agent say to each other. No Django.

Times are seconds since the epoch by the speaker's clock; sizes are whole cores and GiB.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ProcessKind = Literal["session", "scheduler", "worker"]


class Payload(BaseModel):
    """Unknown fields are refused: both sides are of one version."""

    model_config = ConfigDict(extra="forbid")


class SeedFile(Payload):
    """A file laid into the home at launch unless one of that name is there."""

    path: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]*$")
    content: str


class SessionSpec(Payload):
    """What the hub needs to start one session. The portal is the only source; nothing a person sends is added to it."""

    launch: str
    generation: int
    instance: str
    hub_username: str
    engine: Literal["local"]
    cores: int
    memory_gib: int
    gpus: int
    minutes: int
    boot_s: int
    environment: str
    home: str
    shared: str
    env: dict[str, str]
    files: list[SeedFile]
    open_path: str


class SiteEvent(Payload):
    """Something a site saw. A hint, sent again until it is taken; the look is the truth."""

    id: str
    kind: Literal["session.ready", "session.ended", "session.failed", "cluster.started", "cluster.ended"]
    subject: str
    at: float
    ready_at: float | None = None
    message: str = ""


class Events(Payload):
    """A batch of events, oldest first."""

    events: list[SiteEvent]


class LookItem(Payload):
    """
    One process group as its journal has it.

    `alive`: it runs. `gone`: it ended, and `ended` says when. `unknown`: the journal could not be read. `source`: whether the
    scheduler's accounting says so, or our runner's journal. `deadline`: until when the engine lets it run.
    """

    id: str
    kind: ProcessKind
    parent: str
    state: Literal["alive", "gone", "unknown"]
    started: float | None = None
    ready_at: float | None = None
    seen_alive: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    reason: str = ""
    source: Literal["scheduler", "journal"] = "journal"
    deadline: float | None = None


class Look(Payload):
    """Everything at a site that carries this portal's instance id: all that lives, and what ended since the asked moment."""

    instance: str
    now: float
    complete: bool
    items: list[LookItem]


class ClusterAsk(Payload):
    """The gateway asks for a grant on behalf of a session."""

    launch: str
    hub_username: str


class ClusterGrant(Payload):
    """What a cluster may be. It ends at `lease_end`; workers and scheduler are paid from one hold."""

    cluster: str
    launch: str
    instance: str
    workers_max: int
    worker_cores: int
    worker_memory_gib: int
    lease_end: float
    idle_timeout_s: int
    environment: str
    home: str
    env: dict[str, str]


class ClusterClaim(Payload):
    """The gateway says under which name it runs a granted cluster."""

    cluster: str
    gateway_name: str


class RunOrder(Payload):
    """What a runner is to start. Secrets travel in the environment, never here."""

    id: str
    kind: ProcessKind
    parent: str
    instance: str
    argv: list[str]
    cwd: str
    log: str
    minutes: int | None = None
    boot_s: int | None = None
    deadline: float | None = None
    grace_s: float = 4.0


class CancelAsk(Payload):
    """Stop one process group."""

    id: str
    reason: str


class ExtendAsk(Payload):
    """Move the deadline of a running process group."""

    id: str
    deadline: float
