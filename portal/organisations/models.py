from __future__ import annotations

from datetime import date

import pycountry
from django.conf import settings
from django.db import models
from django.db.models import Q

from .size_class import Related, SizeFinding
from .size_years import Year, size_over_years


class LegalForm(models.TextChoices):
    """What kind of organisation it is in law."""

    COMPANY = "company", "Company"
    COOPERATIVE = "cooperative", "Cooperative"
    SOLE_TRADER = "sole_trader", "Sole trader"
    CHARITY = "charity", "Charity"
    NON_PROFIT = "non_profit", "Non-profit"
    RESEARCH = "research_organisation", "Research organisation"
    PUBLIC_BODY = "public_body", "Public body"
    OTHER = "other", "Another form"


# Sections of NACE Rev. 2.1, in words people know.
SECTORS = [
    ("A", "Farming, forestry, fishing"),
    ("B", "Mining"),
    ("C", "Manufacturing"),
    ("D", "Energy"),
    ("E", "Water and waste"),
    ("F", "Construction"),
    ("G", "Trade"),
    ("H", "Transport and storage"),
    ("I", "Hotels and restaurants"),
    ("J", "Publishing and media"),
    ("K", "Software, telecoms, data"),
    ("L", "Finance and insurance"),
    ("M", "Real estate"),
    ("N", "Professional, scientific, technical services"),
    ("O", "Other business services"),
    ("P", "Public administration"),
    ("Q", "Education"),
    ("R", "Health and social work"),
    ("S", "Arts and sport"),
    ("T", "Other services"),
]


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
    accounts_end_on = models.DateField("last day of that accounting year", null=True, blank=True)
    legal_form = models.CharField(max_length=24, choices=LegalForm.choices, blank=True)
    region = models.CharField(max_length=6, blank=True, help_text="ISO 3166-2, below the country: DE-BY")
    sector = models.CharField(max_length=1, choices=SECTORS, blank=True, help_text="section of NACE")
    founded_on = models.DateField(null=True, blank=True)
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
    def region_name(self) -> str:
        found = pycountry.subdivisions.get(code=self.region) if self.region else None
        return found.name if found else self.region

    @property
    def registry_words(self) -> str:
        """What is known about the registry number."""
        if self.registry_scheme:
            return f"checked: valid {self.registry_scheme}"
        return "confirmed by a person" if self.registry_confirmed_at else "a person will check"

    @property
    def size(self) -> SizeFinding:
        """By its figures over the years, linked and partner firms included; lists prefetch what SIZE_FROM names."""
        return size_over_years(
            years=[row.year for row in self.accounting_years.all()],  # type: ignore[attr-defined]
            ends_on=self.accounts_end_on,
            headcount=self.headcount,
            turnover_eur=self.turnover_eur,
            balance_sheet_eur=self.balance_sheet_eur,
            related=related_of(self),
        )


# What the size class of many enterprises is worked out from.
SIZE_FROM = ("related_firms", "accounting_years")


def related_of(organisation: Organisation) -> list[Related]:
    """Its linked and partner firms, each with the one it is related through."""
    firms = list(organisation.related_firms.all())  # type: ignore[attr-defined]
    names = {firm.pk: firm.name for firm in firms}
    return [firm.related(through=names.get(firm.through_id or 0, "")) for firm in firms]


class AccountingYear(models.Model):
    """
    An accounting year before the newest one. `group_…` are its figures with those of linked and partner firms, as they were
    then: who was bought later does not change what a year came to.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="accounting_years")
    ends_on = models.DateField()
    headcount = models.PositiveIntegerField()
    turnover_eur = models.PositiveBigIntegerField()
    balance_sheet_eur = models.PositiveBigIntegerField(null=True, blank=True)
    group_headcount = models.PositiveIntegerField()
    group_turnover_eur = models.PositiveBigIntegerField()
    group_balance_sheet_eur = models.PositiveBigIntegerField(null=True, blank=True)
    written_at = models.DateTimeField()

    class Meta:
        ordering = ["-ends_on"]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "ends_on"], name="organisations_each_year_is_entered_once")
        ]

    def __str__(self) -> str:
        return f"{self.organisation}: {self.ends_on}"

    @property
    def year(self) -> Year:
        """As the size class counts it."""
        return Year(self.ends_on, self.group_headcount, self.group_turnover_eur, self.group_balance_sheet_eur)


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


class FactChange(models.Model):
    """
    A fact of an enterprise as it became, with what proves it. Never edited; an officer's look is written beside it.

    `field` is a column of the enterprise, or `related_firm` and `subsidy` for rows of their own.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="fact_changes")
    field = models.CharField(max_length=30)
    before = models.CharField(max_length=200, blank=True)
    after = models.CharField(max_length=200, blank=True)
    evidence = models.CharField(max_length=500, blank=True, help_text="what proves it: an address, a document's name and page")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    verified_note = models.CharField(max_length=500, blank=True, help_text="what the officer looked at")

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="organisations_a_verified_fact_says_by_what",
                condition=Q(verified_at__isnull=True) | ~Q(verified_note=""),
            )
        ]

    def __str__(self) -> str:
        return f"{self.organisation}: {self.field} {self.after}"


