from __future__ import annotations

from django import forms

LIVES = [("7", "a week"), ("30", "a month"), ("90", "three months"), ("365", "a year")]


class TokenForm(forms.Form):
    """A new token."""

    use_required_attribute = False
    name = forms.CharField(label="What is it for?", max_length=80, help_text="For example “weekly figures from the office”.")
    days = forms.TypedChoiceField(label="It lives for", choices=LIVES, coerce=int, initial="90")
    reads_only = forms.BooleanField(
        label="It only reads",
        required=False,
        help_text="It fetches; it changes, starts and spends nothing.",
    )
