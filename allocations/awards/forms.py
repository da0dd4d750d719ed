from __future__ import annotations

from typing import Any

from django import forms

from allocations.applications.models import Application
from portal.core.quantities import BadQuantity, credits_parse, credits_text
from portal.web.widgets import ReadyWords

from .reasons import APPEAL, AWARD, REJECT, Ready, award_reasons, reject_reasons


def _reason_field(label: str, ready: Ready, *, required: bool = True) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=10_000,
        initial=ready[0][1],
        widget=ReadyWords(ready),
        help_text="The applicant reads it. {score}, {asked} and {awarded} become the application's figures.",
    )


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
        self.fields["reason"] = _reason_field("Reason for the award", award_reasons(application), required=awarding)
        rejecting = reject_reasons(application)
        self.fields["reason_reject"] = _reason_field("Reason for the rejection", rejecting, required=not awarding)
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

    def clean(self) -> dict[str, Any]:
        """Nothing to be checked across fields but which of the two reasons counts."""
        given = super().clean() or self.cleaned_data
        if given.get("outcome") == "reject":
            given["reason"] = given.get("reason_reject", "")
        return given

    def clean_credits(self) -> int:
        if self.data.get("outcome") == "reject":
            return 0
        try:
            return credits_parse(self.cleaned_data["credits"])
        except BadQuantity as wrong:
            raise forms.ValidationError(str(wrong)) from None


class PanelReasonsForm(forms.Form):
    """Why those that are ticked are awarded, or rejected."""

    use_required_attribute = False
    reason = _reason_field("Reason, if they are awarded", AWARD)
    reason_reject = _reason_field("Reason, if they are rejected", REJECT)


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
        widget=ReadyWords(APPEAL),
    )
