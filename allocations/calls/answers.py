"""The form of a call: its questions as JSON Schema for programs, and the check of what was answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from .document import CallDocument, Question

TITLE = Question(
    key="title", label="A title for your project", help="Short and plain: it is shown publicly if you are awarded."
)
DATA_WORDS = {
    "public": "Public",
    "internal": "Internal to your enterprise",
    "personal": "About people (personal data)",
    "special": "About people's health, beliefs or the like (special categories)",
    "trade_secret": "A trade secret",
}
TITLE_MAX, TEXT_MAX, LONG_TEXT_MAX = 160, 400, 30_000
Answers = Mapping[str, Any]
EMPTY: tuple[Any, ...] = (None, "", [])


class WrongAnswer(ValueError):
    """An answer that cannot be taken, with a sentence for the person."""


def questions(document: CallDocument) -> list[Question]:
    """Every question: those the portal itself asks (the title, and what rules look at), and the call's own."""
    page = document.form[0].page if document.form else "Your project"
    return [TITLE, *_lead(document, page), *_classes(document, page), *document.form]


def _lead(document: CallDocument, page: str) -> list[Question]:
    if document.lead is None:
        return []
    lead = document.lead
    asked = [
        Question(key="lead_name", label="Who leads the work?", page=page),
        Question(key="lead_position", label="What is their position?", kind="choice", choices=lead.positions, page=page),
    ]
    if lead.contract_months_after is not None:
        words = f"It must run {lead.contract_months_after} months beyond the last month you ask for. {lead.why}"
        label = "Until when does their contract run?"
        asked.append(Question(key="lead_contract_ends", label=label, help=words, kind="date", page=page))
    return asked


def _classes(document: CallDocument, page: str) -> list[Question]:
    asked = []
    if document.activities:
        choices = [(activity.key, activity.label) for activity in document.activities]
        asked.append(
            Question(key="activity_class", label="Which kind of activity is it?", kind="choice", choices=choices, page=page)
        )
    if document.data is not None:
        allowed = ", ".join(DATA_WORDS[one].lower() for one in document.data.allowed)
        asked.append(
            Question(
                key="data_class",
                label="Which data will you work on?",
                help=f"The most protected class counts. This call allows: {allowed}. {document.data.why}",
                kind="choice",
                choices=list(DATA_WORDS.items()),
                page=page,
            )
        )
    return asked


def shown(question: Question, answers: Answers) -> bool:
    """Whether a question is asked, given the answers to those before it."""
    if question.show_if is None:
        return True
    given = answers.get(question.show_if.key)
    return bool(set(_as_list(given)) & set(question.show_if.any_of))


def answer_read(question: Question, given: Any) -> Any:
    """
    Bring one answer to its kind; an empty one is None.

    :raises WrongAnswer: it is of another kind, too long, out of range, or no choice of the question
    """
    if given in EMPTY:
        return None
    return READERS[question.kind](question, given)


def answers_check(document: CallDocument, answers: Answers) -> dict[str, str]:
    """What is wrong or missing, by key; questions that are not asked are not looked at."""
    asked = questions(document)
    wrong = {key: "This call does not ask that." for key in answers if key not in {q.key for q in asked}}
    for question in asked:
        if not shown(question, answers):
            continue
        try:
            if answer_read(question, answers.get(question.key)) is None and question.required:
                wrong[question.key] = "Please answer this."
        except WrongAnswer as problem:
            wrong[question.key] = str(problem)
    return wrong


def word_count(text: str) -> int:
    """Words as people count them: runs of anything but spaces."""
    return len(text.split())


def form_schema(document: CallDocument) -> dict[str, Any]:
    """The questions as JSON Schema (2020-12). What it accepts, `answers_check` accepts, word counts aside."""
    always = [q for q in questions(document) if q.show_if is None]
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": document.title,
        "type": "object",
        "properties": {q.key: _schema(q) for q in questions(document)},
        "required": [q.key for q in always if q.required],
        "additionalProperties": False,
    }
    if conditions := [_condition(q) for q in document.form if q.show_if is not None and q.required]:
        schema["allOf"] = conditions
    return schema


