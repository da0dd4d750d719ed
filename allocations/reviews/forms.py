from __future__ import annotations

from typing import Any

from django import forms

from allocations.calls.document import Criterion
from portal.core.quantities import BadQuantity, credits_parse, credits_text

from .models import Review
from .pool import LOAD_DEFAULT, SECTOR_WORDS, Candidate
from .states import CONFLICT_WORDS


class AssignForm(forms.Form):
    """Whom to ask."""

    def __init__(self, people: list[Candidate], wanted: int, data: Any = None) -> None:
        super().__init__(data)
        choices = [(str(one.person.pk), one.label) for one in people]
        self.fields["reviewers"] = forms.MultipleChoiceField(
            label="Reviewers", choices=choices, widget=forms.CheckboxSelectMultiple, help_text=f"This call wants {wanted}."
        )


class ConflictForm(forms.Form):
    """Nothing stands in the way, or what does."""

    has_conflict = forms.ChoiceField(
        label="Does anything stand between you and this enterprise?",
        choices=[("no", "No, nothing. I can judge it freely."), ("yes", "Yes")],
        widget=forms.RadioSelect,
    )
    kind = forms.ChoiceField(label="If yes, what?", choices=[("", "Choose …"), *CONFLICT_WORDS.items()], required=False)
    note = forms.CharField(label="Anything to add", required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))


class ReviewForm(forms.Form):
    """A score and a reason for each criterion."""

    use_required_attribute = False

    def __init__(self, review: Review, data: Any = None) -> None:
        super().__init__(data)
        rules = review.application.version.rules.review
        self.criteria: list[Criterion] = rules.criteria if rules else []
        for criterion in self.criteria:
            kept = review.scores.get(criterion.key) or {}
            score, reason = _criterion_fields(criterion)
            score.initial, reason.initial = kept.get("score"), kept.get("reason", "")
            self.fields[f"score-{criterion.key}"], self.fields[f"reason-{criterion.key}"] = score, reason
        asked = credits_text(review.application.requested_credits or 0)
        self.fields["recommended"] = forms.CharField(
            label="How many credits would you give?",
            help_text=f"{asked} were asked for. 0 means none.",
            required=False,
            initial="" if review.recommended_credits is None else credits_text(review.recommended_credits),
            widget=forms.TextInput(attrs={"inputmode": "decimal"}),
        )
        self.fields["comment"] = forms.CharField(
            label="A word to the officer alone",
            required=False,
            initial=review.comment,
            max_length=5000,
            widget=forms.Textarea(attrs={"rows": 2}),
        )

    def clean_recommended(self) -> int | None:
        try:
            return recommended_read(self.cleaned_data["recommended"])
        except BadQuantity as wrong:
            raise forms.ValidationError(str(wrong)) from None

    def scores(self) -> dict[str, dict[str, Any]]:
        """What stands in the form, right or wrong, as services take it."""
        return {
            c.key: {"score": self.data.get(f"score-{c.key}"), "reason": self.data.get(f"reason-{c.key}", "")}
            for c in self.criteria
        }


def recommended_read(given: Any) -> int | None:
    """
    Recommended credits in micro-credits; 0 is allowed, nothing given is None.

    :raises BadQuantity: it cannot be read
    """
    text = str(given if given is not None else "").strip()
    if not text:
        return None
    return 0 if text in ("0", "0.0", "0.00") else credits_parse(text)


def _criterion_fields(criterion: Criterion) -> tuple[forms.Field, forms.Field]:
    choices = [
        (str(n), f"{n}{' · ' + criterion.anchors[n] if n in criterion.anchors else ''}") for n in range(criterion.score_max + 1)
    ]
    score = forms.ChoiceField(
        label=criterion.title, help_text=f"Weight {criterion.weight}.", choices=choices, widget=forms.RadioSelect
    )
    reason = forms.CharField(
        label=f"Why this score for {criterion.title.lower()}?",
        help_text="The applicant reads it, without your name.",
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=5000,
    )
    return score, reason


class ReopenForm(forms.Form):
    """Why a review is opened again."""

    reason = forms.CharField(label="Why is it opened again?", max_length=1000)


class ProfileForm(forms.Form):
    """What a reviewer knows, and how much they take on."""

    sectors = forms.MultipleChoiceField(
        label="Sectors you know",
        choices=list(SECTOR_WORDS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    words = forms.CharField(
        label="What else you know", required=False, max_length=300, help_text="For example: time series, language models."
    )
    load_max = forms.IntegerField(
        label="At most so many reviews at once", min_value=0, max_value=50, initial=LOAD_DEFAULT, help_text="0 for none."
    )
    away_until = forms.DateField(label="Away until", required=False, widget=forms.DateInput(attrs={"type": "date"}))
