from __future__ import annotations

from typing import Any

from django import forms

from allocations.applications.models import Application
from portal.core.quantities import BadQuantity, credits_parse, credits_text


class DecideForm(forms.Form):
    """Award or reject, with a reason that is never blank."""

    use_required_attribute = False

    outcome = forms.ChoiceField(label="Decision", choices=[("award", "Award"), ("reject", "Reject")], widget=forms.RadioSelect)

    def __init__(self, application: Application, data: Any = None) -> None:
        super().__init__(data)
        asked = application.requested_credits or 0
        awarding = not (data and data.get("outcome") == "reject")
        self.fields["credits"] = forms.CharField(
            label="Credits",
            required=awarding,
            initial=credits_text(asked) if asked else "",
            help_text=f"{credits_text(asked)} were asked for.",
            widget=forms.TextInput(attrs={"inputmode": "decimal"}),
        )
        self.fields["months"] = forms.IntegerField(
            label="Months", required=awarding, min_value=1, max_value=60, initial=application.requested_months
        )
        self._several(
            "resources",
            "Machines",
            application.version.rules.amounts.resources,
            application.requested_resources,
            required=awarding,
        )
        if application.requested_datasets:
            self._several("datasets", "Datasets", application.requested_datasets, application.requested_datasets)
        self.fields["reason"] = forms.CharField(
            label="Reason",
            max_length=10_000,
            widget=forms.Textarea(attrs={"rows": 5}),
            help_text="The applicant reads exactly this. If you give less than was asked for, say why.",
        )
        self.fields["hold"] = forms.BooleanField(
            label="Hold it: publish later, together with the others of its call", required=False
        )

    def _several(self, name: str, label: str, offered: list[str], chosen: list[str], *, required: bool = False) -> None:
        self.fields[name] = forms.MultipleChoiceField(
            label=label,
            required=required,
            choices=[(one, one) for one in offered],
            initial=chosen,
            widget=forms.CheckboxSelectMultiple,
        )

    def clean_credits(self) -> int:
        if self.data.get("outcome") == "reject":
            return 0
        try:
            return credits_parse(self.cleaned_data["credits"])
        except BadQuantity as wrong:
            raise forms.ValidationError(str(wrong)) from None


class AppealForm(forms.Form):
    """What should be looked at again."""

    text = forms.CharField(label="What should be looked at again?", max_length=10_000, widget=forms.Textarea(attrs={"rows": 4}))


class AppealAnswerForm(forms.Form):
    """Look again, or not, with a reason."""

    accepted = forms.ChoiceField(
        label="Your answer",
        choices=[("yes", "Accept: other people look at it again"), ("no", "Dismiss: the decision stands")],
        widget=forms.RadioSelect,
    )
    answer = forms.CharField(
        label="Reason",
        help_text="The applicant reads exactly this.",
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
