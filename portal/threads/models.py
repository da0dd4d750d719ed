from __future__ import annotations

from django.conf import settings
from django.db import models


class Message(models.Model):
    """A message of the one thread about a thing (`application:P-7`, `allocation:A-3`). Never edited."""

    about = models.CharField(max_length=80)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    staff = models.BooleanField(help_text="written for the programme, not for the enterprise")
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["about", "id"], name="threads_by_subject")]
        constraints = [
            models.CheckConstraint(name="threads_a_message_has_words", condition=~models.Q(text="")),
        ]

    def __str__(self) -> str:
        return f"{self.about} {self.at:%Y-%m-%d}"


class Seen(models.Model):
    """Up to which message a person has read a thread."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    about = models.CharField(max_length=80)
    last = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "about"], name="threads_a_person_reads_a_thread_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.about} {self.last}"
