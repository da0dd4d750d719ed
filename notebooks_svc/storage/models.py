from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from allocations.projects.models import Allocation


class LogBookmark(models.Model):
    """How far a log of the store was read. Moved (compare-and-set) in the transaction that adds what was read up to there."""

    path = models.CharField(max_length=500, unique=True)
    inode = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.path} up to {self.offset}"


class Keeping(models.Model):
    """
    What a project keeps: in its bucket where the store has buckets, and in its folders at the site.

    Quota, free part and rate are those of the day it began; an officer may change the quota. Sizes are the store's own figures
    as last measured. `due_at` is when they are measured next; whoever moves it on (compare-and-set) does it.
    """

    allocation = models.OneToOneField(Allocation, on_delete=models.CASCADE, related_name="keeping")
    quota_bytes = models.BigIntegerField()
    free_bytes = models.BigIntegerField()
    gib_hour = models.BigIntegerField(help_text="micro-credits per GiB-hour above the free part")
    has_bucket = models.BooleanField(default=False)
    quota_kept_bytes = models.BigIntegerField(default=0, help_text="the quota the store itself was told, 0: none")
    bucket_bytes = models.BigIntegerField(default=0)
    bucket_objects = models.BigIntegerField(default=0)
    folder_bytes = models.BigIntegerField(null=True, blank=True, help_text="null: the site does not tell")
    folder_files = models.BigIntegerField(default=0)
    measured_at = models.DateTimeField(null=True, blank=True)
    over_since = models.DateTimeField(null=True, blank=True)
    has_denials = models.BooleanField(default=False, help_text="its bucket may hold denials of ended sessions")
    delete_on = models.DateField(null=True, blank=True)
    reminded_on = models.DateField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="storage_what_is_kept_is_never_negative",
                condition=Q(quota_bytes__gt=0, free_bytes__gte=0, gib_hour__gte=0, bucket_bytes__gte=0, folder_files__gte=0),
            ),
            models.CheckConstraint(
                name="storage_files_are_deleted_on_a_day_that_was_told",
                condition=Q(deleted_at__isnull=True) | Q(delete_on__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(deleted_at__isnull=True), name="storage_by_due")]

    def __str__(self) -> str:
        return f"files of {self.allocation_id}"

    @property
    def bytes(self) -> int:
        """All that is kept, as last measured."""
        return self.bucket_bytes + (self.folder_bytes or 0)

    @property
    def charged_bytes(self) -> int:
        """What is above the free part."""
        return max(0, self.bytes - self.free_bytes)


class KeptDay(models.Model):
    """What a project kept on one day (UTC): bytes times seconds, and what was charged for it once the day was over."""

    keeping = models.ForeignKey(Keeping, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    seconds = models.PositiveIntegerField(default=0, help_text="how much of the day was measured")
    byte_seconds = models.DecimalField(max_digits=30, decimal_places=0, default=0)
    charged_byte_seconds = models.DecimalField(max_digits=30, decimal_places=0, default=0, help_text="above the free part")
    charge = models.BigIntegerField(default=0)
    uncharged = models.BigIntegerField(default=0, help_text="what no credits were left for")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(fields=["keeping", "day"], name="storage_each_day_is_counted_once"),
            models.CheckConstraint(
                name="storage_no_more_is_charged_than_is_kept",
                condition=Q(charged_byte_seconds__lte=F("byte_seconds"), charged_byte_seconds__gte=0, seconds__lte=86_400),
            ),
        ]
        indexes = [models.Index(fields=["day"], condition=Q(settled_at__isnull=True), name="storage_days_to_settle")]

    def __str__(self) -> str:
        return f"{self.keeping_id} on {self.day}"

    @property
    def mean_bytes(self) -> int:
        """What was kept on average while it was measured."""
        return int(self.byte_seconds / max(1, self.seconds))
