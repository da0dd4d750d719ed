"""How an application is decided: from which pool, by which steps, by how many reviewers, beginning when. Plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from portal.core.quantities import credits_parse, credits_text

from . import document as d
from .findings import Finding, finding


@dataclass(frozen=True)
class Chosen:
    """What a rule chose, and why."""

    value: Any
    reason: str


@dataclass(frozen=True)
class StepPlan:
    """A step of the call, whether this application takes it, and why."""

    step: d.Step
    applies: bool
    reason: str


def pool_of(rules: d.CallDocument, answers: Mapping[str, Any]) -> Chosen:
    """The pool an award is paid from: the first budget whose condition the answers meet, else the call's own."""
    for budget in rules.pools:
        given = answers.get(budget.when.key)
        if set(given if isinstance(given, list) else [given]) & set(budget.when.any_of):
            return Chosen(budget.pool, f"{budget.pool}, because {budget.when.key} is {given}. {budget.words}".rstrip())
    return Chosen(rules.pool, f"{rules.pool}, the call's own pool.")


def reviewers_wanted(review: d.Review, amount: int) -> Chosen:
    """How many reviews an application of so many micro-credits needs."""
    number, reason = review.reviewers, f"{review.reviewers} for every application"
    for row in sorted(review.by_amount, key=lambda row: row.credits_from):
        if amount >= credits_parse(row.credits_from):
            number, reason = row.reviewers, f"{row.reviewers} from {row.credits_from} credits on"
    return Chosen(number, f"{reason}; {credits_text(amount)} were asked for.")


def steps_of(rules: d.CallDocument, amount: int) -> list[StepPlan]:
    """Every step of the call, in order, and which of them an application of so many micro-credits takes."""
    plans = []
    for step in rules.steps:
        limit = step.credits_from
        applies = limit == 0 or amount >= credits_parse(limit)
        side = "at least" if applies else "fewer than"
        reason = (
            "for every application" if limit == 0 else f"{credits_text(amount)} credits are {side} the {limit} it begins at"
        )
        plans.append(StepPlan(step, applies, f"{step.title}: {'taken' if applies else 'left out'}, {reason}."))
    return plans


def start_finding(start: d.Start, *, today: date) -> tuple[date | None, Finding]:
    """The first day of an award that is made today, or None with the reason why none can be made."""
    if start.approve_from and today < start.approve_from:
        return None, finding("start", False, f"today is {_day(today)}", f"awards made from {_day(start.approve_from)} on")
    first = max(today, start.earliest or today)
    if start.latest and first > start.latest:
        return None, finding("start", False, f"an award would begin on {_day(first)}", f"awards by {_day(start.latest)}")
    return first, finding("start", True, f"begins on {_day(first)}", "awards within the start window")


def _day(day: date) -> str:
    return f"{day:%-d %B %Y}"
