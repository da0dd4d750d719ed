from __future__ import annotations

from typing import Any

from django import forms

from allocations.projects.models import Allocation

# The questions of a request, under the headings of the Five Safes.
QUESTIONS = [
    ("people", "Who will work with it?", "Names or roles, and who answers for them."),
    ("data", "Which part do you need?", "All of it, or some files, columns or years."),
    ("outputs", "What will leave the service?", "For example a model, figures, a report."),
]


class AllocationForm(forms.Form):
    """For which project."""

    allocation = forms.ChoiceField(label="For which project")

    def __init__(self, *args: Any, allocations: list[Allocation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["allocation"].choices = [(a.code, f"{a.title} ({a.code})") for a in allocations]  # type: ignore[attr-defined]
        if len(allocations) == 1:
            self.fields["allocation"].widget = forms.HiddenInput()
            self.initial.setdefault("allocation", allocations[0].code)


class AcceptForm(AllocationForm):
    """Accept the terms, of the number that is on the page."""

    terms = forms.IntegerField(widget=forms.HiddenInput)


class RequestForm(AllocationForm):
    """Ask for a controlled dataset."""

    purpose = forms.CharField(
        label="What do you want to do with it?",
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=4000,
        help_text="Two or three sentences. The steward decides on this.",
    )
    until = forms.DateField(
        label="Until when do you need it?",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Left empty: until the project ends.",
    )
    terms = forms.IntegerField(widget=forms.HiddenInput, required=False)
    accept = forms.BooleanField(label="We accept the terms above.")

    def __init__(self, *args: Any, with_terms: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label, help_text in QUESTIONS:
            self.fields[f"q_{name}"] = forms.CharField(label=label, help_text=help_text, required=False, max_length=2000)
        self.order_fields(["allocation", "purpose", *[f"q_{name}" for name, _, _ in QUESTIONS], "until", "accept"])
        if not with_terms:
            del self.fields["accept"], self.fields["terms"]

    def answers(self) -> dict[str, str]:
        """The answers by question."""
        return {name: self.cleaned_data[f"q_{name}"] for name, _, _ in QUESTIONS if self.cleaned_data.get(f"q_{name}")}


class DecisionForm(forms.Form):
    """Grant or refuse."""

    outcome = forms.ChoiceField(
        label="Decision", choices=[("grant", "Grant"), ("reject", "Refuse")], widget=forms.RadioSelect, initial="grant"
    )
    reason = forms.CharField(
        label="Reason",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=4000,
        help_text="The applicant reads it. A refusal needs one.",
    )
    until = forms.DateField(
        label="Until",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Left empty: as asked, at most until the project ends.",
    )


class RevokeForm(forms.Form):
    """End a grant."""

    reason = forms.CharField(
        label="Why does it end?",
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=4000,
        help_text="The project's people read it. Running notebooks are denied at their next read.",
    )
