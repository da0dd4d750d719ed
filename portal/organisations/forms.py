from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pycountry
from django import forms

from .models import SECTORS, LegalForm, OrgRole, RelatedFirm


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
    accounts_end_on = forms.DateField(
        label="Last day of that accounting year",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="With it your size class changes only after two years above or below a limit, as the law says.",
    )
    legal_form = forms.ChoiceField(label="Legal form", choices=[("", "Choose …"), *LegalForm.choices], required=False)
    region = forms.CharField(
        label="Region",
        required=False,
        max_length=80,
        help_text="Its name or ISO 3166-2 code, for example DE-BY. Programmes report success by it; small counts stay hidden.",
    )
    sector = forms.ChoiceField(label="Sector", choices=[("", "Choose …"), *SECTORS], required=False)
    founded_on = forms.DateField(label="Founded on", required=False, widget=forms.DateInput(attrs={"type": "date"}))


class ChangeForm(OrganisationForm):
    """The facts anew, with what proves them."""

    evidence = forms.CharField(
        label="What proves the change?",
        required=False,
        max_length=500,
        help_text="For example: annual accounts 2025, page 12, or the address of the registry's page. Officers look at it.",
    )


class RelatedFirmForm(forms.Form):
    """A firm that holds a part of the enterprise, or is held by it."""

    name = forms.CharField(label="Name of the firm", max_length=160)
    direction = forms.ChoiceField(
        label="Which way?",
        choices=[("holder", "It holds a part of us"), ("held", "We hold a part of it")],
        widget=forms.RadioSelect,
        initial="holder",
    )
    share_percent = forms.DecimalField(
        label="Share in per cent",
        max_digits=5,
        decimal_places=2,
        min_value=Decimal("0.01"),
        max_value=100,
        help_text="Of capital or votes, the larger. Below 25 it does not count; above 50 all of the firm counts.",
    )
    through = forms.ChoiceField(
        label="Of whom?",
        required=False,
        help_text="Choose a firm when it holds, or is held by, that firm and not yours.",
    )
    since = forms.DateField(
        label="Since", required=False, widget=forms.DateInput(attrs={"type": "date"}), help_text="Empty when it was always so."
    )
    dominant = forms.BooleanField(label="One controls the other, whatever the share", required=False)
    public_body = forms.BooleanField(label="It is a public body", required=False)
    exempt = forms.BooleanField(
        label="It is a university, an investor or a small town, and controls nothing",
        required=False,
        help_text="Then a share of up to half does not count (Article 3(2)), unless several of them are linked to each other.",
    )
    headcount = forms.IntegerField(label="People it employs", min_value=0, max_value=10_000_000)
    turnover_eur = forms.IntegerField(label="Its turnover last year, in euro", min_value=0, max_value=10**14)
    balance_sheet_eur = forms.IntegerField(
        label="Its balance sheet total, in euro", min_value=0, max_value=10**14, required=False
    )
    evidence = forms.CharField(label="What proves it?", required=False, max_length=500)
    field_order = ["name", "direction", "through", "share_percent", "since"]

    def __init__(self, *args: Any, firms: Iterable[RelatedFirm] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "Of our enterprise"), *((str(firm.pk), f"Of {firm.name}") for firm in firms)]
        self.fields["through"].choices = choices  # type: ignore[attr-defined]

    def clean_through(self) -> int | None:
        return int(self.cleaned_data["through"]) if self.cleaned_data["through"] else None


class YearForm(forms.Form):
    """An accounting year before the newest one."""

    ends_on = forms.DateField(label="Last day of the year", widget=forms.DateInput(attrs={"type": "date"}))
    headcount = forms.IntegerField(label="People employed", min_value=0, max_value=10_000_000)
    turnover_eur = forms.IntegerField(label="Turnover, in euro", min_value=0, max_value=10**14)
    balance_sheet_eur = forms.IntegerField(label="Balance sheet total, in euro", min_value=0, max_value=10**14, required=False)
    with_related = forms.BooleanField(
        label="The firms named above belonged to us then, too",
        required=False,
        initial=True,
        help_text="Their figures are added.",
    )
    evidence = forms.CharField(label="What proves it?", required=False, max_length=500)


class SubsidyForm(forms.Form):
    """A subsidy received elsewhere."""

    granted_on = forms.DateField(label="Granted on", widget=forms.DateInput(attrs={"type": "date"}))
    amount_eur = forms.IntegerField(label="Amount in euro", min_value=1, max_value=10**14)
    granted_by = forms.CharField(label="Granted by", max_length=160)
    purpose = forms.CharField(label="What for", required=False, max_length=200)
    evidence = forms.CharField(label="What proves it?", required=False, max_length=500)


class VerifyForm(forms.Form):
    """What the officer looked at."""

    note = forms.CharField(label="What did you look at?", max_length=500)


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
