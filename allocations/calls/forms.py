from __future__ import annotations

from django import forms

from portal.organisations.forms import country_choices


class CheckForm(forms.Form):
    """Three facts that tell most of it, before anybody signs in."""

    country = forms.ChoiceField(label="Country where your enterprise is registered", choices=country_choices)
    headcount = forms.IntegerField(label="People employed", min_value=0, max_value=10_000_000)
    turnover_eur = forms.IntegerField(label="Turnover last year, in euro", min_value=0, max_value=10**14)
    balance_sheet_eur = forms.IntegerField(label="Balance sheet total, in euro", min_value=0, max_value=10**14, required=False)
