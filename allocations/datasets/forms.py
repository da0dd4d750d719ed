from __future__ import annotations

from typing import Any

from django import forms

from allocations.projects.models import Allocation

from .duo import USES
from .models import Agreement, Dataset

# The questions of a request, under the headings of the Five Safes; the purpose is the first, the project.
PURPOSE = "What do you want to do with it?"
QUESTIONS = [
    ("people", "Who will work with it?", "Names or roles, and who answers for them."),
    ("settings", "Where will you work with it?", "In notebooks here alone, or will some of it be downloaded, and to where?"),
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
        label=PURPOSE,
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
    use = forms.ChoiceField(label="What kind of use is it?", choices=list(USES.items()))
    agreement = forms.ChoiceField(label="Signed agreement", required=False)
    upload = forms.FileField(
        label="Or a new one", required=False, help_text="PDF, PNG or JPEG, at most 10 MB. It is kept for later requests."
    )
    terms = forms.IntegerField(widget=forms.HiddenInput, required=False)
    accept = forms.BooleanField(label="We accept the terms above.")

    def __init__(
        self, *args: Any, with_terms: bool, agreements: list[Agreement] | None, with_codes: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, label, help_text in QUESTIONS:
            self.fields[f"q_{name}"] = forms.CharField(label=label, help_text=help_text, required=False, max_length=2000)
        questions = [f"q_{name}" for name, _, _ in QUESTIONS]
        self.order_fields(["allocation", "purpose", "use", *questions, "until", "agreement", "upload", "accept"])
        if agreements is None:
            del self.fields["agreement"], self.fields["upload"]
        else:
            choices = [("", "none yet"), *[(str(a.pk), f"{a.title}, {a.uploaded_at:%Y-%m-%d}") for a in agreements]]
            self.fields["agreement"].choices = choices  # type: ignore[attr-defined]
        if not with_codes:
            del self.fields["use"]
        if not with_terms:
            del self.fields["accept"], self.fields["terms"]

    def answers(self) -> dict[str, str]:
        """The answers by question."""
        said = {name: self.cleaned_data[f"q_{name}"] for name, _, _ in QUESTIONS if self.cleaned_data.get(f"q_{name}")}
        return {**said, "use": self.cleaned_data["use"]} if self.cleaned_data.get("use") else said


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


class BulkForm(forms.Form):
    """The same decision for every ticked request."""

    outcome = forms.ChoiceField(label="Decide all ticked", choices=[("grant", "Grant"), ("reject", "Refuse")])
    reason = forms.CharField(
        label="Reason",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        max_length=4000,
        help_text="Each applicant reads it.",
    )


class DelegateForm(forms.Form):
    """Who decides too, until when."""

    dataset = forms.ChoiceField(label="Dataset")
    email = forms.EmailField(label="E-mail address of another data steward", required=False, help_text="Left empty: nobody.")
    until = forms.DateField(label="Until", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, datasets: list[Dataset], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].choices = [("", "all of mine"), *[(d.slug, d.title) for d in datasets]]  # type: ignore[attr-defined]
        self.fields["dataset"].required = False


class RevokeForm(forms.Form):
    """End a grant."""

    reason = forms.CharField(
        label="Why does it end?",
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=4000,
        help_text="The project's people read it. Running notebooks are denied at their next read.",
    )
