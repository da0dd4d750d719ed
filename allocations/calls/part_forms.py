"""A form for any part of a call's document, made from its model: what the model takes, the form asks, in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from django import forms
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from .document import CallDocument
from .parts.asking import ShowIf
from .places import ABOUT

LONG = ("description", "summary", "why", "help", "words", "acknowledgement")
PAIR_HELP = "One a line: key | words"
FEW = 40
# Where the name of a field does not say enough by itself.
LABELS = {
    "key": "Short key",
    "label": "What the applicant reads",
    "help": "Help below it",
    "why": "Why this rule is there",
    "words": "In words",
    "show_if": "Asked only when",
    "when": "When",
    "any_of": "Any of",
    "all_of": "All of",
    "words_max": "At most so many words",
    "number_min": "Least number",
    "number_max": "Largest number",
    "credits_min": "Least credits",
    "credits_max": "Most credits",
    "credits_from": "From so many credits on",
    "credits_each": "Credits for one",
    "applications_max": "At most so many applications",
    "reviews_each": "Reviews by each applicant",
    "percent_paid": "Per cent paid by the enterprise",
    "percent_min": "Least score in per cent",
    "percent_from": "From so many per cent of the score",
    "score_max": "Highest score",
    "holidays_of": "Holidays of which country",
    "promise_working_days": "Answer within so many working days",
    "appeal_days": "Days to appeal",
    "ai_screening": "Ask the EU AI Act questions",
    "size_mb_max": "At most so many MB",
    "fewer_than": "Fewer than",
    "years_below": "Less than so many years",
    "below_eur": "Less than so many euro",
    "text": "One line of text",
    "yes_no": "Yes or no",
    "choices": "Choices",
}
HELP = {
    "key": "Small letters, numbers and _; programs know it by this. It should not change once people applied.",
    "why": "Applicants read it beside the rule.",
    "pool": "For example pool:build.",
    "holidays_of": "Two letters, for example BE.",
    "resources": "Short names of machines.",
}


class PartForm(forms.Form):
    """The fields of one part. Lists of parts are places of their own and not asked here."""

    use_required_attribute = False

    def __init__(self, model: type[BaseModel], content: Mapping[str, Any] | None, data: Any = None) -> None:
        self.model = model
        super().__init__(data, initial=initial_of(model, content or {}))
        for name, info in fields_shown(model):
            if _bare(info.annotation) is ShowIf:
                self.fields[f"{name}-key"] = forms.CharField(
                    label=f"{name_words(name)}: key of the question", required=info.is_required()
                )
                self.fields[f"{name}-any_of"] = forms.CharField(
                    label=f"{name_words(name)}: was answered",
                    required=info.is_required(),
                    help_text="One answer a line; write yes or no for a question of that kind.",
                    widget=forms.Textarea(attrs={"rows": 2}),
                )
            else:
                self.fields[name] = _field(name, info)

    def content(self) -> dict[str, Any]:
        """What stands in the form, as the document has it."""
        found: dict[str, Any] = {}
        for name, info in fields_shown(self.model):
            if _bare(info.annotation) is ShowIf:
                key = self.cleaned_data.get(f"{name}-key", "")
                lines = _lines(self.cleaned_data.get(f"{name}-any_of", ""))
                answers = [{"yes": True, "no": False}.get(line, line) for line in lines]
                found[name] = {"key": key, "any_of": answers} if key else None
            else:
                found[name] = _in_kind(info, _content(info, self.cleaned_data.get(name)))
        if "kind" in self.model.model_fields and "kind" not in self.fields:
            found["kind"] = self.model.model_fields["kind"].default
        return found


def _in_kind(info: FieldInfo, value: Any) -> Any:
    """A value as documents keep it, so that what was not touched is no change; what is wrong stays, to be complained of."""
    adapter: TypeAdapter[Any] = TypeAdapter(info.annotation or Any)
    try:
        return value if value is None else adapter.dump_python(adapter.validate_python(value), mode="json")
    except ValidationError:
        return value


def fields_shown(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """The fields a form asks: no lists of parts, no parts within parts, no kind that is fixed."""
    rows = model.model_fields.items()
    if model is CallDocument:
        rows = [(name, model.model_fields[name]) for name in ABOUT]  # type: ignore[assignment]
    return [(name, info) for name, info in rows if not _elsewhere(info)]


def initial_of(model: type[BaseModel], content: Mapping[str, Any]) -> dict[str, Any]:
    """What a form shows of a part's content, or of its defaults."""
    found: dict[str, Any] = {}
    for name, info in fields_shown(model):
        value = content.get(name, None if info.is_required() else info.get_default(call_default_factory=True))
        if _bare(info.annotation) is ShowIf:
            if isinstance(value, Mapping):
                found[f"{name}-key"] = value.get("key")
                found[f"{name}-any_of"] = "\n".join({True: "yes", False: "no"}.get(v, str(v)) for v in value.get("any_of", []))
            continue
        found[name] = _shown(info, value)
    return found


