from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.calls.models import Call, CallVersion
from allocations.projects.models import Allocation
from portal.organisations.models import Organisation
from portal.web.badges import Badge

from .states import BADGES, OFFICER_BADGES, OPEN, TURNS, WITH_APPLICANT, Outcome, S, Turn


class Application(models.Model):
    """
    What an enterprise asks of a call.

    `revision` grows with every save, and `touched` says at which revision each answer last changed, so that two who edit
    at once never overwrite each other. `clock_from` and `clock_used` keep the promise: working days already used up before
    the application was returned, and since when they are counted again.
    """

    code = models.CharField(max_length=20, unique=True)
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="applications")
    version = models.ForeignKey(CallVersion, on_delete=models.PROTECT, related_name="applications")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="applications")
    state = models.CharField(max_length=10, choices=[(s, s) for s in S], default=S.DRAFT)
    revision = models.PositiveIntegerField(default=0)
    touched = models.JSONField(default=dict)
    title = models.CharField(max_length=160, blank=True)
    answers = models.JSONField(default=dict)
    requested_credits = models.BigIntegerField(null=True, blank=True, help_text="micro-credits")
    requested_units = models.JSONField(default=dict, help_text="amounts by unit, where the call speaks in units")
    requested_months = models.PositiveSmallIntegerField(null=True, blank=True)
    requested_resources = models.JSONField(default=list)
    requested_datasets = models.JSONField(default=list)
    follows = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="the earlier one it began from"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    submitted_at = models.DateTimeField(null=True, blank=True, help_text="the first time")
    clock_from = models.DateField(null=True, blank=True)
    clock_used = models.PositiveSmallIntegerField(default=0)
    returned_at = models.DateTimeField(null=True, blank=True)
    returned_message = models.TextField(blank=True)
    answer_by = models.DateField(null=True, blank=True, help_text="a returned one that is not sent again by then expires")
    promised_on = models.DateField(null=True, blank=True, help_text="the day by which the applicant will be answered")
    round = models.PositiveSmallIntegerField(default=1, help_text="grows when an appeal brings new people")
    person_wanted_at = models.DateTimeField(null=True, blank=True, help_text="a person, not the rule, shall decide")
    rule_said = models.TextField(blank=True, help_text="why the automatic rule left it to a person")
    outcome = models.CharField(max_length=10, choices=[(o, o) for o in Outcome], blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    embargo_until = models.DateField(null=True, blank=True, help_text="its names stay out of the register until then")
    allocation = models.OneToOneField(Allocation, null=True, blank=True, on_delete=models.PROTECT, related_name="application")

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
            models.CheckConstraint(
                name="applications_the_awarded_have_an_allocation",
                # A decision that is not published yet has its credits set aside, and no allocation that could be seen.
                condition=~Q(outcome=Outcome.AWARDED) | Q(allocation__isnull=False) | Q(published_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["state", "call"], name="applications_queue"),
            models.Index(fields=["state", "promised_on"], name="applications_by_promise"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"

    @property
    def shown_state(self) -> S:
        """The state as the applicant may know it: a decision is one only once it was published."""
        state = S(self.state)
        return S.IN_REVIEW if state == S.DECIDED and self.published_at is None else state

    @property
    def badge(self) -> Badge:
        if self.shown_state == S.DECIDED:
            return Badge("Awarded", "good", "✓") if self.outcome == Outcome.AWARDED else Badge("Not awarded", "bad", "✕")
        return BADGES[self.shown_state]

    @property
    def officer_badge(self) -> Badge:
        if self.state == S.DECIDED:
            word = "Awarded" if self.outcome == Outcome.AWARDED else "Rejected"
            return Badge(word + ("" if self.published_at else ", held"), "good" if word == "Awarded" else "quiet", "●")
        return OFFICER_BADGES[S(self.state)]

    @property
    def turn(self) -> Turn:
        """Whose turn it is."""
        return TURNS[self.shown_state]

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def editable(self) -> bool:
        return self.state in WITH_APPLICANT

    @property
    def requested(self) -> dict[str, Any]:
        """What is asked for, by the keys of `asking.py`."""
        return {
            "ask-credits": self.requested_credits,
            "ask-months": self.requested_months,
            "ask-resources": self.requested_resources,
            "ask-datasets": self.requested_datasets,
            **{f"ask-unit-{key}": amount for key, amount in self.requested_units.items()},
        }


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


class AttachedFile(models.Model):
    """
    A file that belongs to an answer. The bytes lie in the object store under `object_key`. A file that is replaced stays, so
    that what was sent with an earlier version can still be read.
    """

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="files")
    key = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, help_text="found from its content")
    size = models.PositiveBigIntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    object_key = models.CharField(max_length=200)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    added_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True, blank=True)
    scanned_at = models.DateTimeField(null=True, blank=True, help_text="until then nobody reads it")
    scan = models.CharField(max_length=300, blank=True, help_text="what a malware scanner said")
    scan_due_at = models.DateTimeField(null=True, blank=True, help_text="when it is looked at next; whoever moves it on looks")
    malware = models.CharField(max_length=200, blank=True, help_text="the scanner's name for it: its bytes are gone")

    class Meta:
        indexes = [
            models.Index(fields=["scan_due_at"], condition=Q(scanned_at__isnull=True), name="applications_files_to_scan")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "key"], condition=Q(replaced_at__isnull=True), name="applications_one_file_an_answer"
            )
        ]

    def __str__(self) -> str:
        return f"{self.application_id}: {self.name}"


class Screening(models.Model):
    """
    Answers to a questionnaire about the law, with what came out and why, as the questionnaire stood. Never edited: changed
    answers make a new row. It informs people and decides nothing.
    """

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="screenings")
    questionnaire = models.CharField(max_length=40, help_text="which version of the questions")
    answers = models.JSONField()
    outcome = models.CharField(max_length=30)
    reasons = models.JSONField(default=list)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.application_id}: {self.outcome}"
