from __future__ import annotations

from django.conf import settings
from django.db import models


class Event(models.Model):
    """Something that happened. Written once, in the transaction of the thing itself."""

    at = models.DateTimeField()
    kind = models.CharField(max_length=60)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    about = models.CharField(max_length=80, db_index=True)
    facts = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.about}"


class Letter(models.Model):
    """
    A mail to one person. `due_at` is when the next attempt may be made; it moves on before each attempt. What belongs to a
    `digest` goes out with all others of that morning as one mail.
    """

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    kind = models.CharField(max_length=60)
    about = models.CharField(max_length=80, blank=True)
    written_at = models.DateTimeField()
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    digest = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["due_at"], condition=models.Q(sent_at__isnull=True), name="audit_letters_to_send")]

    def __str__(self) -> str:
        return f"{self.to}: {self.subject}"


class OutboxMail(models.Model):
    """A mail of the evaluation mode, shown on the outbox page instead of leaving the machine."""

    to = models.CharField(max_length=300)
    subject = models.CharField(max_length=300)
    body = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.to}: {self.subject}"
