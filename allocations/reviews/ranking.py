"""Thresholds, tiers, and the lot inside a tier. Plain Python: anybody can compute the same from what is published."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from statistics import mean
from typing import Any

from allocations.calls.document import Review, Tier
from allocations.calls.findings import Finding, finding, plain

from .scoring import average_exact


def threshold_findings(rules: Review, handed: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """
    Hold what reviewers scored against the least that passes; nothing to say while no review is in.

    :param handed: the scores of the reviews that are in
    """
    if not handed:
        return []
    found = []
    for criterion in rules.criteria:
        scores = [entry[criterion.key]["score"] for entry in handed if criterion.key in entry]
        if criterion.threshold is not None and scores:
            score = mean([Fraction(score) for score in scores])
            words = f"{criterion.title} was scored {_down(score, criterion.threshold)} on average"
            wanted = f"at least {plain(criterion.threshold)} in {criterion.title}"
            found.append(finding("threshold", score >= Fraction(criterion.threshold), words, wanted))
    whole = average_exact(rules.criteria, handed)
    if rules.percent_min is not None and whole is not None:
        words = f"the reviews come to {_down(whole)} of 100"
        found.append(finding("percent_min", whole >= rules.percent_min, words, f"at least {rules.percent_min} of 100"))
    return found


def _down(number: Fraction, limit: Decimal = Decimal(0)) -> str:
    """A number as people read it, rounded down, never less exactly than its limit: what reads as the limit has reached it."""
    places = max(1, -int(limit.normalize().as_tuple().exponent))
    return plain(Decimal(number.numerator * 10**places // number.denominator).scaleb(-places))


def tier_of(rules: Review, percent: float | None) -> Tier | None:
    """The best tier a weighted score reaches, None below all of them or where a call has none."""
    if percent is None:
        return None
    return next((tier for tier in rules.tiers if percent >= tier.percent_from), None)


def commitment(seed: str) -> str:
    """What is published before the draw, so that the seed cannot be chosen to suit: its SHA-256."""
    return hashlib.sha256(seed.encode()).hexdigest()


def drawn(seed: str, codes: Iterable[str]) -> list[str]:
    """The order the lot gives: by the SHA-256 of seed and code. Nobody's chance depends on who else takes part."""
    return sorted(set(codes), key=lambda code: hashlib.sha256(f"{seed}:{code}".encode()).hexdigest())


def reciprocal_pairs(codes_by_firm: Mapping[str, int], each: int) -> dict[str, list[str]]:
    """
    Who reviews whom where applicants review each other: the next ones around a circle, never one's own enterprise.

    :param codes_by_firm: application code → enterprise
    :return: application code → codes its applicant reviews; everybody gives and receives as evenly as enterprises allow
    """
    circle = drawn("reciprocal", codes_by_firm)
    pairs: dict[str, list[str]] = {}
    for place, code in enumerate(circle):
        others = [circle[(place + step) % len(circle)] for step in range(1, len(circle))]
        pairs[code] = [other for other in others if codes_by_firm[other] != codes_by_firm[code]][:each]
    return pairs
