"""Scores, checked against the call's criteria, and what they come to. Plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import mean
from typing import Any

from allocations.calls.document import Criterion

REASON_MAX = 5000
DIVERGENCE = 0.4  # of the scale between the highest and the lowest score of a criterion


def scores_read(criteria: Sequence[Criterion], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Bring a draft's scores into shape; what cannot be read is left out, so that a draft never fails to save."""
    found: dict[str, dict[str, Any]] = {}
    for criterion in criteria:
        entry = given.get(criterion.key) or {}
        score = _score(criterion, entry.get("score"))
        reason = str(entry.get("reason") or "").replace("\x00", "")[:REASON_MAX]
        if score is not None or reason.strip():
            found[criterion.key] = {"score": score, "reason": reason}
    return found


def scores_check(criteria: Sequence[Criterion], scores: Mapping[str, Any]) -> dict[str, str]:
    """What is missing or wrong before a review can be handed in, by criterion."""
    wrong = {key: "This call has no such criterion." for key in scores if key not in {c.key for c in criteria}}
    for criterion in criteria:
        entry = scores.get(criterion.key) or {}
        if _score(criterion, entry.get("score")) is None:
            wrong[criterion.key] = f"Give {criterion.title} a score from 0 to {criterion.score_max}."
        elif not str(entry.get("reason") or "").strip():
            wrong[criterion.key] = f"Say why {criterion.title} gets this score; the applicant reads it."
    return wrong


def total(criteria: Sequence[Criterion], scores: Mapping[str, Any]) -> float | None:
    """The weighted score as a percentage of the most there is, None while any score is missing."""
    found = total_exact(criteria, scores)
    return None if found is None else float(found)


def total_exact(criteria: Sequence[Criterion], scores: Mapping[str, Any]) -> Fraction | None:
    """The same to the last digit, for holding against limits: 60 is 60, whatever thirds it was added up from."""
    weights = sum(c.weight for c in criteria)
    parts = [(c, int(scores[c.key]["score"])) for c in criteria if (scores.get(c.key) or {}).get("score") is not None]
    if not weights or len(parts) < len(criteria):
        return None
    return 100 * sum((Fraction(c.weight * score, c.score_max) for c, score in parts), Fraction(0)) / weights


def divergent(criteria: Sequence[Criterion], reviews: Sequence[Mapping[str, Any]]) -> list[str]:
    """Titles of criteria on which reviewers are far apart."""
    found = []
    for criterion in criteria:
        scores = [r[criterion.key]["score"] for r in reviews if r.get(criterion.key, {}).get("score") is not None]
        if len(scores) > 1 and (max(scores) - min(scores)) / criterion.score_max > DIVERGENCE:
            found.append(criterion.title)
    return found


def average(criteria: Sequence[Criterion], reviews: Sequence[Mapping[str, Any]]) -> float | None:
    """The mean of the reviews' totals."""
    found = average_exact(criteria, reviews)
    return None if found is None else float(found)


def average_exact(criteria: Sequence[Criterion], reviews: Sequence[Mapping[str, Any]]) -> Fraction | None:
    """The same to the last digit."""
    totals = [found for scores in reviews if (found := total_exact(criteria, scores)) is not None]
    return mean(totals) if totals else None


def _score(criterion: Criterion, given: Any) -> int | None:
    if isinstance(given, bool) or given is None:
        return None
    text = str(given).strip()
    return int(text) if text.isdigit() and len(text) < 4 and int(text) <= criterion.score_max else None
