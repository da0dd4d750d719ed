"""The life of an application. Plain Python but for the badges."""

from __future__ import annotations

from enum import StrEnum

from portal.core.errors import Refusal
from portal.web.badges import Badge


class S(StrEnum):
    """Where an application is in its life. `outcome` and `published_at` are facts about a decided one, not states."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    IN_REVIEW = "in_review"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Actor(StrEnum):
    """Who moves an application."""

    APPLICANT = "applicant"
    OFFICER = "officer"
    RULE = "rule"
    CLOCK = "clock"


class Outcome(StrEnum):
    """How a decided application was decided."""

    AWARDED = "awarded"
    REJECTED = "rejected"


# Every allowed move, and who may make it. A move that is absent is forbidden.
TRANSITIONS: dict[tuple[S, S], frozenset[Actor]] = {
    (S.DRAFT, S.SUBMITTED): frozenset({Actor.APPLICANT}),
    (S.DRAFT, S.EXPIRED): frozenset({Actor.CLOCK}),
    (S.DRAFT, S.WITHDRAWN): frozenset({Actor.APPLICANT}),
    (S.SUBMITTED, S.RETURNED): frozenset({Actor.OFFICER}),
    (S.SUBMITTED, S.IN_REVIEW): frozenset({Actor.OFFICER}),
    (S.SUBMITTED, S.DECIDED): frozenset({Actor.RULE, Actor.OFFICER}),
    (S.SUBMITTED, S.WITHDRAWN): frozenset({Actor.APPLICANT}),
    (S.IN_REVIEW, S.RETURNED): frozenset({Actor.OFFICER}),
    (S.IN_REVIEW, S.DECIDED): frozenset({Actor.OFFICER}),
    (S.IN_REVIEW, S.WITHDRAWN): frozenset({Actor.APPLICANT}),
    (S.RETURNED, S.SUBMITTED): frozenset({Actor.APPLICANT}),
    (S.RETURNED, S.EXPIRED): frozenset({Actor.CLOCK}),
    (S.RETURNED, S.WITHDRAWN): frozenset({Actor.APPLICANT}),
    (S.DECIDED, S.IN_REVIEW): frozenset({Actor.OFFICER}),  # an appeal was accepted: other people look again
}


class Turn(StrEnum):
    """Whose turn it is, as a page says it."""

    APPLICANT = "applicant"
    OFFICER = "officer"
    REVIEWERS = "reviewers"
    NOBODY = "nobody"


TURNS = {
    S.DRAFT: Turn.APPLICANT,
    S.SUBMITTED: Turn.OFFICER,
    S.RETURNED: Turn.APPLICANT,
    S.IN_REVIEW: Turn.REVIEWERS,
    S.DECIDED: Turn.NOBODY,
    S.WITHDRAWN: Turn.NOBODY,
    S.EXPIRED: Turn.NOBODY,
}
OPEN = (S.DRAFT, S.SUBMITTED, S.RETURNED, S.IN_REVIEW)
WITH_APPLICANT = (S.DRAFT, S.RETURNED)
UNDER_WAY = (S.SUBMITTED, S.RETURNED, S.IN_REVIEW)

# What the applicant reads, and what the officer reads.
BADGES = {
    S.DRAFT: Badge("Draft: your turn", "quiet", "✎"),
    S.SUBMITTED: Badge("Sent: an officer's turn", "info", "→"),
    S.RETURNED: Badge("Returned: your turn", "warn", "↩"),
    S.IN_REVIEW: Badge("In review", "info", "◷"),
    S.DECIDED: Badge("Decided", "good", "●"),
    S.WITHDRAWN: Badge("Withdrawn", "quiet", "■"),
    S.EXPIRED: Badge("Expired", "quiet", "■"),
}
OFFICER_BADGES = BADGES | {
    S.DRAFT: Badge("Draft", "quiet", "✎"),
    S.SUBMITTED: Badge("New: your turn", "warn", "→"),
    S.RETURNED: Badge("With the applicant", "quiet", "↩"),
}


def check_transition(*, old: S, new: S, actor: Actor) -> None:
    """
    Let an allowed move pass.

    :raises Refusal: `move_not_allowed`
    """
    if actor not in TRANSITIONS.get((old, new), frozenset()):
        raise Refusal("move_not_allowed", f"An application that is {old.replace('_', ' ')} cannot become {new} by the {actor}.")
