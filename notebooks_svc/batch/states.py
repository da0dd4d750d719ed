"""The life of a batch hold."""

from __future__ import annotations

from enum import StrEnum

from portal.core.errors import Refusal
from portal.web.badges import Badge


class S(StrEnum):
    """Where a batch hold is."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Actor(StrEnum):
    """Who moves a batch hold."""

    PERSON = "person"
    OPERATOR = "operator"
    PORTAL = "portal"


LIVE = (S.OPEN, S.CLOSING)

# Every allowed move, and who may make it. A move that is absent is forbidden.
TRANSITIONS: dict[tuple[S, S], frozenset[Actor]] = {
    (S.OPEN, S.CLOSING): frozenset({Actor.PERSON, Actor.OPERATOR, Actor.PORTAL}),
    (S.CLOSING, S.CLOSED): frozenset({Actor.PORTAL}),
}

BADGES = {
    S.OPEN: Badge("Open", "good", "●"),
    S.CLOSING: Badge("Closing", "warn", "◷"),
    S.CLOSED: Badge("Closed", "quiet", "■"),
}

# Why a batch hold was closed, in plain words.
ENDS = {
    "person": "The person it belongs to closed it.",
    "manager": "A manager of the enterprise closed it.",
    "operator": "An operator closed it.",
    "used_up": "Its credits are used up.",
    "allocation_ended": "The allocation ended or was suspended.",
    "person_left": "Nobody it belongs to may use the allocation any more.",
}

# The scheduler's words for what became of a job, in plain ones. Those not named here are shown as they are.
JOB_WORDS = {
    "PENDING": "waits",
    "CONFIGURING": "its machine is being started",
    "RUNNING": "runs",
    "COMPLETING": "is being tidied up",
    "SUSPENDED": "is suspended by the site",
    "COMPLETED": "finished",
    "FAILED": "ended with an error",
    "CANCELLED": "was cancelled",
    "TIMEOUT": "reached its own time limit",
    "DEADLINE": "reached its deadline",
    "OUT_OF_MEMORY": "needed more memory than it asked for",
    "NODE_FAIL": "a machine of the site failed",
    "BOOT_FAIL": "a machine of the site did not start",
    "PREEMPTED": "the site took its place for something else",
    "REQUEUED": "was put back into the queue",
    "RESIZING": "was given another size",
    "LOST": "the site has no trace of it; counted until it was last seen",
}


def check_transition(*, old: S, new: S, actor: Actor) -> None:
    """
    Let an allowed move pass.

    :raises Refusal: `move_not_allowed`
    """
    if actor not in TRANSITIONS.get((old, new), frozenset()):
        raise Refusal("move_not_allowed", f"A batch hold that is {old} cannot become {new} by the {actor}.")
