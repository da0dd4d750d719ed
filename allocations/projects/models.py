from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from allocations.catalogue.models import Resource
from allocations.catalogue.rates import Rate
from portal.organisations.models import Organisation
from portal.web.badges import Badge

from .states import BADGES, S


class Allocation(models.Model):
    """What an enterprise was granted. Its credits are in the ledger account `allocation:<code>`."""

    code = models.CharField(max_length=20, unique=True)
    title = models.CharField(max_length=160)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="allocations")
    programme = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=10, choices=[(s, s) for s in S], default=S.SCHEDULED)
    starts_on = models.DateField()
    ends_on = models.DateField(help_text="the last day, in UTC")
    named_people_only = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="projects_allocations_end_after_they_start", condition=Q(ends_on__gte=F("starts_on")))
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"

    @property
    def account(self) -> str:
        """Code of the allocation's account in the ledger."""
        return f"allocation:{self.code.lower()}"

    @property
    def badge(self) -> Badge:
        return BADGES[S(self.state)]


class AllocationResource(models.Model):
    """A resource the allocation covers, at the rate frozen when it was awarded."""

    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="resources")
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="+")
    rate_frozen = models.JSONField()
    cap = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["allocation", "resource"], name="projects_each_resource_is_covered_once")
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id}: {self.resource_id}"

    @property
    def rate(self) -> Rate:
        return Rate.from_dict(self.rate_frozen)


class AllocationMember(models.Model):
    """A person named on an allocation that is not open to the whole enterprise."""

    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    added_at = models.DateTimeField()
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["allocation", "user"], name="projects_each_member_is_named_once")]

    def __str__(self) -> str:
        return f"{self.allocation_id}: {self.user_id}"