def _elsewhere(info: FieldInfo) -> bool:
    bare = _bare(info.annotation)
    if get_origin(bare) is Literal and len(get_args(bare)) == 1:
        return True
    inner = _bare(get_args(bare)[0]) if get_origin(bare) is list else bare
    return isinstance(inner, type) and issubclass(inner, BaseModel) and inner is not ShowIf


def _field(name: str, info: FieldInfo) -> forms.Field:
    bare = _bare(info.annotation)
    common: dict[str, Any] = {
        "label": name_words(name),
        "required": info.is_required() or (get_origin(bare) is Literal and not _nullable(info.annotation)),
        "help_text": _sentence(info.description or HELP.get(name, "")),
    }
    made = {Literal: _literal_field, list: _list_field, dict: _dict_field}.get(get_origin(bare))
    if made is not None:
        return made(bare, common)
    if bare is str:
        rows = {"rows": 3} if name in LONG else {}
        return forms.CharField(widget=forms.Textarea(attrs=rows) if rows else forms.TextInput(), **common)
    if bare in (datetime, date):
        kind = forms.DateTimeField if bare is datetime else forms.DateField
        words = "In UTC, for example 2027-04-30 16:00." if bare is datetime else "For example 2027-04-30."
        return kind(**{**common, "help_text": common["help_text"] or words})
    if bare is bool:
        return forms.BooleanField(**{**common, "required": False})
    return {int: forms.IntegerField, Decimal: forms.DecimalField}.get(bare, forms.CharField)(**common)


def _literal_field(bare: Any, common: dict[str, Any]) -> forms.Field:
    return forms.ChoiceField(choices=[(str(one), name_words(str(one))) for one in get_args(bare)], **common)


def _dict_field(_: Any, common: dict[str, Any]) -> forms.Field:
    words = {"help_text": "One a line: score | what it means"}
    return forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), **{**common, **words})


def _list_field(bare: Any, common: dict[str, Any]) -> forms.Field:
    inner = _bare(get_args(bare)[0])
    if get_origin(inner) is Literal and len(get_args(inner)) <= FEW:
        choices = [(one, name_words(one)) for one in get_args(inner)]
        return forms.MultipleChoiceField(choices=choices, widget=forms.CheckboxSelectMultiple, **common)
    words = PAIR_HELP if get_origin(inner) is tuple else "One a line."
    text = f"{common['help_text']} {words}".strip()
    return forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), **{**common, "help_text": text})


def _content(info: FieldInfo, value: Any) -> Any:
    bare = _bare(info.annotation)
    if get_origin(bare) is list:
        return _list_content(_bare(get_args(bare)[0]), value)
    if get_origin(bare) is dict:
        return dict(_pair(line) for line in _lines(value or ""))
    if value in (None, "") and not info.is_required():
        if _nullable(info.annotation):
            return None  # emptied on purpose: the default must not come back
        return info.get_default(call_default_factory=True) if bare is not str else ""
    if isinstance(value, datetime | date | Decimal):
        return value.isoformat() if isinstance(value, datetime | date) else str(value)
    return value


def _list_content(inner: Any, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    lines = _lines(value or "")
    return [list(_pair(line)) for line in lines] if get_origin(inner) is tuple else lines


def _shown(info: FieldInfo, value: Any) -> Any:
    bare = _bare(info.annotation)
    if get_origin(bare) is dict:
        return "\n".join(f"{key} | {words}" for key, words in (value or {}).items())
    if get_origin(bare) is list:
        inner = _bare(get_args(bare)[0])
        if get_origin(inner) is Literal:
            return value or []
        if get_origin(inner) is tuple:
            return "\n".join(f"{key} | {words}" for key, words in (value or []))
        return "\n".join(str(one) for one in value or [])
    return value


def _nullable(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation)


def _bare(annotation: Any) -> Any:
    """An annotation without Annotated, Optional and the like."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation):
            rest = [one for one in get_args(annotation) if one is not type(None)]
            annotation = rest[0]
        else:
            return annotation


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.replace("\x00", "").splitlines() if line.strip()]


def _pair(line: str) -> tuple[str, str]:
    key, _, words = line.partition("|")
    return key.strip(), words.strip()


def _sentence(words: str) -> str:
    """A description as a sentence of its own."""
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith(('.', '?')) or not words else '.'}"


def name_words(name: str) -> str:
    text = LABELS.get(name, name).replace("_", " ")
    return text[:1].upper() + text[1:]
