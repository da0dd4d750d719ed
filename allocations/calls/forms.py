from __future__ import annotations

from decimal import Decimal

from django import forms

from portal.organisations.forms import country_choices
from portal.organisations.models import LegalForm

from .estimator import PEAK_WORDS


class CheckForm(forms.Form):
    """A few facts that tell most of it, before anybody signs in."""

    country = forms.ChoiceField(label="Country where your enterprise is registered", choices=country_choices)
    headcount = forms.IntegerField(label="People employed", min_value=0, max_value=10_000_000)
    turnover_eur = forms.IntegerField(label="Turnover last year, in euro", min_value=0, max_value=10**14)
    balance_sheet_eur = forms.IntegerField(label="Balance sheet total, in euro", min_value=0, max_value=10**14, required=False)
    legal_form = forms.ChoiceField(label="Legal form", choices=[("", "Not said"), *LegalForm.choices], required=False)
    founded_on = forms.DateField(label="Founded on", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    subsidies_eur = forms.IntegerField(
        label="Subsidies received in three years, in euro", min_value=0, max_value=10**14, required=False
    )


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


class RunsForm(forms.Form):
    """From runs one has done before."""

    prefix = "runs"
    use_required_attribute = False
    runs = forms.IntegerField(label="How many runs?", min_value=1, max_value=100_000, initial=20)
    hours_each = forms.DecimalField(
        label="Hours for one run", min_value=Decimal("0.01"), max_value=10_000, decimal_places=2, initial=Decimal(2)
    )
    devices = forms.IntegerField(label="GPUs or cores at once", min_value=1, max_value=10_000, initial=1)
    overhead_percent = forms.IntegerField(
        label="Per cent on top for what goes wrong", min_value=0, max_value=300, initial=25, help_text="20 to 30 is usual."
    )
    credits_hour = forms.DecimalField(
        label="Credits for an hour of one",
        min_value=Decimal("0.000001"),
        max_value=100_000,
        decimal_places=6,
        initial=Decimal(6),
        help_text="An hour on the small size costs about 6; a call that speaks in GPU-hours says what one is worth.",
    )


class ModelForm(forms.Form):
    """From a model's size and the text it sees."""

    prefix = "model"
    use_required_attribute = False
    task = forms.ChoiceField(
        label="What will you do?",
        choices=[("train", "Train from the start"), ("tune", "Fine-tune all parameters"), ("infer", "Use a model")],
    )
    parameters_billion = forms.DecimalField(
        label="Parameters, in billions", min_value=Decimal("0.0001"), max_value=100_000, initial=Decimal(7)
    )
    tokens_billion = forms.DecimalField(
        label="Tokens it sees, in billions", min_value=Decimal("0.0001"), max_value=1_000_000, initial=Decimal(1)
    )
    device = forms.ChoiceField(label="On which GPU?", choices=list(PEAK_WORDS.items()), initial="a100")
    used_percent = forms.IntegerField(
        label="Per cent of its peak you reach", min_value=1, max_value=100, initial=35, help_text="30 to 40 is good."
    )
    overhead_percent = forms.IntegerField(label="Per cent on top for what goes wrong", min_value=0, max_value=300, initial=25)
    credits_hour = forms.DecimalField(
        label="Credits for a GPU-hour", min_value=Decimal("0.000001"), max_value=100_000, decimal_places=6, initial=Decimal(60)
    )
