"""The life of a session. Each row also has a target: where it should be."""

from __future__ import annotations

from enum import StrEnum

from portal.core.errors import Refusal
from portal.web.badges import Badge


class S(StrEnum):
    """Where a session is."""

    REQUESTED = "requested"
    QUEUED = "queued"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    ENDED = "ended"
    FAILED = "failed"


class Target(StrEnum):
    """Where a session should be."""

    READY = "ready"
    ENDED = "ended"


class Actor(StrEnum):
    """Who moves a session."""

    PORTAL = "portal"
    SITE = "site"


OPEN = (S.REQUESTED, S.QUEUED, S.STARTING, S.READY, S.STOPPING)
BEFORE_READY = (S.REQUESTED, S.QUEUED, S.STARTING)
OVER = (S.ENDED, S.FAILED)

# Every allowed move, and who may make it. A move that is absent is forbidden.
TRANSITIONS: dict[tuple[S, S], frozenset[Actor]] = {
    (S.REQUESTED, S.QUEUED): frozenset({Actor.PORTAL}),
    (S.REQUESTED, S.READY): frozenset({Actor.SITE}),
    (S.REQUESTED, S.STOPPING): frozenset({Actor.PORTAL}),
    (S.REQUESTED, S.ENDED): frozenset({Actor.PORTAL}),
    (S.REQUESTED, S.FAILED): frozenset({Actor.PORTAL}),
    (S.QUEUED, S.STARTING): frozenset({Actor.PORTAL, Actor.SITE}),
    (S.QUEUED, S.READY): frozenset({Actor.SITE}),
    (S.QUEUED, S.STOPPING): frozenset({Actor.PORTAL}),
    (S.QUEUED, S.FAILED): frozenset({Actor.SITE}),
    (S.STARTING, S.READY): frozenset({Actor.SITE}),
    (S.STARTING, S.STOPPING): frozenset({Actor.PORTAL}),
    (S.STARTING, S.FAILED): frozenset({Actor.SITE}),
    (S.READY, S.STOPPING): frozenset({Actor.PORTAL}),
    (S.READY, S.ENDED): frozenset({Actor.SITE}),
    (S.READY, S.FAILED): frozenset({Actor.SITE}),
    (S.STOPPING, S.ENDED): frozenset({Actor.SITE}),
    (S.STOPPING, S.FAILED): frozenset({Actor.SITE}),
}

BADGES = {
    S.REQUESTED: Badge("Credits set aside", "info", "◷"),
    S.QUEUED: Badge("Waiting for a place", "info", "◷"),
    S.STARTING: Badge("Starting", "info", "◷"),
    S.READY: Badge("Running", "good", "●"),
    S.STOPPING: Badge("Stopping", "warn", "◷"),
    S.ENDED: Badge("Ended", "quiet", "■"),
    S.FAILED: Badge("Did not work", "bad", "✕"),
}


def check_transition(*, old: S, new: S, actor: Actor) -> None:
    """
    Let an allowed move pass.

    :raises Refusal: `move_not_allowed`
    """
    if actor not in TRANSITIONS.get((old, new), frozenset()):
        raise Refusal("move_not_allowed", f"A session that is {old} cannot become {new} by the {actor}.")
