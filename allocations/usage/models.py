from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.catalogue.models import Resource
from allocations.projects.models import Allocation
from portal.organisations.models import Organisation

from .sources import Source


class UsageRecord(models.Model):
    """
    What was used, once settled. Amounts in micro-credits, `unit_seconds` are seconds times processes.

    A row that `corrects` another carries differences (they may be below zero), so that sums over rows are always the truth.
    `overrun_*` is what ran beyond what was bought: the provider's, never charged.
    """

    source = models.CharField(max_length=20, choices=[(s, s) for s in Source])
    record_id = models.CharField(max_length=100)
    accounting = models.CharField(max_length=100, blank=True, help_text="the scheduler's own record: cluster/job/submit time")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="usage")
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="+")
    launch = models.CharField(max_length=27, db_index=True)
    site = models.CharField(max_length=50)
    engine = models.CharField(max_length=20)
    kind = models.CharField(max_length=10)
    cores = models.PositiveSmallIntegerField()
    gpus = models.PositiveSmallIntegerField()
    memory_gib = models.PositiveSmallIntegerField()
    start = models.DateTimeField(null=True)
    end = models.DateTimeField()
    unit_seconds = models.BigIntegerField()
    rate_per_hour = models.BigIntegerField()
    charge = models.BigIntegerField()
    overrun_seconds = models.BigIntegerField(default=0)
    overrun = models.BigIntegerField(default=0)
    kwh = models.FloatField()
    gco2e = models.FloatField()
    carbon_basis = models.CharField(max_length=60)
    carbon_vintage = models.CharField(max_length=10)
    corrects = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="corrections")
    reason = models.CharField(max_length=300, blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "record_id"], name="usage_each_record_is_kept_once"),
            models.CheckConstraint(
                name="usage_only_corrections_go_below_zero",
                condition=Q(corrects__isnull=False)
                | Q(unit_seconds__gte=0, charge__gte=0, overrun_seconds__gte=0, overrun__gte=0),
            ),
        ]
        indexes = [
            models.Index(fields=["allocation", "end"], name="usage_by_allocation"),
            models.Index(fields=["end"], condition=Q(overrun__gt=0), name="usage_overruns"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.record_id}"
