from __future__ import annotations

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """
    A person's token for programs. Only its hash is kept; `hint` are its first characters, to tell tokens apart. One that only
    reads is refused whatever changes something.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    hint = models.CharField(max_length=12)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_on = models.DateField(null=True)
    reads_only = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.user} {self.hint}…"


class IdempotencyKey(models.Model):
    """A POST that was made under a key: its body's hash and, once it succeeded, its answer."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=200)
    body_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "route", "key"], name="api_a_key_is_used_once_per_route")]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
