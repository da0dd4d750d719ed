from __future__ import annotations

from typing import Any

from django import forms

from portal.organisations.forms import country_choices
from portal.organisations.models import Organisation

from .handing_in import PERSONAL_QUESTIONS
from .states import CLASS_BADGES, AccessClass

LICENCES = [
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "ODbL-1.0",
    "ODC-By-1.0",
    "PDDL-1.0",
    "LicenseRef-own-terms",
]
YES_NO = [("yes", "Yes"), ("no", "No")]


class WordsField(forms.CharField):
    """Words with commas between, as a list."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [word.strip() for word in (super().to_python(value) or "").split(",") if word.strip()]


class DatasetForm(forms.Form):
    """What a dataset says of itself."""

    title = forms.CharField(label="Title", max_length=160)
    summary = forms.CharField(label="In one sentence", max_length=300, help_text="What it is, and what for.")
    commercial_use = forms.TypedChoiceField(
        label="May other enterprises use it to earn money?",
        choices=YES_NO,
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
        help_text="The page says this first.",
    )
    commercial_note = forms.CharField(label="Under which condition", required=False, max_length=200)
    licence = forms.ChoiceField(label="Licence", choices=[(name, name.removeprefix("LicenseRef-")) for name in LICENCES])
    access_class = forms.ChoiceField(
        label="Who may read it", choices=[(c, CLASS_BADGES[c].label) for c in AccessClass], widget=forms.RadioSelect
    )
    terms = forms.CharField(
        label="Terms",
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="What readers accept. Needed unless it is open. A changed text gets a new number.",
    )
    domain = forms.CharField(label="Domain", max_length=60, help_text="For example Climate, Energy, Images, Language.")
    keywords = WordsField(label="Keywords", required=False, help_text="With commas between.")
    country = forms.ChoiceField(label="Country it was collected in", required=False, choices=country_choices)
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 6}))
    source = forms.CharField(
        label="Where it comes from",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="And what you did to it.",
    )
    source_url = forms.URLField(label="Web address of the source", required=False, max_length=300, assume_scheme="https")
    citation = forms.CharField(label="How to cite it", required=False, widget=forms.Textarea(attrs={"rows": 2}))
    duo_codes = WordsField(label="Data use codes (DUO)", required=False, help_text="With commas between, for example GRU, TS.")
    preview_public = forms.BooleanField(label="Show the first rows and figures of the columns to everybody", required=False)
    needs_agreement = forms.BooleanField(label="A request needs a signed agreement", required=False)
    agreement_text = forms.CharField(label="The agreement to sign", required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def clean(self) -> dict[str, Any]:
        """Terms belong to what is not open."""
        said = super().clean() or {}
        if said.get("access_class") not in (None, AccessClass.OPEN) and not said.get("terms", "").strip():
            self.add_error("terms", "Write what readers accept, or make it open.")
        return said


class OfferForm(DatasetForm):
    """A new dataset: also whose, and its short name."""

    organisation = forms.ChoiceField(label="Whose it is")
    slug = forms.CharField(
        label="Short name",
        max_length=60,
        help_text="Lower-case letters, digits and dashes. It stands in commons://short-name/… and stays.",
    )
    croissant = forms.FileField(
        label="Or fill in from a Croissant file", required=False, help_text="JSON-LD. Press “Fill in”; then check and save."
    )
    field_order = ("organisation", "croissant", "slug")

    def __init__(self, *args: Any, organisations: list[Organisation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["organisation"].choices = [(str(o.pk), o.name) for o in organisations]  # type: ignore[attr-defined]


class VersionForm(forms.Form):
    """A new version."""

    name = forms.CharField(label="Name of the version", max_length=20, help_text="For example 1 or 2026-03.")
    notes = forms.CharField(label="What is new", required=False, widget=forms.Textarea(attrs={"rows": 2}), max_length=4000)


class FileForm(forms.Form):
    """A file sent through the portal, for browsers without JavaScript."""

    path = forms.CharField(label="Name in the dataset", required=False, max_length=500, help_text="Left empty: its own name.")
    file = forms.FileField(label="File")


class PersonalForm(forms.Form):
    """The questionnaire on personal data, answered with each version."""

    note = forms.CharField(label="Anything the reviewer should know", required=False, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, question in PERSONAL_QUESTIONS:
            self.fields[name] = forms.ChoiceField(
                label=question, choices=YES_NO, widget=forms.RadioSelect, required=name == "people"
            )
        self.order_fields([*[name for name, _ in PERSONAL_QUESTIONS], "note"])


class ReviewForm(forms.Form):
    """Publish or return."""

    outcome = forms.ChoiceField(
        label="Decision", choices=[("publish", "Publish"), ("return", "Return to the contributor")], widget=forms.RadioSelect
    )
    note = forms.CharField(
        label="Note",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The contributor reads it. Returning needs one.",
    )


class WithdrawForm(forms.Form):
    """Why something is withdrawn."""

    reason = forms.CharField(label="Why", widget=forms.Textarea(attrs={"rows": 2}), max_length=2000)
