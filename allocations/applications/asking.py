"""What is asked for beside the call's questions: credits, months, machines, datasets; checked against the call's amounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allocations.calls.answers import WrongAnswer
from allocations.calls.document import Amounts, CallDocument
from allocations.calls.pricing import unit_read, units_credits
from allocations.datasets.selectors import dataset_choices
from portal.core.quantities import BadQuantity, credits_parse, credits_text

# Hyphens keep these apart from the keys of questions, which have none.
CREDITS, MONTHS, RESOURCES, DATASETS = "ask-credits", "ask-months", "ask-resources", "ask-datasets"
COLUMNS = {
    CREDITS: "requested_credits",
    MONTHS: "requested_months",
    RESOURCES: "requested_resources",
    DATASETS: "requested_datasets",
}
# Where a call speaks in units, one key for each: ask-unit-gpu_hour. Credits follow from them.
UNIT = "ask-unit-"


def asked_read(rules: CallDocument, key: str, given: Any) -> Any:
    """
    Bring one of the four to its kind; credits are given as decimals and come back as micro-credits.

    :raises WrongAnswer: it cannot be read or lies outside of what the call gives
    """
    if given is None or given == "":
        return [] if key in (RESOURCES, DATASETS) else None
    if key.startswith(UNIT):
        return _unit(rules.amounts, key, given)
    return READERS[key](rules.amounts, given)


def asked_check(rules: CallDocument, asked: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong or missing, by key. Credits in micro-credits."""
    wrong = {}
    units = unit_keys(rules)
    if units and not any(asked.get(key) for key in units):
        wrong[units[0]] = "Please answer this."
    for key in (*((CREDITS,) if not units else ()), MONTHS, RESOURCES):
        if not asked.get(key):
            wrong[key] = "Please answer this."
    for key, value in asked.items():
        if not value:
            continue
        try:
            asked_read(rules, key, credits_text(value) if key == CREDITS else value)
        except WrongAnswer as problem:
            wrong[units[0] if key == CREDITS and units else key] = str(problem)
    return wrong


def unit_keys(rules: CallDocument) -> list[str]:
    """The keys of the units a call speaks in."""
    return [UNIT + unit.key for unit in rules.amounts.units]


def units_asked(rules: CallDocument, units: Mapping[str, Any]) -> int | None:
    """What the units asked for come to in micro-credits, None when nothing is asked for."""
    return units_credits(rules.amounts.units, units) or None


def _unit(amounts: Amounts, key: str, given: Any) -> str:
    unit = next((unit for unit in amounts.units if UNIT + unit.key == key), None)
    if unit is None:
        raise WrongAnswer("This call does not speak in that unit.")
    return format(unit_read(unit, given).normalize(), "f")


def _credits(amounts: Amounts, given: Any) -> int:
    try:
        asked = credits_parse(given)
    except BadQuantity as problem:
        raise WrongAnswer(str(problem)) from None
    if asked < credits_parse(amounts.credits_min):
        raise WrongAnswer(f"This call gives at least {amounts.credits_min} {amounts.unit_words}.")
    if asked > credits_parse(amounts.credits_max):
        raise WrongAnswer(f"This call gives at most {amounts.credits_max} {amounts.unit_words}.")
    if amounts.tiers and asked not in [credits_parse(tier) for tier in amounts.tiers]:
        raise WrongAnswer(f"Choose one of {', '.join(str(tier) for tier in amounts.tiers)} {amounts.unit_words}.")
    return asked


def _months(amounts: Amounts, given: Any) -> int:
    if isinstance(given, bool) or str(given) not in [str(months) for months in amounts.months]:
        raise WrongAnswer(f"Choose one of {', '.join(map(str, amounts.months))} months.")
    return int(given)


def _resources(amounts: Amounts, given: Any) -> list[str]:
    return _among(given, amounts.resources, "machine")


def _datasets(amounts: Amounts, given: Any) -> list[str]:
    chosen = _among(given, [slug for slug, _, _ in dataset_choices()], "dataset")
    if len(chosen) > amounts.datasets_max:
        raise WrongAnswer(f"At most {amounts.datasets_max} datasets; you chose {len(chosen)}.")
    return chosen


def _among(given: Any, offered: list[str], what: str) -> list[str]:
    if not isinstance(given, list):
        raise WrongAnswer(f"Choose among the {what}s offered.")
    for one in given:
        if one not in offered:
            raise WrongAnswer(f"There is no {what} {str(one)[:60]!r} in this call.")
    return [one for one in offered if one in given]


READERS = {CREDITS: _credits, MONTHS: _months, RESOURCES: _resources, DATASETS: _datasets}
