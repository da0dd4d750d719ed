from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from django import forms

from portal.accounts.models import User
from portal.core.quantities import BadQuantity, credits_parse

from . import reclaim
from .giving import BY_OFFICER, Kind
from .models import Allocation


def once() -> str:
    """A token made with a form, so that a double click happens once."""
    return secrets.token_hex(10)


class CreditsField(forms.CharField):
    """Credits as people write them; cleaned to micro-credits."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return credits_parse(text)
        except BadQuantity as wrong:
            raise forms.ValidationError(str(wrong)) from None


class ReasonForm(forms.Form):
    """Why; the enterprise reads it."""

    reason = forms.CharField(
        label="Reason",
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=1000,
        help_text="It stands on the statement and in the letter.",
    )


class AmountForm(ReasonForm):
    """How many credits, and why."""

    once = forms.RegexField(r"^[0-9a-f]{20}$", widget=forms.HiddenInput, initial=once)
    amount = CreditsField(label="Credits", help_text="For example 100 or 12.5.")
    field_order = ["amount", "reason", "once"]


class GrantForm(AmountForm):
    """How many credits more, as what, and why."""

    kind = forms.ChoiceField(
        label="Given as",
        choices=[(str(kind), words) for kind, words in BY_OFFICER.items()],
        initial=str(Kind.SUPPLEMENT),
        required=False,
        help_text="The rules of its call know limits for each. A top-up counts as one of the team's.",
    )
    field_order = ["amount", "kind", "reason", "once"]

    def clean_kind(self) -> str:
        return self.cleaned_data["kind"] or str(Kind.SUPPLEMENT)


class ExtendForm(ReasonForm):
    """Until when, and why."""

    ends_on = forms.DateField(label="New last day", widget=forms.DateInput(attrs={"type": "date"}))
    field_order = ["ends_on", "reason"]


class TransferForm(AmountForm):
    """How many credits, to which other allocation, and why."""

    to = forms.ChoiceField(label="To")
    field_order = ["to", "amount", "reason", "once"]

    def __init__(self, *args: Any, others: Iterable[Allocation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].choices = [(other.code, str(other)) for other in others]  # type: ignore[attr-defined]


class ReclaimForm(ReasonForm):
    """How many idle credits return, after how many days' notice, and why."""

    amount = CreditsField(label="Credits that return")
    days = forms.IntegerField(
        label="Days of notice", initial=reclaim.NOTICE_DAYS, min_value=reclaim.NOTICE_DAYS_MIN, max_value=90
    )
    field_order = ["amount", "days", "reason"]


class MoreForm(forms.Form):
    """What more credits are for."""

    message = forms.CharField(
        label="What you need them for",
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=2000,
        required=False,
        help_text="One sentence helps the officer decide sooner.",
    )


class ReadersForm(forms.Form):
    """Who is told how far credits and time are used."""

    readers = forms.MultipleChoiceField(
        label="People",
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="At 50, 80, 95 and 100 %, once each. Nobody ticked means the owners and managers.",
    )

    def __init__(self, *args: Any, people: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["readers"].choices = [(str(person.pk), str(person)) for person in people]  # type: ignore[attr-defined]
