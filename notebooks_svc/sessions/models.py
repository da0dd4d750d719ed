from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.catalogue.models import Profile, Resource, Site
from allocations.catalogue.rates import Size
from allocations.projects.models import Allocation
from allocations.usage.sources import Source
from portal.web.badges import Badge

from .states import BADGES, OPEN, S, Target


class Session(models.Model):
    """
    One launch. `id` is the hub's server name and the stem of its ledger ids; it is a name, never a capability.

    `started_at`, `ready_at`, `deadline` and `ended_at` are by the site's clock, the other times by the portal's. `due_at` is
    when the row is to be looked at next; whoever moves it on (compare-and-set) has the row for that while.
    """

    id = models.CharField(primary_key=True, max_length=27)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="launches")
    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="launches")
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="+")
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=[(s, s) for s in S], default=S.REQUESTED)
    target_state = models.CharField(max_length=10, choices=[(t, t) for t in Target], default=Target.READY)
    generation = models.PositiveIntegerField(default=1)
    cores = models.PositiveSmallIntegerField()
    memory_gib = models.PositiveSmallIntegerField()
    gpus = models.PositiveSmallIntegerField(default=0)
    workers_max = models.PositiveSmallIntegerField(default=0)
    minutes = models.PositiveIntegerField()
    boot_s = models.PositiveIntegerField(default=120)
    rate_per_hour = models.BigIntegerField(help_text="micro-credits")
    worker_rate_per_hour = models.BigIntegerField(help_text="micro-credits, for each worker and the scheduler")
    rate_words = models.CharField(max_length=200)
    datasets = models.JSONField(null=True, help_text="slugs; null means all that are granted")
    requested_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    queue_until = models.DateTimeField()
    waiting = models.CharField(max_length=300, blank=True, help_text="why it waits at the site, in plain words")
    starts_at = models.DateTimeField(null=True, help_text="when the scheduler expects to start it")
    started_at = models.DateTimeField(null=True, help_text="when it left a scheduler's queue")
    ready_at = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True)
    warned_deadline = models.DateTimeField(null=True, help_text="the deadline its person was warned of")
    idle_end = models.DateTimeField(null=True, help_text="nobody uses it, its person was warned, and then it ends")
    kept_at = models.DateTimeField(null=True, help_text="when its person last said that it is still needed")
    stop_asked_at = models.DateTimeField(null=True)
    stop_reason = models.CharField(max_length=30, blank=True)
    seen_alive_at = models.DateTimeField(null=True)
    absent_looks = models.PositiveIntegerField(default=0)
    absent_since = models.DateTimeField(null=True, help_text="since when a healthy site has had no trace of it")
    evidence = models.CharField(max_length=200, blank=True, help_text="the report it was settled or corrected by")
    ended_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=30, blank=True)
    failure_detail = models.TextField(blank=True)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=OPEN), name="launches_open_by_due"),
            models.Index(fields=["user", "-requested_at"], name="launches_of_a_person"),
            models.Index(fields=["settled_at"], name="launches_by_settlement"),
        ]
        constraints = [
            models.CheckConstraint(
                name="launches_ready_and_deadline_go_together",
                condition=Q(ready_at__isnull=True, deadline__isnull=True) | Q(ready_at__isnull=False, deadline__isnull=False),
            ),
            models.CheckConstraint(
                name="launches_what_is_over_is_settled",
                condition=~Q(state__in=[S.ENDED, S.FAILED]) | Q(settled_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def size(self) -> Size:
        return Size(self.cores, self.memory_gib, self.gpus)

    @property
    def subject(self) -> str:
        """What the ledger calls it."""
        return f"session:{self.id}"

    @property
    def badge(self) -> Badge:
        return BADGES[S(self.state)]

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def charged_until_latest(self) -> timedelta:
        return timedelta(minutes=self.minutes)


class SessionHold(models.Model):
    """
    Minutes bought for a session: the first at launch, one more for each extension.

    An extension is `confirmed` once the engine was told; until then its minutes do not count.
    """

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="holds")
    transfer = models.CharField(max_length=80, unique=True)
    number = models.PositiveSmallIntegerField()
    minutes = models.PositiveIntegerField()
    amount = models.BigIntegerField()
    confirmed = models.BooleanField(default=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["session", "number"], name="launches_each_hold_has_its_number")]

    def __str__(self) -> str:
        return self.transfer


class SessionNote(models.Model):
    """A line of a session's story, for its page and for whoever is asked."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="notes")
    at = models.DateTimeField()
    text = models.CharField(max_length=600)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text


class ClusterState(models.TextChoices):
    """Where a cluster is."""

    GRANTED = "granted", "Granted"
    RUNNING = "running", "Running"
    STOPPING = "stopping", "Stopping"
    ENDED = "ended", "Ended"


class Cluster(models.Model):
    """
    A Dask cluster of a session, paid from one hold at a time (`hold`), which is rolled every ten minutes.

    `unit_seconds_posted` are the worker- and scheduler-seconds earlier holds have paid.
    """

    id = models.CharField(primary_key=True, max_length=27)
    session = models.ForeignKey(Session, on_delete=models.PROTECT, related_name="clusters")
    state = models.CharField(max_length=10, choices=ClusterState.choices, default=ClusterState.GRANTED)
    target_state = models.CharField(max_length=10, choices=[(t, t) for t in Target], default=Target.READY)
    workers_max = models.PositiveSmallIntegerField()
    worker_cores = models.PositiveSmallIntegerField()
    worker_memory_gib = models.PositiveSmallIntegerField()
    rate_per_hour = models.BigIntegerField(help_text="micro-credits, for each worker and for the scheduler")
    hold = models.CharField(max_length=80)
    hold_number = models.PositiveIntegerField(default=0)
    hold_amount = models.BigIntegerField()
    granted_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    gateway_name = models.CharField(max_length=64, blank=True)
    lease_end = models.DateTimeField()
    stop_asked_at = models.DateTimeField(null=True)
    stop_reason = models.CharField(max_length=30, blank=True)
    rolled_at = models.DateTimeField()
    unit_seconds_posted = models.BigIntegerField(default=0)
    charged = models.BigIntegerField(default=0)
    absent_looks = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session"], condition=~Q(state=ClusterState.ENDED), name="launches_one_live_cluster_per_session"
            )
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def subject(self) -> str:
        return f"cluster:{self.id}"


class ClusterProcess(models.Model):
    """
    A scheduler or worker as the site had it at the last look. Times by the site's clock, seconds since the epoch.

    `source` says whether that is the batch scheduler's accounting, and then `record` which record; otherwise a journal.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="processes")
    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=10)
    ready_at = models.FloatField(null=True)
    ended = models.FloatField(null=True)
    reason = models.CharField(max_length=80, blank=True)
    source = models.CharField(max_length=20, default=Source.JOURNAL.value)
    record = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return self.name


