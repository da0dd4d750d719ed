"""The life of an allocation. Plain Python but for the badges."""

from __future__ import annotations

from enum import StrEnum

from portal.core.errors import Refusal
from portal.web.badges import Badge

FILES_KEPT_DAYS = 30  # after an allocation has ended, its files can still be taken away for so long
STORAGE = "storage"  # what the ledger calls files that are kept: charged by the day, whether anybody works or not


class S(StrEnum):
    """Where an allocation is in its life."""

    SCHEDULED = "scheduled"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSING = "closing"
    CLOSED = "closed"


class Actor(StrEnum):
    """Who moves an allocation."""

    OFFICER = "officer"
    APPLICANT = "applicant"
    CLOCK = "clock"
    LEDGER = "ledger"


# Every allowed move, and who may make it. A move that is absent is forbidden.
TRANSITIONS: dict[tuple[S, S], frozenset[Actor]] = {
    (S.SCHEDULED, S.ACTIVE): frozenset({Actor.CLOCK}),
    (S.SCHEDULED, S.CLOSING): frozenset({Actor.OFFICER, Actor.APPLICANT}),
    (S.ACTIVE, S.SUSPENDED): frozenset({Actor.OFFICER}),
    (S.SUSPENDED, S.ACTIVE): frozenset({Actor.OFFICER}),
    (S.ACTIVE, S.CLOSING): frozenset({Actor.OFFICER, Actor.APPLICANT, Actor.CLOCK}),
    (S.SUSPENDED, S.CLOSING): frozenset({Actor.OFFICER, Actor.APPLICANT, Actor.CLOCK}),
    (S.CLOSING, S.CLOSED): frozenset({Actor.LEDGER}),
}

BADGES = {
    S.SCHEDULED: Badge("Starts later", "quiet", "◷"),
    S.ACTIVE: Badge("Active", "good", "●"),
    S.SUSPENDED: Badge("Suspended", "warn", "‖"),
    S.CLOSING: Badge("Ending", "warn", "◷"),
    S.CLOSED: Badge("Ended", "quiet", "■"),
}


OVER = (S.CLOSING, S.CLOSED)  # nothing is added to these any more


def check_transition(*, old: S, new: S, actor: Actor) -> None:
    """
    Let an allowed move pass.

    :raises Refusal: `move_not_allowed`
    """
    if actor not in TRANSITIONS.get((old, new), frozenset()):
        raise Refusal("move_not_allowed", f"An allocation that is {old} cannot become {new} by the {actor}.")
