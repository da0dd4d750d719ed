"""The pages of the wizard, made from the call's own questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from allocations.calls.answers import LONG_TEXT_MAX, WrongAnswer, answer_read, questions, shown
from allocations.calls.document import CallDocument, Question
from allocations.calls.findings import plain
from allocations.catalogue.models import Resource
from allocations.datasets.selectors import dataset_choices
from portal.core.quantities import credits_text
from portal.web.widgets import ReadyWords

from .asking import CREDITS, DATASETS, MONTHS, RESOURCES, UNIT, asked_read
from .models import Application
from .ready import RETURN

FEW = 6  # up to so many choices are shown as buttons, more as a list
ACCESS_WORDS = {
    "open": "open to all",
    "registered": "you accept its terms after the award",
    "controlled": "its steward decides after the award",
}


@dataclass(frozen=True)
class Page:
    """One page of the wizard."""

    title: str
    questions: list[Question]
    asks: bool = False


def pages(rules: CallDocument) -> list[Page]:
    """The pages of a call: its questions by page, then what is asked for."""
    found: list[Page] = []
    for question in questions(rules):
        title = question.page if question.key != "title" else (rules.form[0].page if rules.form else "Your project")
        if not found or found[-1].title != title:
            found.append(Page(title, []))
        found[-1].questions.append(question)
    return [*found, Page("What you need", [], asks=True)]


class AnswerField(forms.Field):
    """A question as a form field: it takes exactly what `answer_read` takes."""

    def __init__(self, question: Question) -> None:
        self.question = question
        widget = _widget(question)
        if question.show_if:
            answers = [("yes" if one else "no") if isinstance(one, bool) else one for one in question.show_if.any_of]
            widget.attrs |= {"data-show-if": question.show_if.key, "data-show-if-any": " ".join(answers)}
        super().__init__(label=question.label, help_text=_help(question), required=question.required, widget=widget)

    def clean(self, value: Any) -> Any:
        try:
            answer = answer_read(self.question, value)
        except WrongAnswer as problem:
            raise ValidationError(str(problem)) from None
        if answer is None and self.required:
            raise ValidationError("Please answer this.")
        return answer


class AskField(forms.Field):
    """Credits, months, machines or datasets, checked against the call's amounts."""

    def __init__(self, rules: CallDocument, key: str, **options: Any) -> None:
        self.rules, self.key = rules, key
        super().__init__(**options)

    def clean(self, value: Any) -> Any:
        try:
            answer = asked_read(self.rules, self.key, value)
        except WrongAnswer as problem:
            raise ValidationError(str(problem)) from None
        if not answer and self.required:
            raise ValidationError("Please answer this.")
        return answer


class PageForm(forms.Form):
    """One page; what was written is kept whether it is right or wrong, and said to be wrong beside it."""

    use_required_attribute = False

    def __init__(self, page: Page, application: Application, data: Any = None) -> None:
        rules = application.version.rules
        super().__init__(data, initial=_initial(application))
        for question in page.questions:
            if question.show_if is None or shown(question, application.answers) or _same_page(page, question):
                self.fields[question.key] = AnswerField(question)
                self.fields[question.key].required &= not _same_page(page, question)
        if page.asks:
            self.fields.update(_asks(rules))

    def clean(self) -> dict[str, Any]:
        """A question that hangs on another of the same page is wanted only when that one was answered so."""
        for name, field in self.fields.items():
            question = field.question if isinstance(field, AnswerField) else None
            if question is None or question.show_if is None or not question.required:
                continue
            if self.cleaned_data.get(name, "") is None and shown(question, self.cleaned_data):
                self.add_error(name, "Please answer this.")
        return self.cleaned_data

    def written(self) -> dict[str, Any]:
        """
        What can be kept: right answers in their kind, wrong text as it was typed.

        Wrong credits, months and the like are not kept: they have columns of numbers.
        """
        found: dict[str, Any] = {}
        for name, field in self.fields.items():
            raw = field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))  # type: ignore[arg-type]
            if name in self.cleaned_data:
                found[name] = self.cleaned_data[name]
            elif isinstance(raw, str) and isinstance(field, AnswerField):
                found[name] = raw.replace("\x00", "")[:LONG_TEXT_MAX]
            elif isinstance(field, AnswerField) and not raw:
                found[name] = None
        return found


def _same_page(page: Page, question: Question) -> bool:
    return question.show_if is not None and question.show_if.key in {q.key for q in page.questions}


