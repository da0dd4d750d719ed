"""The EU AI Act screening: questions, outcomes and the law's dates are data; this walks them and says why. Plain Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

FOLDER = Path(__file__).parent
CURRENT = "ai-act-2026-09"
ANSWERS = {"yes": "Yes", "no": "No", "unsure": "Not sure"}


class Piece(BaseModel):
    """Base of the questionnaire's pieces."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(Piece):
    """A question, and where each answer leads: another question, or =outcome."""

    key: str
    text: str
    help: str = ""
    source: str
    next: dict[Literal["yes", "no", "unsure"], str]


class Outcome(Piece):
    """What comes out."""

    title: str
    tone: Literal["good", "info", "warn", "bad"]
    words: str
    duties: list[str]
    dates: list[str] = []


class LawDate(Piece):
    """From which day a duty applies."""

    on: date
    words: str


class Questionnaire(Piece):
    """A whole questionnaire, of one version."""

    version: str
    title: str
    law: str
    checked: str
    first: str
    questions: list[Question]
    outcomes: dict[str, Outcome]
    dates: dict[str, LawDate]

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        order = [question.key for question in self.questions]
        if self.first not in order or len(set(order)) != len(order):
            raise ValueError("the first question must be there, and each key once")
        for number, question in enumerate(self.questions):
            for target in question.next.values():
                # Only forwards, so that every walk ends.
                if target.startswith("=") and target[1:] not in self.outcomes:
                    raise ValueError(f"{question.key} leads to {target}, which is no outcome")
                if not target.startswith("=") and target not in order[number + 1 :]:
                    raise ValueError(f"{question.key} leads to {target}, which does not come after it")
        if missing := {name for outcome in self.outcomes.values() for name in outcome.dates} - set(self.dates):
            raise ValueError(f"no date {min(missing)}")
        return self


@dataclass(frozen=True)
class Step:
    """A question that was asked, its answer in words, and the answer itself."""

    question: Question
    answer: str

    @property
    def words(self) -> str:
        return ANSWERS[self.answer]


@dataclass(frozen=True)
class Walk:
    """How far the answers lead: the steps so far, then the next question or the outcome."""

    steps: list[Step]
    asks: Question | None
    outcome: str

    @property
    def reasons(self) -> list[str]:
        """Every answer on the way, with the article it rests on."""
        return [f"{step.question.text} {step.words}. ({step.question.source})" for step in self.steps]

    @property
    def answers(self) -> dict[str, str]:
        """The answers on the way; others given before a change of mind are left out."""
        return {step.question.key: step.answer for step in self.steps}


@cache
def questionnaire(name: str = CURRENT) -> Questionnaire:
    """
    A questionnaire by its name and version. Old versions stay, so that stored answers can be read as they were asked.

    :raises FileNotFoundError: there is none
    """
    return Questionnaire.model_validate(json.loads((FOLDER / f"{name}.json").read_text()))


def walk(asked: Questionnaire, answers: Mapping[str, Any]) -> Walk:
    """Follow the answers from the first question to the next one that is open, or to the outcome."""
    known = {question.key: question for question in asked.questions}
    steps: list[Step] = []
    at = asked.first
    while not at.startswith("="):
        question = known[at]
        answer = answers.get(at)
        if answer not in ("yes", "no", "unsure"):
            return Walk(steps, question, "")
        steps.append(Step(question, answer))
        at = question.next[answer]
    return Walk(steps, None, at[1:])


def dates_of(asked: Questionnaire, outcome: str) -> list[LawDate]:
    """The law's dates that go with an outcome, the earliest first."""
    return sorted((asked.dates[name] for name in asked.outcomes[outcome].dates), key=lambda day: day.on)
