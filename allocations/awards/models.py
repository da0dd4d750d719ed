from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.applications.models import Application
from allocations.applications.states import Outcome
from allocations.projects.giving import Kind as Gift
from allocations.projects.models import Allocation
from portal.web.badges import Badge


class Decision(models.Model):
    """
    What was decided on an application, never edited; an appeal brings a second one.

    `by` is the officer; a decision by rule has none and keeps the rule's words as they stood.
    """

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="decisions")
    number = models.PositiveSmallIntegerField(default=1)
    outcome = models.CharField(max_length=10, choices=[(o, o) for o in Outcome])
    credits = models.BigIntegerField(default=0, help_text="micro-credits awarded")
    months = models.PositiveSmallIntegerField(null=True, blank=True)
    resources = models.JSONField(default=list)
    datasets = models.JSONField(default=list)
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    automatic = models.BooleanField(default=False)
    rule_words = models.TextField(blank=True)
    at = models.DateTimeField()
    allocation = models.ForeignKey(Allocation, null=True, blank=True, on_delete=models.PROTECT, related_name="decisions")
    earmark = models.CharField(max_length=80, blank=True, help_text="ledger account that holds the credits until publication")
    taken_back_at = models.DateTimeField(null=True, blank=True, help_text="before it was published; then it counts for nothing")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "number"], name="awards_decisions_are_numbered_once"),
            models.CheckConstraint(name="awards_every_decision_has_a_reason", condition=~Q(reason="")),
            models.CheckConstraint(
                name="awards_an_award_has_credits_and_a_rejection_has_none",
                condition=(Q(outcome=Outcome.AWARDED) & Q(credits__gt=0)) | (Q(outcome=Outcome.REJECTED) & Q(credits=0)),
            ),
            models.CheckConstraint(
                name="awards_a_rule_has_words_and_can_only_say_yes",
                condition=Q(automatic=False) | (~Q(rule_words="") & Q(outcome=Outcome.AWARDED)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.application_id} #{self.number}: {self.outcome}"

    @property
    def badge(self) -> Badge:
        return Badge("Awarded", "good", "✓") if self.outcome == Outcome.AWARDED else Badge("Not awarded", "bad", "✕")


class Appeal(models.Model):
    """A person asks that other people look at a decision again. One at a time, within the days of the call."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "Accepted: other people look again"
        DISMISSED = "dismissed", "Dismissed"

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="appeals")
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="appeal")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    text = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    due_on = models.DateField()
    answer = models.TextField(blank=True)
    answered_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="awards_an_answered_appeal_has_its_answer",
                condition=Q(state="open", answered_at__isnull=True)
                | (~Q(state="open") & Q(answered_at__isnull=False) & ~Q(answer="")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.application_id}: {self.state}"


class Rest(models.Model):
    """
    The part of an award that follows a progress report, where the call gives awards in parts. Its credits wait on an account
    of their own (`account`), out of the pool, so that what was promised is always there.
    """

    allocation = models.OneToOneField(Allocation, on_delete=models.PROTECT, related_name="rest")
    amount = models.BigIntegerField(help_text="micro-credits")
    account = models.CharField(max_length=60)
    set_aside_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    granted = models.BooleanField(default=False, help_text="granted; ended without: returned to the pool")
    reason = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(name="awards_a_rest_has_an_amount", condition=Q(amount__gt=0)),
            models.CheckConstraint(name="awards_a_rest_ends_with_a_reason", condition=Q(ended_at__isnull=True) | ~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id}: {self.amount}"


class Grown(models.Model):
    """
    Something an award was given beyond its decision: one row each, so that nothing is ever counted as something else.

    `by` is the officer; what a rule gave has none and keeps the rule's words. A burst lapses: `committed_before` is what was
    used and held when it came, so that what is used first afterwards is the burst.
    """

    class Kind(models.TextChoices):
        TOPUP = Gift.TOPUP.value, "Top-up"
        BURST = Gift.BURST.value, "One-off burst"
        SUPPLEMENT = Gift.SUPPLEMENT.value, "More credits"
        CARRIED = Gift.CARRIED.value, "Carried over"
        EXTENSION = Gift.EXTENSION.value, "More time"

    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="grown")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    number = models.PositiveSmallIntegerField(help_text="of its kind on this award")
    amount = models.BigIntegerField(default=0, help_text="micro-credits")
    transfer = models.CharField(max_length=80, blank=True, help_text="id in the ledger")
    ends_on = models.DateField(null=True, blank=True, help_text="the last day since then, where time was given")
    reason = models.TextField()
    rule_words = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    lapses_on = models.DateField(null=True, blank=True, help_text="the last day of a burst")
    committed_before = models.BigIntegerField(default=0, help_text="micro-credits used and held when a burst came")
    lapsed_at = models.DateTimeField(null=True, blank=True)
    returned = models.BigIntegerField(default=0, help_text="micro-credits of a burst that went back unused")
    source = models.ForeignKey(
        Allocation, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="what it was carried over from"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["allocation", "kind", "number"], name="awards_what_grew_is_numbered_once"),
            models.UniqueConstraint(fields=["source"], condition=Q(source__isnull=False), name="awards_a_rest_is_carried_once"),
            models.CheckConstraint(
                name="awards_what_grew_is_credits_or_time",
                condition=Q(kind="extension", amount=0, ends_on__isnull=False)
                | (~Q(kind="extension") & Q(amount__gt=0, ends_on__isnull=True) & ~Q(transfer="")),
            ),
            models.CheckConstraint(
                name="awards_a_burst_lapses_and_nothing_else",
                condition=Q(kind="burst", lapses_on__isnull=False)
                | (~Q(kind="burst") & Q(lapses_on__isnull=True, lapsed_at__isnull=True, returned=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.allocation_id}: {self.kind} {self.number}"

    @property
    def automatic(self) -> bool:
        return bool(self.rule_words)
