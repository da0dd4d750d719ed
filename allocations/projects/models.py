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
    transfers_allowed = models.BooleanField(default=False, help_text="its call lets credits move to the enterprise's others")
    mail_domains = models.JSONField(default=list, help_text="only people with an address there may be named; none: anybody")
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
    def programme_words(self) -> str:
        """The programme whose pool it was granted from."""
        return self.programme.removeprefix("pool:").replace("-", " ").capitalize()

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


class BudgetReader(models.Model):
    """A person chosen to be told how far an allocation is used. While none is chosen, owners and managers are."""

    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="budget_readers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["allocation", "user"], name="projects_each_reader_is_chosen_once")]

    def __str__(self) -> str:
        return f"{self.allocation_id}: {self.user_id}"


class BudgetKind(models.TextChoices):
    """What is running out."""

    CREDITS = "credits", "Credits"
    TIME = "time", "Time"


class BudgetNotice(models.Model):
    """
    A mark that was passed and told, once. `whole` is what it was a part of (micro-credits, or the last day as a number): after
    a supplement or an extension the marks count anew.
    """

    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="budget_notices")
    kind = models.CharField(max_length=8, choices=BudgetKind.choices)
    percent = models.PositiveSmallIntegerField()
    whole = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["allocation", "kind", "percent", "whole"], name="projects_each_mark_is_told_once")
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id}: {self.percent} % of {self.kind}"


class DailyUse(models.Model):
    """How much an allocation had used at the first look of a day, in micro-credits: what forecasts are made from."""

    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="daily_use")
    day = models.DateField()
    used = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["allocation", "day"], name="projects_use_is_noted_once_a_day")]

    def __str__(self) -> str:
        return f"{self.allocation_id}: {self.day}"


class MoreAsked(models.Model):
    """
    Somebody asked for more on an allocation: credits, a top-up, a burst, or more time. Open until an officer answered, by
    giving it or in words.
    """

    class Wish(models.TextChoices):
        CREDITS = "credits", "more credits"
        TOPUP = "topup", "a top-up"
        BURST = "burst", "a one-off burst"
        EXTENSION = "extension", "more time"

    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="asked_for_more")
    wish = models.CharField(max_length=10, choices=Wish.choices, default=Wish.CREDITS)
    amount = models.BigIntegerField(null=True, blank=True, help_text="micro-credits, where an amount was named")
    months = models.PositiveSmallIntegerField(null=True, blank=True, help_text="of more time")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    message = models.TextField(blank=True)
    at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["allocation", "wish"],
                condition=Q(answered_at__isnull=True),
                name="projects_more_is_asked_for_once_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id}: {self.at:%Y-%m-%d}"


class ReclaimNotice(models.Model):
    """Notice that idle credits return to their pool on a day, unless used before. `seq` is the chain's length at the notice."""

    class State(models.TextChoices):
        GIVEN = "given", "Given"
        TAKEN = "taken", "Credits returned"
        DROPPED = "dropped", "Dropped"

    allocation = models.ForeignKey(Allocation, on_delete=models.CASCADE, related_name="reclaim_notices")
    amount = models.BigIntegerField()
    reason = models.TextField()
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", help_text="none: a rule of its call"
    )
    given_at = models.DateTimeField()
    due_on = models.DateField()
    seq = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.GIVEN)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="projects_reclaimed_amounts_are_positive", condition=Q(amount__gt=0)),
            models.UniqueConstraint(
                fields=["allocation"], condition=Q(state="given"), name="projects_one_reclaim_notice_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id}: {self.due_on}"
