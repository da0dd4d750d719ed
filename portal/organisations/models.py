from __future__ import annotations

import pycountry
from django.conf import settings
from django.db import models
from django.db.models import Q

from .size_class import SizeFinding, size_class


class Organisation(models.Model):
    """An enterprise."""

    name = models.CharField(max_length=160)
    country = models.CharField(max_length=2)
    registry_id = models.CharField("registry number", max_length=40)
    registry_scheme = models.CharField(max_length=60, blank=True, help_text="by which rule it was checked; empty: by a person")
    registry_confirmed_at = models.DateTimeField(null=True, blank=True)
    headcount = models.PositiveIntegerField("people employed")
    turnover_eur = models.PositiveBigIntegerField("yearly turnover in EUR")
    balance_sheet_eur = models.PositiveBigIntegerField("balance sheet total in EUR", null=True, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["country", "registry_id"], name="organisations_each_firm_is_registered_once")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def country_name(self) -> str:
        country = pycountry.countries.get(alpha_2=self.country)
        return country.name if country else self.country

    @property
    def registry_words(self) -> str:
        """What is known about the registry number."""
        if self.registry_scheme:
            return f"checked: valid {self.registry_scheme}"
        return "confirmed by a person" if self.registry_confirmed_at else "a person will check"

    @property
    def size(self) -> SizeFinding:
        return size_class(headcount=self.headcount, turnover_eur=self.turnover_eur, balance_sheet_eur=self.balance_sheet_eur)


class OrgRole(models.TextChoices):
    """What a person may do for their enterprise."""

    OWNER = "owner", "Owner"
    MANAGER = "manager", "Manager"
    MEMBER = "member", "Member"


class Membership(models.Model):
    """A person in an enterprise. A leaver's row stays, with the day they left."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=OrgRole.choices, default=OrgRole.MEMBER)
    joined_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "user"], condition=Q(left_at__isnull=True), name="organisations_a_person_is_member_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organisation}"


class Invitation(models.Model):
    """A link to join. Only its hash is kept."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=OrgRole.choices, default=OrgRole.MEMBER)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.email} to {self.organisation}"


class JoinRequest(models.Model):
    """Somebody named an enterprise that is registered here already and asked to join it."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="join_requests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    admitted = models.BooleanField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "user"], condition=Q(answered_at__isnull=True), name="organisations_one_open_request"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} asks {self.organisation}"
