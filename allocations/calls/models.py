from __future__ import annotations

from functools import cached_property

from django.conf import settings
from django.db import models

from .document import CallDocument


class Call(models.Model):
    """An invitation to apply. Its rules are in its versions; the newest one is in force for new drafts."""

    slug = models.SlugField(max_length=60, unique=True)
    published = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.slug


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