def _condition(question: Question) -> dict[str, Any]:
    assert question.show_if is not None  # noqa: S101 (chosen by the caller)
    values = list(question.show_if.any_of)
    match = {"anyOf": [{"enum": values}, {"type": "array", "contains": {"enum": values}}]}
    when = {"properties": {question.show_if.key: match}, "required": [question.show_if.key]}
    return {"if": when, "then": {"required": [question.key]}}


def _schema(question: Question) -> dict[str, Any]:
    words: dict[str, Any] = {"title": question.label}
    if question.help:
        words["description"] = question.help
    if question.words_max:
        words["x-words-max"] = question.words_max
    keys = [key for key, _ in question.choices]
    labels = [{"const": key, "title": label} for key, label in question.choices]
    numbers = {
        name: float(limit)
        for name, limit in (("minimum", question.number_min), ("maximum", question.number_max))
        if limit is not None
    }
    kinds: dict[str, dict[str, Any]] = {
        "text": {"type": "string", "minLength": 1, "maxLength": _length_max(question)},
        "long_text": {"type": "string", "minLength": 1, "maxLength": _length_max(question)},
        "number": {"type": "number", **numbers},
        "choice": {"type": "string", "enum": keys, "x-labels": labels},
        "choices": {
            "type": "array",
            "items": {"type": "string", "enum": keys},
            "uniqueItems": True,
            "minItems": 1,
            "x-labels": labels,
        },
        "yes_no": {"type": "boolean"},
        "date": {"type": "string", "format": "date"},
    }
    return {**words, **kinds[question.kind]}


def _length_max(question: Question) -> int:
    if question.key == TITLE.key:
        return TITLE_MAX
    return TEXT_MAX if question.kind == "text" else LONG_TEXT_MAX


def _text(question: Question, given: Any) -> str | None:
    if not isinstance(given, str):
        raise WrongAnswer("Write text here.")
    if "\x00" in given:
        raise WrongAnswer("This text holds a character that cannot be kept. Type it anew.")
    text = given.strip()
    if len(text) > _length_max(question):
        raise WrongAnswer(f"At most {_length_max(question)} characters; this has {len(text)}.")
    if question.words_max and word_count(text) > question.words_max:
        raise WrongAnswer(f"At most {question.words_max} words; this has {word_count(text)}.")
    return text or None


def _number(question: Question, given: Any) -> int | float:
    if isinstance(given, bool):
        raise WrongAnswer("Write a number.")
    try:
        number = Decimal(str(given).strip())
    except InvalidOperation:
        raise WrongAnswer("Write a number, for example 12 or 0.5.") from None
    if not number.is_finite() or abs(number) > Decimal(10) ** 15:
        raise WrongAnswer("That number is out of range.")
    if question.number_min is not None and number < question.number_min:
        raise WrongAnswer(f"At least {question.number_min}.")
    if question.number_max is not None and number > question.number_max:
        raise WrongAnswer(f"At most {question.number_max}.")
    return int(number) if number == number.to_integral_value() else float(number)


def _choice(question: Question, given: Any) -> str:
    if given not in [key for key, _ in question.choices]:
        raise WrongAnswer("Choose one of the answers offered.")
    return str(given)


def _choices(question: Question, given: Any) -> list[str]:
    offered = [key for key, _ in question.choices]
    if not isinstance(given, list) or any(one not in offered for one in given):
        raise WrongAnswer("Choose among the answers offered.")
    return [key for key in offered if key in given]


def _yes_no(_: Question, given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if given in ("yes", "no"):
        return bool(given == "yes")
    raise WrongAnswer("Answer yes or no.")


def _date(_: Question, given: Any) -> str:
    try:
        return date.fromisoformat(given if isinstance(given, str) else "").isoformat()
    except ValueError:
        raise WrongAnswer("Write a day as year-month-day, for example 2027-03-31.") from None


READERS = {
    "date": _date,
    "text": _text,
    "long_text": _text,
    "number": _number,
    "choice": _choice,
    "choices": _choices,
    "yes_no": _yes_no,
}


def _as_list(given: Any) -> Sequence[Any]:
    return given if isinstance(given, list) else [given]


def answer_words(question: Question, given: Any) -> str:
    """An answer as people read it."""
    labels = dict(question.choices)
    if given in EMPTY:
        return "—"
    if isinstance(given, bool):
        return "Yes" if given else "No"
    if isinstance(given, list):
        return ", ".join(labels.get(one, str(one)) for one in given)
    return labels.get(given, str(given))
