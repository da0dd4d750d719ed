from __future__ import annotations

from typing import Any

from django import forms

from allocations.catalogue.models import Profile, Site
from allocations.datasets.models import Dataset
from allocations.projects.models import AllocationResource

LENGTHS = [(30, "30 minutes"), (60, "1 hour"), (120, "2 hours"), (240, "4 hours"), (480, "8 hours")]


class LaunchForm(forms.Form):
    """What to launch. `id` is made with the form, so that a double click launches once."""

    id = forms.CharField(widget=forms.HiddenInput)
    allocation = forms.CharField(widget=forms.HiddenInput)
    resource = forms.ChoiceField(label="Where")
    profile = forms.ChoiceField(label="Size", widget=forms.RadioSelect)
    minutes = forms.TypedChoiceField(label="For how long", coerce=int, choices=LENGTHS, initial=120)

    datasets = forms.MultipleChoiceField(
        label="Data in reach",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Untick what this notebook does not need.",
    )

    def __init__(
        self,
        *args: Any,
        resources: list[AllocationResource],
        profiles: list[Profile],
        datasets: list[Dataset],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["datasets"].choices = [(d.slug, d.title) for d in datasets]  # type: ignore[attr-defined]
        if not datasets:
            del self.fields["datasets"]
        self.fields["resource"].choices = [(row.resource.slug, row.resource.name) for row in resources]  # type: ignore[attr-defined]
        self.fields["profile"].choices = [  # type: ignore[attr-defined]
            (p.slug, f"{p.name}: {p.cores} core{'s' * (p.cores != 1)}, {p.memory_gib} GiB. {p.summary}") for p in profiles
        ]

    def clean_datasets(self) -> list[str] | None:
        """All of them ticked is no narrowing: what is granted during the session is then in reach too."""
        chosen = self.cleaned_data["datasets"]
        offered = [slug for slug, _ in self.fields["datasets"].choices]  # type: ignore[attr-defined]
        return None if set(chosen) == set(offered) else chosen


class ExtendForm(forms.Form):
    """How many minutes more."""

    minutes = forms.TypedChoiceField(label="Add", coerce=int, choices=LENGTHS, initial=60)


class OutageForm(forms.Form):
    """Which site was not of use, from when to when, and why. `shown` says which preview the person had before them."""

    use_required_attribute = False
    site = forms.ModelChoiceField(label="Site", queryset=Site.objects.order_by("slug"), empty_label=None)
    begin = forms.DateTimeField(
        label="From", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    )
    end = forms.DateTimeField(label="To", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"))
    reason = forms.CharField(
        label="What happened?",
        max_length=300,
        help_text="For example “cooling failed”. It stands on every statement it touches.",
    )
    shown = forms.CharField(widget=forms.HiddenInput, required=False, max_length=200)
