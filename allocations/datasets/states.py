"""The life of an access, from request to end, and the classes of access. Plain Python but for the badges."""

from __future__ import annotations

from enum import StrEnum

from portal.core.errors import Refusal
from portal.web.badges import Badge


class AccessClass(StrEnum):
    """Who may read a dataset."""

    OPEN = "open"
    REGISTERED = "registered"
    CONTROLLED = "controlled"


class A(StrEnum):
    """Where an access is in its life."""

    REQUESTED = "requested"
    AWAITING_TERMS = "awaiting_terms"
    GRANTED = "granted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    EXPIRED = "expired"
    RENEWED = "renewed"


class Actor(StrEnum):
    """Who moves an access."""

    APPLICANT = "applicant"
    STEWARD = "steward"
    CLOCK = "clock"


class V(StrEnum):
    """Where a version is in its life."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Hand(StrEnum):
    """Who moves a version."""

    CONTRIBUTOR = "contributor"
    REVIEWER = "reviewer"
    PORTAL = "portal"


# The life of a version. A published one never changes; it can only be withdrawn, and then leaves its page as a tombstone.
VERSION_TRANSITIONS: dict[tuple[V, V], frozenset[Hand]] = {
    (V.DRAFT, V.IN_REVIEW): frozenset({Hand.CONTRIBUTOR}),
    (V.DRAFT, V.PUBLISHED): frozenset({Hand.PORTAL}),
    (V.IN_REVIEW, V.DRAFT): frozenset({Hand.CONTRIBUTOR, Hand.REVIEWER}),
    (V.IN_REVIEW, V.PUBLISHED): frozenset({Hand.REVIEWER}),
    (V.PUBLISHED, V.WITHDRAWN): frozenset({Hand.CONTRIBUTOR, Hand.REVIEWER}),
}

VERSION_BADGES = {
    V.DRAFT: Badge("Draft", "quiet", "○"),
    V.IN_REVIEW: Badge("In review", "info", "◷"),
    V.PUBLISHED: Badge("Published", "good", "●"),
    V.WITHDRAWN: Badge("Withdrawn", "warn", "■"),
}


class U(StrEnum):
    """Where an uploaded file is."""

    RECEIVING = "receiving"
    CHECKING = "checking"
    STORED = "stored"
    REFUSED = "refused"
    ABANDONED = "abandoned"


UPLOAD_BADGES = {
    U.RECEIVING: Badge("Arriving", "info", "◷"),
    U.CHECKING: Badge("Being checked", "info", "◷"),
    U.STORED: Badge("Ready", "good", "●"),
    U.REFUSED: Badge("Refused", "bad", "✕"),
    U.ABANDONED: Badge("Given up", "quiet", "■"),
}

OPEN_STATES = (A.REQUESTED, A.AWAITING_TERMS, A.GRANTED)

# Every allowed move, and who may make it. A move that is absent is forbidden.
TRANSITIONS: dict[tuple[A, A], frozenset[Actor]] = {
    (A.REQUESTED, A.GRANTED): frozenset({Actor.STEWARD}),
    (A.REQUESTED, A.REJECTED): frozenset({Actor.STEWARD}),
    (A.REQUESTED, A.WITHDRAWN): frozenset({Actor.APPLICANT}),
    (A.AWAITING_TERMS, A.GRANTED): frozenset({Actor.APPLICANT}),
    (A.AWAITING_TERMS, A.WITHDRAWN): frozenset({Actor.APPLICANT}),
    (A.GRANTED, A.REVOKED): frozenset({Actor.STEWARD}),
    (A.GRANTED, A.WITHDRAWN): frozenset({Actor.APPLICANT}),
    (A.GRANTED, A.EXPIRED): frozenset({Actor.CLOCK}),
    (A.GRANTED, A.RENEWED): frozenset({Actor.STEWARD}),
}

BADGES = {
    A.REQUESTED: Badge("Waiting for the steward", "info", "◷"),
    A.AWAITING_TERMS: Badge("Waiting for your acceptance", "warn", "◷"),
    A.GRANTED: Badge("Granted", "good", "●"),
    A.REJECTED: Badge("Refused", "bad", "✕"),
    A.WITHDRAWN: Badge("Withdrawn", "quiet", "■"),
    A.REVOKED: Badge("Revoked", "bad", "✕"),
    A.EXPIRED: Badge("Ended", "quiet", "■"),
    A.RENEWED: Badge("Renewed", "quiet", "■"),
}

CLASS_BADGES = {
    AccessClass.OPEN: Badge("Open", "good", "○"),
    AccessClass.REGISTERED: Badge("Registered: accept the terms", "info", "◐"),
    AccessClass.CONTROLLED: Badge("Controlled: the steward decides", "warn", "◉"),
}


def check_version_transition(*, old: V, new: V, hand: Hand) -> None:
    """
    Let an allowed move of a version pass.

    :raises Refusal: `move_not_allowed`
    """
    if hand not in VERSION_TRANSITIONS.get((old, new), frozenset()):
        words = f"A version that is {old.replace('_', ' ')} cannot become {new.replace('_', ' ')} by the {hand}."
        raise Refusal("move_not_allowed", words)


def check_transition(*, old: A, new: A, actor: Actor) -> None:
    """
    Let an allowed move pass.

    :raises Refusal: `move_not_allowed`
    """
    if actor not in TRANSITIONS.get((old, new), frozenset()):
        raise Refusal("move_not_allowed", f"Access that is {old.replace('_', ' ')} cannot become {new} by the {actor}.")