class Outage(models.Model):
    """
    A time when a site was not of use. Told by an operator, who knows what happened, and declared by an officer, who moves the
    credits; what is only told changes no charge. Once declared, what fell into it is not charged, or is refunded.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="outages")
    begin = models.DateTimeField()
    end = models.DateTimeField()
    reason = models.CharField(max_length=300)
    told_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    told_at = models.DateTimeField(null=True)
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField(null=True)
    refunded_at = models.DateTimeField(null=True, help_text="everything was counted anew")
    refunded = models.BigIntegerField(default=0, help_text="micro-credits given back so far")
    refunds = models.PositiveIntegerField(default=0, help_text="sessions, clusters and batch holds among which")

    class Meta:
        constraints = [
            models.CheckConstraint(name="launches_an_outage_ends_after_it_begins", condition=Q(end__gt=models.F("begin"))),
            models.CheckConstraint(name="launches_an_outage_has_a_reason", condition=~Q(reason="")),
            models.CheckConstraint(
                name="launches_who_declared_an_outage_is_known",
                condition=Q(declared_at__isnull=True, declared_by__isnull=True, told_at__isnull=False)
                | Q(declared_at__isnull=False, declared_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site} {self.begin:%Y-%m-%d %H:%M}"

    @property
    def badge(self) -> Badge:
        return Badge("Declared", "good", "✓") if self.declared_at else Badge("Told, to be declared", "warn", "◷")
