from __future__ import annotations

import base64
import secrets
from functools import cached_property
from zoneinfo import ZoneInfo

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone

ZONE_DEFAULT = "UTC"


def hub_username_new() -> str:
    """`u` and 80 random bits in base32: says nothing about the person and is never reused."""
    return "u" + base64.b32encode(secrets.token_bytes(10)).decode().lower()


class UserManager(BaseUserManager["User"]):
    """People are found by e-mail address, whatever its capitals."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> User:
        """Make a person; without a password they cannot sign in until they set one."""
        person = self.model(email=self.normalize_email(email).lower(), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class Role(models.TextChoices):
    """What a person may do for the whole portal, beside what they may do in their enterprise."""

    OFFICER = "officer", "Officer"
    REVIEWER = "reviewer", "Reviewer"
    STEWARD = "steward", "Data steward"
    OPERATOR = "operator", "Operator"


class MailRhythm(models.TextChoices):
    """How often a person is written to. What concerns access, money or a decision goes at once in any case."""

    EACH = "each", "Each mail when there is something to tell"
    DAILY = "daily", "One mail a day, in the morning"


class User(AbstractBaseUser):
    """A person. Signs in by e-mail; known to sites by `hub_username` only."""

    email = models.EmailField(unique=True)
    full_name = models.CharField("your name", max_length=120, blank=True)
    hub_username = models.CharField(max_length=24, unique=True, default=hub_username_new, editable=False)
    time_zone = models.CharField(max_length=60, default=ZONE_DEFAULT)
    mail_rhythm = models.CharField(max_length=8, choices=MailRhythm.choices, default=MailRhythm.EACH)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(default=timezone.now)
    deactivated_at = models.DateTimeField(null=True, blank=True)

    objects = UserManager()
    USERNAME_FIELD = "email"

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="accounts_inactive_people_have_a_date",
                condition=models.Q(is_active=True) | models.Q(deactivated_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email

    @property
    def short_name(self) -> str:
        return self.full_name.split()[0] if self.full_name else self.email.split("@")[0]

    @cached_property
    def role_set(self) -> frozenset[str]:
        """The portal roles this person holds, read once per request."""
        return frozenset(self.roles.values_list("role", flat=True))

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class RoleGrant(models.Model):
    """A portal role held by a person."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=20, choices=Role.choices)
    granted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    granted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "role"], name="accounts_each_role_is_held_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role}"