class RelatedFirm(models.Model):
    """A firm that holds a part of the enterprise or is held by it; how much of it counts is in `size_class.py`."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="related_firms")
    name = models.CharField(max_length=160)
    direction = models.CharField(
        max_length=8, choices=[("holder", "It holds a part of us"), ("held", "We hold a part of it")], default="holder"
    )
    share_percent = models.DecimalField(max_digits=5, decimal_places=2)
    dominant = models.BooleanField(default=False)
    public_body = models.BooleanField(default=False)
    exempt = models.BooleanField(default=False, help_text="a university, an investor or a small town that controls nothing")
    through = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.RESTRICT,
        related_name="further",
        help_text="the related firm it is related to, where that is not the enterprise itself",
    )
    since = models.DateField(null=True, blank=True, help_text="none: it was always so")
    headcount = models.PositiveIntegerField()
    turnover_eur = models.PositiveBigIntegerField()
    balance_sheet_eur = models.PositiveBigIntegerField(null=True, blank=True)
    added_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                name="organisations_a_share_is_a_percentage", condition=Q(share_percent__gt=0, share_percent__lte=100)
            ),
            models.UniqueConstraint(fields=["organisation", "name"], name="organisations_each_related_firm_once"),
        ]

    def __str__(self) -> str:
        return self.name

    def related(self, *, through: str = "") -> Related:
        """As the size class counts it."""
        return Related(
            name=self.name,
            share_percent=self.share_percent,
            headcount=self.headcount,
            turnover_eur=self.turnover_eur,
            balance_sheet_eur=self.balance_sheet_eur,
            dominant=self.dominant,
            public_body=self.public_body and self.direction == "holder",
            exempt=self.exempt and self.direction == "holder",
            through=through,
            since=self.since,
        )


class Subsidy(models.Model):
    """Aid an enterprise received, told by itself or written by an award here. Counted over rolling years."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="subsidies")
    granted_on = models.DateField()
    amount_eur = models.PositiveBigIntegerField()
    granted_by = models.CharField(max_length=160)
    purpose = models.CharField(max_length=200, blank=True)
    about = models.CharField(max_length=80, blank=True, help_text="the award here that wrote it; empty: told by the enterprise")
    written_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text="told by mistake, or its award came to nothing")

    class Meta:
        ordering = ["-granted_on", "-pk"]
        constraints = [
            models.CheckConstraint(name="organisations_a_subsidy_has_an_amount", condition=Q(amount_eur__gt=0)),
            models.UniqueConstraint(fields=["about"], condition=~Q(about=""), name="organisations_an_award_is_one_subsidy"),
        ]

    def __str__(self) -> str:
        return f"{self.organisation}: {self.amount_eur} EUR on {self.granted_on}"


class Declaration(models.Model):
    """A declaration an enterprise signed once; every application reuses it until its text changes or it runs out."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="declarations")
    kind = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField()
    text = models.TextField(help_text="as it stood when it was signed")
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    signed_at = models.DateTimeField()
    expires_on = models.DateField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-signed_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "kind", "version"],
                condition=Q(withdrawn_at__isnull=True),
                name="organisations_a_declaration_is_signed_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.organisation}: {self.kind} v{self.version}"

    def in_force(self, today: date) -> bool:
        return self.withdrawn_at is None and today <= self.expires_on
