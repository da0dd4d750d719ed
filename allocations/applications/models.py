from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.calls.models import Call, CallVersion
from portal.organisations.models import Organisation
from portal.web.badges import Badge

from .states import BADGES, OFFICER_BADGES, Outcome, S


class Application(models.Model):
    """What an enterprise asks of a call. `revision` grows with every save, so that two who edit cannot overwrite each other."""

    code = models.CharField(max_length=20, unique=True)
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="applications")
    version = models.ForeignKey(CallVersion, on_delete=models.PROTECT, related_name="applications")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="applications")
    state = models.CharField(max_length=10, choices=[(s, s) for s in S], default=S.DRAFT)
    revision = models.PositiveIntegerField(default=0)
    title = models.CharField(max_length=160, blank=True)
    answers = models.JSONField(default=dict)
    requested_credits = models.BigIntegerField(null=True, blank=True, help_text="micro-credits")
    requested_months = models.PositiveSmallIntegerField(null=True, blank=True)
    requested_resources = models.JSONField(default=list)
    requested_datasets = models.JSONField(default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    returned_at = models.DateTimeField(null=True, blank=True)
    returned_message = models.TextField(blank=True)
    promised_on = models.DateField(null=True, blank=True, help_text="the day by which the applicant will be answered")
    outcome = models.CharField(max_length=10, choices=[(o, o) for o in Outcome], blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="applications_an_outcome_is_had_by_the_decided_only",
                condition=(Q(state=S.DECIDED) & ~Q(outcome="")) | (~Q(state=S.DECIDED) & Q(outcome="")),
            ),
            models.CheckConstraint(
                name="applications_nothing_is_judged_before_it_was_submitted",
                condition=Q(submitted_at__isnull=False) | Q(state__in=[S.DRAFT, S.WITHDRAWN, S.EXPIRED]),
            ),
            models.CheckConstraint(
                name="applications_credits_asked_are_positive",
                condition=Q(requested_credits__isnull=True) | Q(requested_credits__gt=0),
            ),
        ]
        indexes = [models.Index(fields=["state", "call"], name="applications_queue")]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"

    @property
    def badge(self) -> Badge:
        return BADGES[S(self.state)]

    @property
    def officer_badge(self) -> Badge:
        return OFFICER_BADGES[S(self.state)]


class Snapshot(models.Model):
    """An application as it was submitted, once per submission, so that a resubmission can be compared."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="snapshots")
    number = models.PositiveSmallIntegerField()
    content = models.JSONField()
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "number"], name="applications_snapshots_are_numbered_once")
        ]

    def __str__(self) -> str:
        return f"{self.application_id} #{self.number}"
