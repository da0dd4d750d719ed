from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from portal.core.quantities import credits_parse
from portal.web.badges import Badge

from .document import CallDocument
from .intake import IntakeState, intake_state

if TYPE_CHECKING:
    from datetime import datetime


class Call(models.Model):
    """
    An invitation to apply. Its rules are in its versions; `current` is in force for new drafts.

    `submitted_count` counts first submissions, so that a call that closes by count closes exactly there.
    """

    slug = models.SlugField(max_length=60, unique=True)
    published = models.BooleanField(default=False)
    current = models.OneToOneField("CallVersion", null=True, on_delete=models.PROTECT, related_name="+")
    submitted_count = models.PositiveIntegerField(default=0)
    paused_at = models.DateTimeField(null=True, blank=True, help_text="takes no applications; its rules may change")
    paused_reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="calls_a_paused_call_says_why",
                condition=models.Q(paused_at__isnull=True) | ~models.Q(paused_reason=""),
            ),
            models.CheckConstraint(
                name="calls_a_published_call_has_rules",
                condition=models.Q(published=False) | models.Q(current__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def rules(self) -> CallDocument:
        """The rules in force for new drafts."""
        assert self.current is not None  # noqa: S101 (selectors hand out calls with rules only)
        return self.current.rules

    def intake(self, at: datetime) -> IntakeState:
        """Whether it takes applications at this moment."""
        if not self.published:
            return IntakeState(False, "Not published")
        if self.paused_at is not None:
            return IntakeState(False, f"Paused: {self.paused_reason}")
        return intake_state(intake=self.rules.intake, at=at, submitted=self.submitted_count)

    def badge(self, at: datetime) -> Badge:
        """How it looks in a list."""
        state = self.intake(at)
        return Badge(state.words, "good" if state.open else "quiet", "●" if state.open else "◷")


class CallVersion(models.Model):
    """The rules of a call as they stood. Never edited; every application keeps the one it was written under."""

    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    reason = models.CharField(max_length=300)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "number"], name="calls_versions_are_numbered_once")]

    def __str__(self) -> str:
        return f"{self.call.slug} v{self.number}"

    @cached_property
    def rules(self) -> CallDocument:
        """The document, validated."""
        return CallDocument.model_validate(self.document)

    @property
    def credits_min(self) -> int:
        """Least that may be asked for, in micro-credits."""
        return credits_parse(self.rules.amounts.credits_min)

    @property
    def credits_max(self) -> int:
        """Most that may be asked for, in micro-credits."""
        return credits_parse(self.rules.amounts.credits_max)


class CallDraft(models.Model):
    """
    The working copy of a call's next version. It may be unfinished; only what is whole becomes a version.

    `revision` grows with every save, so that a stale tab never overwrites.
    """

    call = models.OneToOneField(Call, on_delete=models.CASCADE, related_name="draft")
    document = models.JSONField()
    based_on = models.ForeignKey(CallVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    revision = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{self.call.slug} draft"
