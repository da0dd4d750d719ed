"""The life of a report. Plain Python but for the badges."""

from __future__ import annotations

from enum import StrEnum

from portal.core.errors import Refusal
from portal.web.badges import Badge


class S(StrEnum):
    """Where a report is in its life."""

    DUE = "due"
    HANDED_IN = "handed_in"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    WAIVED = "waived"


class Actor(StrEnum):
    """Who moves a report."""

    TEAM = "team"
    OFFICER = "officer"


# Every allowed move, and who may make it. A move that is absent is forbidden.
TRANSITIONS: dict[tuple[S, S], frozenset[Actor]] = {
    (S.DUE, S.HANDED_IN): frozenset({Actor.TEAM}),
    (S.DUE, S.WAIVED): frozenset({Actor.OFFICER}),
    (S.HANDED_IN, S.ACCEPTED): frozenset({Actor.OFFICER}),
    (S.HANDED_IN, S.RETURNED): frozenset({Actor.OFFICER}),
    (S.RETURNED, S.HANDED_IN): frozenset({Actor.TEAM}),
    (S.RETURNED, S.WAIVED): frozenset({Actor.OFFICER}),
}
OWED = (S.DUE, S.RETURNED)

BADGES = {
    S.DUE: Badge("To be written", "warn", "✎"),
    S.HANDED_IN: Badge("Handed in", "info", "→"),
    S.RETURNED: Badge("Returned: your turn", "warn", "↩"),
    S.ACCEPTED: Badge("Accepted", "good", "✓"),
    S.WAIVED: Badge("Not wanted any more", "quiet", "■"),
}


def check_transition(*, old: S, new: S, actor: Actor) -> None:
    """
    Let an allowed move pass.

    :raises Refusal: `move_not_allowed`
    """
    if actor not in TRANSITIONS.get((old, new), frozenset()):
        raise Refusal("move_not_allowed", f"A report that is {old} cannot become {new} by the {actor}.")
