from __future__ import annotations

import pycountry
from django import forms

from .models import OrgRole


def country_choices() -> list[tuple[str, str]]:
    """Countries by name."""
    countries = sorted((c.alpha_2, getattr(c, "common_name", c.name)) for c in pycountry.countries)
    return [("", "Choose …"), *sorted(countries, key=lambda pair: pair[1])]


class OrganisationForm(forms.Form):
    """The five facts of an enterprise."""

    name = forms.CharField(label="Name of your enterprise", max_length=160)
    country = forms.ChoiceField(label="Country where it is registered", choices=country_choices)
    registry_id = forms.CharField(
        label="Registry number",
        max_length=40,
        help_text="A company number, VAT number or LEI. Known kinds are checked at once; for others a person will check.",
    )
    headcount = forms.IntegerField(
        label="People employed", min_value=0, max_value=10_000_000, help_text="Full-time equivalents."
    )
    turnover_eur = forms.IntegerField(
        label="Turnover last year, in euro", min_value=0, max_value=10**14, help_text="Roughly is fine; 0 if you have none yet."
    )
    balance_sheet_eur = forms.IntegerField(label="Balance sheet total, in euro", min_value=0, max_value=10**14, required=False)


class InvitationForm(forms.Form):
    """Whom to invite."""

    email = forms.EmailField(label="Their e-mail address")
    role = forms.ChoiceField(
        label="They may",
        choices=[
            (OrgRole.MEMBER, "launch notebooks and stop their own"),
            (OrgRole.MANAGER, "also apply, invite, and stop anybody's session"),
            (OrgRole.OWNER, "do everything, like you"),
        ],
    )
