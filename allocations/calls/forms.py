from __future__ import annotations

from decimal import Decimal

from django import forms

from portal.organisations.forms import country_choices


class CheckForm(forms.Form):
    """Three facts that tell most of it, before anybody signs in."""

    country = forms.ChoiceField(label="Country where your enterprise is registered", choices=country_choices)
    headcount = forms.IntegerField(label="People employed", min_value=0, max_value=10_000_000)
    turnover_eur = forms.IntegerField(label="Turnover last year, in euro", min_value=0, max_value=10**14)
    balance_sheet_eur = forms.IntegerField(label="Balance sheet total, in euro", min_value=0, max_value=10**14, required=False)


class BeginForm(forms.Form):
    """A new call: from a programme's rules or from an empty page."""

    slug = forms.RegexField(
        r"^[a-z0-9]+(-[a-z0-9]+)*$",
        label="Short name",
        max_length=60,
        help_text="Small letters, numbers and hyphens; it stands in the address and never changes. For example build-2027.",
        error_messages={"invalid": "Write small letters, numbers and hyphens, for example build-2027."},
    )
    pool = forms.CharField(label="Pool the awards are paid from", max_length=60)
    credits_each = forms.DecimalField(
        label="Credits for one unit",
        initial=Decimal(1),
        min_value=Decimal("0.000001"),
        max_digits=15,
        decimal_places=6,
        help_text="Where the preset speaks in GPU-hours: what one of them is worth here.",
    )

    def __init__(
        self, pools: list[str], resources: list[tuple[str, str]], presets: list[tuple[str, str]], data: object
    ) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.fields["preset"] = forms.ChoiceField(label="Begin from", choices=[("", "An empty page"), *presets], required=False)
        self.fields["pool"] = forms.ChoiceField(label="Pool the awards are paid from", choices=[(one, one) for one in pools])
        self.fields["resources"] = forms.MultipleChoiceField(
            label="Machines", choices=resources, widget=forms.CheckboxSelectMultiple
        )
        self.order_fields(["preset", "slug", "pool", "resources", "credits_each"])


class PublishForm(forms.Form):
    """Why the rules change."""

    reason = forms.CharField(
        label="Why do the rules change?", max_length=300, help_text="It is published with the version, beside what changed."
    )
    revision = forms.IntegerField(widget=forms.HiddenInput)


class PauseForm(forms.Form):
    """Why a call is paused."""

    reason = forms.CharField(label="Why is it paused?", max_length=300, help_text="It stands on the call's page.")
