"""What an amount comes to: units in credits, who pays what, how much of it counts as aid, how use is charged. Plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from allocations.catalogue.rates import Rate
from portal.core.quantities import AMOUNT_MAX, MICRO, credits_text

from . import document as d
from .answers import WrongAnswer
from .findings import Finding, finding, plain, words_or


# --- units ----------------------------------------------------------------------------------------------------------------
def unit_read(unit: d.Unit, given: Any) -> Decimal:
    """
    An amount of a unit, within what the call gives.

    :raises WrongAnswer: with a sentence for the person
    """
    try:
        amount = Decimal(str(given).strip())
    except InvalidOperation:
        raise WrongAnswer(f"Write a number of {unit.words}, for example {plain(unit.least or 100)}.") from None
    if isinstance(given, bool) or not amount.is_finite() or not 0 <= amount < 10**12 or amount != round(amount, 3):
        raise WrongAnswer(f"Write {unit.words} as a number that is not negative, with at most three decimals.")
    if amount > unit.most:
        raise WrongAnswer(f"This call gives at most {plain(unit.most)} {unit.words}.")
    if amount < unit.least:
        raise WrongAnswer(f"This call gives at least {plain(unit.least)} {unit.words}.")
    if unit.tiers and amount not in unit.tiers:
        raise WrongAnswer(f"Choose {words_or([plain(tier) for tier in unit.tiers])} {unit.words}.")
    return amount


def units_credits(units: Sequence[d.Unit], amounts: Mapping[str, Any]) -> int:
    """What amounts by unit come to, in micro-credits, rounded up once."""
    exact = sum((Decimal(str(amounts.get(unit.key) or 0)) * unit.credits_each for unit in units), Decimal(0))
    return int((exact * MICRO).to_integral_value(ROUND_CEILING))


def units_words(units: Sequence[d.Unit], amounts: Mapping[str, Any]) -> str:
    """The sum with its working: "5,000 GPU-hours × 2.5 = 12500 credits"."""
    parts = [
        f"{plain(Decimal(str(amounts[unit.key])))} {unit.words} × {plain(unit.credits_each)}"
        for unit in units
        if amounts.get(unit.key)
    ]
    return f"{' + '.join(parts)} = {credits_text(units_credits(units, amounts))} credits" if parts else "—"


# --- price ----------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PriceFinding:
    """What an enterprise pays, and why."""

    kind: str
    percent_paid: int
    reason: str


def price_of(prices: Sequence[d.Price], *, size: str, legal_form: str) -> PriceFinding:
    """The first price that fits; a call that names none is free."""
    for price in prices:
        classes = [*(c for c in price.size_classes), *(f.replace("_", " ") for f in price.legal_forms)]
        if price.size_classes and size not in price.size_classes:
            continue
        if price.legal_forms and legal_form not in price.legal_forms:
            continue
        whom = f"for {words_or(classes)} enterprises" if classes else "for every other enterprise"
        paid = {"free": "free of charge", "pay_per_use": "paid in full by the enterprise"}.get(
            price.kind, f"{price.percent_paid} % of its value is paid by the enterprise"
        )
        return PriceFinding(price.kind, price.percent_paid, f"{paid.capitalize()} {whom}. {price.words}".rstrip())
    return PriceFinding("free", 0, "Free of charge.")


# --- aid ------------------------------------------------------------------------------------------------------------------
def aid_value_eur(aid: d.Aid, amount: int) -> int:
    """What an amount of micro-credits is worth as aid, in whole euro, rounded up."""
    return int((Decimal(amount) / MICRO * aid.eur_per_credit).to_integral_value(ROUND_CEILING))


def aid_finding(aid: d.Aid, *, received_eur: int, amount: int) -> Finding:
    """Whether an award of so many micro-credits stays below the ceiling, with the sum worked."""
    value = aid_value_eur(aid, amount)
    total = received_eur + value
    found = f"€ {received_eur:,} received in {aid.years} years + € {value:,} for this award = € {total:,}"
    wanted = f"enterprises that stay within € {aid.ceiling_eur:,}"
    return finding("aid", total <= aid.ceiling_eur, found, wanted, f"({aid.source})")


def aid_room_credits(aid: d.Aid, *, received_eur: int) -> int:
    """The most micro-credits that still fit below the ceiling."""
    room = Decimal(max(0, aid.ceiling_eur - received_eur))
    return min(AMOUNT_MAX, int(room / aid.eur_per_credit * MICRO))


# --- how use is charged -----------------------------------------------------------------------------------------------------
RULES = {"sum": "sum", "max_share": "max", "whole_node": "node"}


def charged_rate(charging: d.Charging, rate: Rate) -> tuple[Rate, str]:
    """The rate an award freezes, and why it is so. A machine whose node is not described keeps its own formula."""
    if charging.formula == "provider":
        return rate, "charged by the machine's own formula"
    wanted = RULES[charging.formula]
    if wanted == "sum":
        return replace(rate, rule="sum"), "charged for the sum of cores, memory and GPUs, as the call says"
    if rate.node is None or not rate.node_hour:
        return rate, "charged by the machine's own formula: its node is not described"
    words = "the largest share of a node" if wanted == "max" else "every node touched, as a whole"
    return replace(rate, rule=wanted), f"charged for {words}, as the call says"
