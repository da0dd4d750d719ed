"""The life of a review. Plain Python but for the badges."""

from __future__ import annotations

from enum import StrEnum

from portal.core.errors import Refusal
from portal.web.badges import Badge


class S(StrEnum):
    """Where a review is in its life."""

    INVITED = "invited"
    OPEN = "open"
    SUBMITTED = "submitted"
    CONFLICTED = "conflicted"
    DECLINED = "declined"
    RELEASED = "released"


class Actor(StrEnum):
    """Who moves a review."""

    REVIEWER = "reviewer"
    OFFICER = "officer"


class Conflict(StrEnum):
    """What stands between a reviewer and an application."""

    EMPLOYER = "employer"
    COAUTHOR = "coauthor"
    COMPETITOR = "competitor"
    FUNDER = "funder"
    FAMILY = "family"
    OTHER = "other"


CONFLICT_WORDS = {
    Conflict.EMPLOYER: "I work or worked for them",
    Conflict.COAUTHOR: "I publish or build things with them",
    Conflict.COMPETITOR: "I compete with them",
    Conflict.FUNDER: "I fund them or am funded by them",
    Conflict.FAMILY: "Family or close friends",
    Conflict.OTHER: "Something else",
}

# Every allowed move, and who may make it. A move that is absent is forbidden.
TRANSITIONS: dict[tuple[S, S], frozenset[Actor]] = {
    (S.INVITED, S.OPEN): frozenset({Actor.REVIEWER}),  # declared: no conflict
    (S.INVITED, S.CONFLICTED): frozenset({Actor.REVIEWER, Actor.OFFICER}),
    (S.INVITED, S.DECLINED): frozenset({Actor.REVIEWER}),
    (S.INVITED, S.RELEASED): frozenset({Actor.OFFICER}),
    (S.OPEN, S.SUBMITTED): frozenset({Actor.REVIEWER}),
    (S.OPEN, S.CONFLICTED): frozenset({Actor.REVIEWER, Actor.OFFICER}),
    (S.OPEN, S.DECLINED): frozenset({Actor.REVIEWER}),
    (S.OPEN, S.RELEASED): frozenset({Actor.OFFICER}),
    (S.SUBMITTED, S.OPEN): frozenset({Actor.OFFICER}),  # reopened, with a reason
}
WAITING = (S.INVITED, S.OPEN)
READING = (S.OPEN, S.SUBMITTED)  # who may read the application
COUNTED = (S.INVITED, S.OPEN, S.SUBMITTED)

BADGES = {
    S.INVITED: Badge("Invited: declare conflicts", "warn", "→"),
    S.OPEN: Badge("To be written", "warn", "✎"),
    S.SUBMITTED: Badge("In", "good", "✓"),
    S.CONFLICTED: Badge("Conflict", "quiet", "✕"),
    S.DECLINED: Badge("Declined", "quiet", "✕"),
    S.RELEASED: Badge("Not needed any more", "quiet", "■"),
}


def check_transition(*, old: S, new: S, actor: Actor) -> None:
    """
    Let an allowed move pass.

    :raises Refusal: `move_not_allowed`
    """
    if actor not in TRANSITIONS.get((old, new), frozenset()):
        raise Refusal("move_not_allowed", f"A review that is {old} cannot become {new} by the {actor}.")
