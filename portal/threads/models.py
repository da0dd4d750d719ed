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


class Thread(models.Model):
    """
    Whose turn it is in the thread about a thing. While an enterprise waits, `waiting_since` is when it first asked, and
    `due_on` the day by which it is answered; what it writes meanwhile moves neither.
    """

    about = models.CharField(max_length=80, unique=True)
    waiting_since = models.DateTimeField(null=True)
    due_on = models.DateField(null=True)
    reminded_at = models.DateTimeField(null=True, help_text="when those who answer were reminded that it is due")

    class Meta:
        indexes = [models.Index(fields=["due_on"], condition=models.Q(due_on__isnull=False), name="threads_waiting_by_day")]
        constraints = [
            models.CheckConstraint(
                name="threads_what_waits_has_a_day",
                condition=models.Q(waiting_since__isnull=True, due_on__isnull=True)
                | models.Q(waiting_since__isnull=False, due_on__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.about


class Seen(models.Model):
    """Up to which message a person has read a thread."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    about = models.CharField(max_length=80)
    last = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "about"], name="threads_a_person_reads_a_thread_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.about} {self.last}"
