from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from allocations.applications.models import Application
from allocations.calls.models import Call
from portal.web.badges import Badge

from .states import BADGES, Conflict, S


class Review(models.Model):
    """
    One reviewer's judgement of one application. `scores` is `{criterion: {"score": 0…, "reason": "…"}}`, filled while the
    draft saves itself and final once submitted. `round` grows when an appeal brings new people.
    """

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    round = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=[(s, s) for s in S], default=S.INVITED)
    assigned_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    assigned_at = models.DateTimeField()
    due_on = models.DateField()
    declared_at = models.DateTimeField(null=True, blank=True)
    conflict_kind = models.CharField(max_length=12, choices=[(c, c) for c in Conflict], blank=True)
    conflict_note = models.TextField(blank=True)
    scores = models.JSONField(default=dict)
    total = models.FloatField(null=True, blank=True, help_text="weighted, of 100; written when it is handed in")
    recommended_credits = models.BigIntegerField(null=True, blank=True, help_text="micro-credits")
    comment = models.TextField(blank=True, help_text="for the officer alone")
    revision = models.PositiveIntegerField(default=0)
    submitted_at = models.DateTimeField(null=True, blank=True)
    duty_of = models.ForeignKey(
        Application,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="duties",
        help_text="the reviewer's own application, where applicants review each other",
    )
    reminded = models.PositiveSmallIntegerField(default=0, help_text="how many reminders went out")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "reviewer", "round"], name="reviews_a_person_reviews_once_a_round"),
            models.CheckConstraint(
                name="reviews_a_conflict_has_its_kind", condition=~Q(state=S.CONFLICTED) | ~Q(conflict_kind="")
            ),
            models.CheckConstraint(
                name="reviews_the_submitted_have_a_date", condition=~Q(state=S.SUBMITTED) | Q(submitted_at__isnull=False)
            ),
            models.CheckConstraint(
                name="reviews_recommended_credits_are_not_negative",
                condition=Q(recommended_credits__isnull=True) | Q(recommended_credits__gte=0),
            ),
        ]
        indexes = [models.Index(fields=["reviewer", "state"], name="reviews_of_a_person")]

    def __str__(self) -> str:
        return f"{self.application_id} by {self.reviewer_id}"

    @property
    def badge(self) -> Badge:
        return BADGES[S(self.state)]


class StepDone(models.Model):
    """An officer's record that a step of the call is done, with its outcome and why. Never edited; a new one may follow."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="steps_done")
    round = models.PositiveSmallIntegerField(default=1)
    key = models.CharField(max_length=40)
    passed = models.BooleanField()
    note = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "pk"]
        constraints = [models.CheckConstraint(name="reviews_a_step_says_why", condition=~Q(note=""))]

    def __str__(self) -> str:
        return f"{self.application_id}: {self.key}"


class Draw(models.Model):
    """
    A lot inside a tier of a call. `seal` is the SHA-256 of `seed`, published when it is announced; the seed itself is shown
    once it was drawn, so that anybody can compute `order` again.
    """

    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="draws")
    tier = models.CharField(max_length=40)
    seed = models.CharField(max_length=64)
    seal = models.CharField(max_length=64)
    announced_at = models.DateTimeField()
    announced_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    drawn_at = models.DateTimeField(null=True, blank=True)
    drawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    order = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["call", "tier"], condition=Q(drawn_at__isnull=True), name="reviews_one_lot_is_announced_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.call_id}: {self.tier}"


class ReviewerProfile(models.Model):
    """What a reviewer knows about, how much they take on at once, and until when they are away."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reviewer_profile")
    sectors = models.JSONField(default=list, help_text="sections of NACE, as enterprises have them")
    words = models.CharField(max_length=300, blank=True)
    load_max = models.PositiveSmallIntegerField(default=5)
    away_until = models.DateField(null=True, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="reviews_a_load_is_between_none_and_fifty", condition=Q(load_max__lte=50)),
        ]

    def __str__(self) -> str:
        return f"{self.user}"
