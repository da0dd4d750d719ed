from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.catalogue.models import Resource
from allocations.catalogue.rates import Rate
from allocations.projects.models import Allocation
from allocations.usage.sources import Source
from portal.web.badges import Badge

from .pricing import gib_text
from .states import BADGES, JOB_WORDS, LIVE, S


class BatchHold(models.Model):
    """
    Credits set aside for jobs that people submit themselves, without the portal, on one resource of a batch site.

    `hold` is the ledger hold they lie in now (`hold_amount` of it, `hold_number` rolls later; "" once nothing is held),
    `amount` what was set aside in the beginning: all that can ever be charged. `collected_at` and `quiet_since` are by the
    site's clock: the last look, and since when nothing lives there. `shut_at`: the site said that it takes no more jobs.
    """

    id = models.CharField(primary_key=True, max_length=27)
    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="batch_holds")
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="+")
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=[(s, s) for s in S], default=S.OPEN)
    amount = models.BigIntegerField(help_text="micro-credits")
    rate_frozen = models.JSONField()
    hold = models.CharField(max_length=80, blank=True)
    hold_number = models.PositiveIntegerField(default=0)
    hold_amount = models.BigIntegerField()
    corrections = models.PositiveIntegerField(default=0)
    charged = models.BigIntegerField(default=0)
    opened_at = models.DateTimeField()
    admitted_at = models.DateTimeField(null=True, help_text="since when the site lets its people submit")
    refused = models.CharField(max_length=300, blank=True, help_text="why the site let somebody not in")
    close_asked_at = models.DateTimeField(null=True)
    close_reason = models.CharField(max_length=30, blank=True)
    let_finish = models.BooleanField(default=False)
    shut_at = models.DateTimeField(null=True)
    collected_at = models.DateTimeField(null=True)
    quiet_since = models.DateTimeField(null=True)
    read_again_at = models.DateTimeField(null=True, help_text="by the portal's clock")
    settled_at = models.DateTimeField(null=True, help_text="when the books were last brought up to date")
    closed_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(help_text="when its books are brought up to date next")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=LIVE), name="batch_live_by_due"),
            models.Index(fields=["closed_at"], name="batch_by_closing"),
        ]
        constraints = [
            models.CheckConstraint(name="batch_amounts_are_positive", condition=Q(amount__gt=0, hold_amount__gte=0)),
            models.CheckConstraint(
                name="batch_no_more_is_charged_than_was_set_aside",
                condition=Q(charged__gte=0, charged__lte=models.F("amount")),
            ),
            models.CheckConstraint(
                name="batch_what_is_closed_holds_nothing",
                condition=~Q(state=S.CLOSED) | Q(closed_at__isnull=False, hold="", hold_amount=0),
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def rate(self) -> Rate:
        """What it costs: the rate frozen when the allocation was awarded."""
        return Rate.from_dict(self.rate_frozen)

    @property
    def subject(self) -> str:
        """What the ledger calls it."""
        return f"batch:{self.id}"

    @property
    def badge(self) -> Badge:
        return BADGES[S(self.state)]

    @property
    def is_open(self) -> bool:
        return self.state == S.OPEN


class BatchPerson(models.Model):
    """Somebody who may submit jobs under a batch hold; `account` is the name they have at the site, once it was told."""

    hold = models.ForeignKey(BatchHold, on_delete=models.CASCADE, related_name="people")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    account = models.CharField(max_length=40, blank=True)
    left_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["hold", "user"], name="batch_each_person_is_named_once")]

    def __str__(self) -> str:
        return f"{self.hold_id}: {self.user_id}"


class BatchJob(models.Model):
    """
    One stretch of one job, from submission to end, as the site's accounting has it: `record` is site, cluster, job id and
    submit time. Times by the site's clock. While it lives `ended` is null.

    `seconds` are those that count by what is known now, `free_reason` why none do. `paid_seconds` were charged (`charge`), for
    `overrun_seconds` no credits were left: the provider's. While the three do not come out even, the books are behind
    (`is_behind`).
    """

    hold = models.ForeignKey(BatchHold, on_delete=models.CASCADE, related_name="jobs")
    record = models.CharField(max_length=100, unique=True)
    job = models.BigIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    account = models.CharField(max_length=40)
    name = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=30)
    waiting = models.CharField(max_length=300, blank=True)
    cores = models.PositiveIntegerField(default=0)
    memory_mib = models.BigIntegerField(default=0)
    gpus = models.PositiveIntegerField(default=0)
    nodes = models.PositiveIntegerField(default=0)
    billing = models.PositiveIntegerField(default=0, help_text="what the scheduler counts for each hour")
    rate_per_hour = models.BigIntegerField(default=0, help_text="micro-credits")
    source = models.CharField(max_length=20, choices=[(s, s) for s in Source], default=Source.SCHEDULER)
    started = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    elapsed = models.BigIntegerField(default=0, help_text="seconds it ran, suspensions taken off")
    seen_alive_at = models.DateTimeField(null=True)
    absent_since = models.DateTimeField(null=True)
    counted_at = models.DateTimeField(null=True)
    seconds = models.BigIntegerField(default=0)
    free_reason = models.CharField(max_length=100, blank=True)
    paid_seconds = models.BigIntegerField(default=0)
    overrun_seconds = models.BigIntegerField(default=0)
    charge = models.BigIntegerField(default=0)
    settled_at = models.DateTimeField(null=True)
    is_behind = models.BooleanField(default=False)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["hold"], condition=Q(is_behind=True), name="batch_jobs_to_settle"),
            models.Index(fields=["hold"], condition=Q(ended__isnull=True), name="batch_jobs_alive"),
            models.Index(fields=["ended"], name="batch_jobs_by_end"),
        ]
        constraints = [
            models.CheckConstraint(
                name="batch_seconds_are_never_negative",
                condition=Q(seconds__gte=0, paid_seconds__gte=0, overrun_seconds__gte=0, charge__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return self.record

    @property
    def state_words(self) -> str:
        """What became of it, in plain words."""
        return JOB_WORDS.get(self.state, self.state.lower())

    @property
    def gib(self) -> str:
        """Its memory, as people read it."""
        return gib_text(self.memory_mib)
