"""Writes and reads about screenings: answers by answer, an outcome kept with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from . import policies
from .models import Application, Screening
from .screening.questionnaire import ANSWERS, CURRENT, LawDate, Outcome, Questionnaire, Walk, dates_of, questionnaire, walk

KEY = "screening"


@dataclass(frozen=True)
class Result:
    """A screening as people read it."""

    row: Screening
    asked: Questionnaire
    outcome: Outcome
    dates: list[LawDate]
    outdated: bool


def screening_of(application: Application) -> Screening | None:
    """The newest answers, finished or not."""
    return Screening.objects.filter(application=application).select_related("by").first()


def result_of(application: Application) -> Result | None:
    """What came out, None while it is not finished."""
    row = screening_of(application)
    if row is None or not row.outcome:
        return None
    asked = questionnaire(row.questionnaire)
    return Result(row, asked, asked.outcomes[row.outcome], dates_of(asked, row.outcome), row.questionnaire != CURRENT)


def screening_missing(application: Application) -> dict[str, str]:
    """What is missing before sending, by the key of the page."""
    if not application.version.rules.ai_screening or result_of(application) is not None:
        return {}
    return {KEY: "Please answer the questions about the AI Act."}


def current_walk(application: Application) -> Walk:
    """How far the kept answers lead in today's questionnaire; answers to an older one are not carried over."""
    row = screening_of(application)
    answers = row.answers if row is not None and row.questionnaire == CURRENT else {}
    return walk(questionnaire(), answers)


@transaction.atomic
def answer_give(*, application: Application, key: str, answer: str, by: User, at: datetime) -> Walk:
    """
    Answer one question. Changing an earlier answer asks anew what follows from it.

    :raises Malformed: no such answer
    :raises Refusal: `not_asked` when the question is not on the way
    """
    policies.check_may_write(user=by, application=application)
    policies.check_still_editable(application=application)
    if answer not in ANSWERS:
        raise Malformed("Choose yes, no or not sure.", field="answer")
    before = current_walk(application)
    on_the_way = [step.question.key for step in before.steps] + ([before.asks.key] if before.asks else [])
    if key not in on_the_way:
        raise Refusal("not_asked", "This question is not asked any more. Load the page again.")
    given: Mapping[str, str] = {**before.answers, key: answer}
    if before.answers.get(key) == answer:
        return before  # the second press of a double click
    after = walk(questionnaire(), given)
    Screening.objects.create(
        application=application,
        questionnaire=CURRENT,
        answers=after.answers,
        outcome=after.outcome,
        reasons=after.reasons,
        by=by,
        at=at,
    )
    if after.outcome:
        about = f"application:{application.code}"
        audit.event_record(kind="application.screened", actor=by, about=about, at=at, outcome=after.outcome, version=CURRENT)
    return after


@transaction.atomic
def screening_restart(*, application: Application, by: User, at: datetime) -> None:
    """Begin the questions anew; the answers so far stay in the record."""
    policies.check_may_write(user=by, application=application)
    policies.check_still_editable(application=application)
    Screening.objects.create(application=application, questionnaire=CURRENT, answers={}, outcome="", reasons=[], by=by, at=at)