def _initial(application: Application) -> dict[str, Any]:
    found: dict[str, Any] = dict(application.answers)
    found = {key: ("yes" if value else "no") if isinstance(value, bool) else value for key, value in found.items()}
    asked = application.requested
    credits = asked[CREDITS]
    return {**found, **asked, CREDITS: credits_text(credits) if credits else ""}


def _help(question: Question) -> str:
    words = [question.help] if question.help else []
    if question.words_max:
        words.append(f"At most {question.words_max} words.")
    if question.show_if:
        words.append("Only where it applies.")
    return " ".join(words)


def _widget(question: Question) -> forms.Widget:
    if question.kind == "choice" and len(question.choices) > FEW:
        return forms.Select(choices=[("", "Choose …"), *question.choices])
    return WIDGETS[question.kind](question)


def _long_text(question: Question) -> forms.Widget:
    return forms.Textarea(attrs={"rows": 5, **({"data-words": question.words_max} if question.words_max else {})})


WIDGETS: dict[str, Callable[[Question], forms.Widget]] = {
    "text": lambda _: forms.TextInput(),
    "long_text": _long_text,
    "number": lambda _: forms.TextInput(attrs={"inputmode": "decimal"}),
    "choice": lambda question: forms.RadioSelect(choices=question.choices),
    "choices": lambda question: forms.CheckboxSelectMultiple(choices=question.choices),
    "yes_no": lambda _: forms.RadioSelect(choices=[("yes", "Yes"), ("no", "No")]),
    "date": lambda _: forms.DateInput(attrs={"type": "date"}),
}


def _asks(rules: CallDocument) -> Mapping[str, forms.Field]:
    amounts = rules.amounts
    names = dict(Resource.objects.filter(slug__in=amounts.resources).values_list("slug", "name"))
    resources = [(slug, names.get(slug, slug)) for slug in amounts.resources]
    found: dict[str, forms.Field] = {
        **_amount_fields(rules),
        MONTHS: AskField(
            rules,
            MONTHS,
            label="For how many months?",
            widget=forms.RadioSelect(choices=[(str(m), f"{m} month{'s' * (m != 1)}") for m in amounts.months]),
        ),
        RESOURCES: AskField(
            rules, RESOURCES, label="On which machines?", widget=forms.CheckboxSelectMultiple(choices=resources)
        ),
    }
    offered = dataset_choices()
    if amounts.datasets_max and offered:
        found[DATASETS] = AskField(
            rules,
            DATASETS,
            label="Which datasets do you need?",
            required=False,
            help_text=f"At most {amounts.datasets_max}. You may ask for more after the award.",
            widget=forms.CheckboxSelectMultiple(
                choices=[(slug, f"{title} ({ACCESS_WORDS.get(access, access)})") for slug, title, access in offered]
            ),
        )
    return found


def _amount_fields(rules: CallDocument) -> dict[str, forms.Field]:
    """Credits, or one field for each unit the call speaks in."""
    amounts, decimal = rules.amounts, {"inputmode": "decimal"}
    fields: dict[str, forms.Field] = {}
    for unit in amounts.units:
        tiers = [(format(tier.normalize(), "f"), f"{plain(tier)} {unit.words}") for tier in unit.tiers]
        fields[UNIT + unit.key] = AskField(
            rules,
            UNIT + unit.key,
            label=unit.words,
            required=len(amounts.units) == 1,
            help_text=f"From {plain(unit.least)} to {plain(unit.most)}; one is {plain(unit.credits_each)} "
            + ("credit." if unit.credits_each == 1 else "credits."),
            widget=forms.RadioSelect(choices=tiers) if tiers else forms.TextInput(attrs=decimal),
        )
    if fields:
        return fields
    tiers = [(str(tier), f"{tier} {amounts.unit_words}") for tier in amounts.tiers]
    limits = f"From {amounts.credits_min} to {amounts.credits_max} {amounts.unit_words}. "
    return {
        CREDITS: AskField(
            rules,
            CREDITS,
            label="Credits",
            help_text=limits + "An hour on the small size costs about 6.",
            widget=forms.RadioSelect(choices=tiers) if tiers else forms.TextInput(attrs=decimal),
        )
    }


class ReturnForm(forms.Form):
    """What the applicant should correct."""

    message = forms.CharField(
        label="What should be corrected?",
        initial=RETURN[0][1],
        widget=ReadyWords(RETURN),
        max_length=5000,
        help_text="The applicant reads exactly this. The clock stands still until they send it again.",
    )
