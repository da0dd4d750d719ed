"""
What portal, hub, gateway and site agent say to each other. No Django.

Times are seconds since the epoch by the speaker's clock; sizes are whole cores and GiB.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ProcessKind = Literal["session", "scheduler", "worker"]
EngineName = Literal["local", "slurm"]


class Payload(BaseModel):
    """Unknown fields are refused: both sides are of one version."""

    model_config = ConfigDict(extra="forbid")


class SeedFile(Payload):
    """A file laid into the home at launch unless one of that name is there."""

    path: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._ -]*$")
    content: str


class BatchWish(Payload):
    """
    What a batch scheduler is told of a launch. Every value comes from the portal's rows and has a form in which no word of the
    scheduler's own language fits: what a person types never gets here.

    `budget_minutes` are the billing minutes the allocation may still use, held credits included: the scheduler's own fence.
    """

    hub_username: str = Field(pattern=r"^u[a-z2-7]{16}$")
    account: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    partition: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")
    cores: int = Field(ge=1, le=4096)
    memory_gib: int = Field(ge=1, le=65_536)
    gpus: int = Field(default=0, ge=0, le=1024)
    budget_minutes: int = Field(ge=0)


class HomeWish(Payload):
    """A home to be made ready before something starts in it; folders are relative to the site's homes."""

    home: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*/[a-z0-9]+$")
    shared: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*/shared$")
    environment: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    files: list[SeedFile] = []


class SessionSpec(Payload):
    """What the hub needs to start one session. The portal is the only source; nothing a person sends is added to it."""

    launch: str
    generation: int
    instance: str
    hub_username: str
    engine: EngineName
    batch: BatchWish | None = None
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

    `alive`: it runs, or waits for a place (then `started` is None, `waiting` says why in plain words, and `starts` is the
    scheduler's estimate). `gone`: it ended, and `ended` says when. `unknown`: neither can be said. `source`: whether the
    scheduler's accounting says so, or our runner's journal; `record` is the accounting record (cluster, job, submit time).
    `deadline`: until when the engine lets it run.
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
    waiting: str = ""
    starts: float | None = None
    node: str = ""
    record: str = ""


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
    engine: EngineName = "local"
    batch: BatchWish | None = None


class ClusterClaim(Payload):
    """The gateway says under which name it runs a granted cluster."""

    cluster: str
    gateway_name: str


class RunOrder(Payload):
    """
    What a runner is to start. Secrets travel in the environment, never here.

    `grace_s`: between asking it to end, so that it can save and close its kernels in order, and ending it.
    """

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
    grace_s: float = 8.0
    engine: EngineName = "local"
    batch: BatchWish | None = None


class CancelAsk(Payload):
    """Stop one process group."""

    id: str
    reason: str


class ExtendAsk(Payload):
    """Move the deadline of a running process group."""

    id: str
    deadline: float


class TestAsk(Payload):
    """When would something of this size start? Nothing is submitted."""

    __test__ = False  # the name is Slurm's (`sbatch --test-only`), not pytest's

    batch: BatchWish
    minutes: int = Field(ge=1, le=2880)


class TestAnswer(Payload):
    """Seconds until it would start, or None when the scheduler cannot say; `refusal` when it would not take it at all."""

    __test__ = False

    starts_in_s: float | None = None
    refusal: str = ""


class MirrorAccount(Payload):
    """
    An allocation as the scheduler is to have it: its people, and the billing minutes it may still use.

    With `batch` it is a batch hold instead, for jobs that people submit themselves: `account` is the hold's id, `team` the
    allocation whose homes they use. Then `budget_minutes` are all the minutes it may ever use, and people are let in on
    `partition` alone. One that no longer `accepts` lets its running jobs finish, cancels those that wait and refuses new ones.
    """

    account: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    people: list[str]
    budget_minutes: int = Field(ge=0)
    batch: bool = False
    team: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9-]{0,39})?$")
    partition: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,39})?$")
    accepts: bool = True


class MirrorAsk(Payload):
    """
    All allocations and batch holds of this portal at a site. What is not named has no people there any more. `asked` is when
    they were looked up, by the portal's clock: an older wish that arrives later is not taken.
    """

    accounts: list[MirrorAccount]
    asked: float = 0.0


class MirrorAnswer(Payload):
    """
    What had to be changed, in words; empty when the scheduler was as it should be. `people` are the site accounts of those
    with a batch hold, by person; `refused` says of a batch hold why somebody could not be let in; `failed` are those for which
    not all could be done this time, `complete` that all was done for everything.
    """

    changes: list[str]
    people: dict[str, str] = {}
    refused: dict[str, str] = {}
    failed: list[str] = []
    complete: bool = True


class BatchAsk(Payload):
    """What became of jobs under these batch holds: all that live, and what ended since the asked moment."""

    holds: list[str]
    since: float


class BatchRecord(Payload):
    """
    A job somebody submitted themselves, as accounting has it; or as the controller has it while it lives (`ended` is None).

    `record` is cluster, job id and submit time: one stretch of one job. `person` is "" for an account nobody of the portal
    has. `elapsed` are the seconds it ran, suspensions taken off; sizes are those it was given, `billing` what the scheduler
    counts for each hour.
    """

    record: str
    hold: str
    job: int
    person: str
    account: str
    name: str
    state: str
    waiting: str = ""
    exit_code: int = 0
    started: float | None = None
    ended: float | None = None
    elapsed: int = 0
    cores: int = 0
    memory_mib: int = 0
    gpus: int = 0
    nodes: int = 0
    billing: int = 0


class BatchLook(Payload):
    """An answer to `BatchAsk`. The controller was asked before accounting: what has just ended is in neither for a moment."""

    instance: str
    now: float
    live: list[BatchRecord]
    ended: list[BatchRecord]


class FoldersUse(Payload):
    """Bytes and files of every team's folder; not `told` at a site whose agent may not look into them."""

    told: bool
    folders: dict[str, tuple[int, int]] = {}


class FolderFile(Payload):
    """A file of a team: its path below the team's folder, which begins with the person's folder or `shared`."""

    path: str
    size: int
    modified: float


class FolderList(Payload):
    """The files of a team; `more` when there are more than are told."""

    items: list[FolderFile]
    more: bool = False
