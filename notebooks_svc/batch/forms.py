from __future__ import annotations

from typing import Any

from django import forms

from allocations.projects.models import AllocationResource
from portal.accounts.models import User
from portal.core.quantities import BadQuantity, credits_parse


class OpenForm(forms.Form):
    """How much to set aside, where, for whom. `id` is made with the form, so that a double click opens once."""

    id = forms.CharField(widget=forms.HiddenInput)
    resource = forms.ChoiceField(label="Where")
    credits = forms.CharField(
        label="Credits to set aside", max_length=30, help_text="The most your jobs can cost. What is not used returns."
    )
    people = forms.MultipleChoiceField(
        label="Who submits the jobs", widget=forms.CheckboxSelectMultiple, help_text="Each with their own account at the site."
    )

    def __init__(self, *args: Any, resources: list[AllocationResource], people: list[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["resource"].choices = [(row.resource.slug, row.resource.name) for row in resources]  # type: ignore[attr-defined]
        self.fields["people"].choices = [(person.email, str(person)) for person in people]  # type: ignore[attr-defined]
        if len(people) < 2:
            del self.fields["people"]
        self.fields["credits"].widget.attrs["inputmode"] = "decimal"

    def clean_credits(self) -> int:
        """Micro-credits."""
        try:
            return credits_parse(self.cleaned_data["credits"].replace(",", "."))
        except BadQuantity as wrong:
            raise forms.ValidationError(str(wrong)) from wrong


class CloseForm(forms.Form):
    """What becomes of jobs that run."""

    running = forms.ChoiceField(
        label="Jobs that run now",
        widget=forms.RadioSelect,
        choices=[("finish", "may finish, paid from what is set aside"), ("cancel", "are cancelled, and paid to that second")],
        initial="finish",
    )
