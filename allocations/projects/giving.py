"""
What an allocation is given beyond its award: rooms upstairs that know its call's rules look at it before, and note it after.

They register dotted paths of functions here (from their `apps.py`); all of them act in the transaction of the gift.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from portal.accounts.models import User
from portal.web.registry import cached_import

from .models import Allocation

# (gift) → None; raises a Refusal where the call's rules do not allow it.
CHECKS: list[str] = []
# (gift) → None; writes down what was given.
NOTES: list[str] = []
# (allocation, at) → None; the books of the allocation are closed.
CLOSED: list[str] = []


class Kind(StrEnum):
    """As what something is given; each kind has limits of its own."""

    SUPPLEMENT = "supplement"  # of an officer's own accord
    TOPUP = "topup"
    BURST = "burst"
    EXTENSION = "extension"
    REST = "rest"  # of an award in parts
    APPEAL = "appeal"
    CARRIED = "carried"  # from the award that this one renews


BY_OFFICER = {Kind.SUPPLEMENT: "More, beside the call's rules for teams", Kind.TOPUP: "Top-up", Kind.BURST: "One-off burst"}


@dataclass(frozen=True)
class Gift:
    """
    Something given to an allocation: micro-credits, or a later last day.

    :param id: of the ledger's transfer; "" for an extension
    :param rule_words: the rule that gave it, in words; "" when a person did
    :param ends_before: the last day it had, where that is moved to `ends_on`
    """

    allocation: Allocation
    kind: Kind
    reason: str
    by: User | None
    at: datetime
    id: str = ""
    amount: int = 0
    rule_words: str = ""
    ends_before: date | None = None
    ends_on: date | None = None


def check(gift: Gift) -> None:
    """
    Let a gift pass that the rules of the allocation's call allow.

    :raises Refusal: in the words of the rule
    """
    for path in CHECKS:
        cached_import(path)(gift)


def note(gift: Gift) -> None:
    """Have a gift written down by whoever counts them."""
    for path in NOTES:
        cached_import(path)(gift)


def closed(allocation: Allocation, *, at: datetime) -> None:
    """Tell that an allocation's books are closed: what it used is known."""
    for path in CLOSED:
        cached_import(path)(allocation=allocation, at=at)
