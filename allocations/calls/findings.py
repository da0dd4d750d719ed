"""A rule's answer with its reason. Plain Python; every evaluation in this room answers with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Finding:
    """
    One rule's answer: True, False, or None when it cannot be told yet; and why, in words.

    :param found: the fact the rule looked at, in words
    :param wanted: what the rule asks for, in words
    """

    kind: str
    passes: bool | None
    reason: str
    found: str = ""
    wanted: str = ""


def finding(kind: str, passes: bool, found: str, wanted: str, why: str = "") -> Finding:
    """A finding in one form of words: the fact; where it fails also what is wanted, and why."""
    first = found[:1].upper() + found[1:]
    if passes:
        return Finding(kind, True, f"{first}.", found, wanted)
    return Finding(kind, False, f"{first}; this call is for {wanted}. {why}".rstrip(), found, wanted)


def later(kind: str, what: str) -> Finding:
    """A rule whose fact is not known yet: never a silent yes."""
    return Finding(kind, None, f"Looked at once you sign in: {what}.", "", what)


def words_or(words: Sequence[str]) -> str:
    """ "a", "a or b", "a, b or c"."""
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def plain(number: Decimal | int) -> str:
    """A number as people write it: 10000 → "10,000", 2.50 → "2.5"."""
    text = f"{Decimal(number):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
