"""Which seconds are charged, which are the provider's overrun, and what is free. Plain Python; times by the site's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STOP_GRACE_S = 60  # after a stop was asked for, at most this much more is charged
FREE_STOPS = frozenset({"operator"})
# How a process ended when that was the site's doing. Slurm's own words for it, and our runner's.
SITE_FAULTS = {
    "runner lost": "the site lost it",
    "agent lost": "the site lost it",
    "node_fail": "a node of the site failed",
    "boot_fail": "a node of the site did not start",
    "preempted": "the site took its place for something else",
}
# A millisecond's grace: two moments that were rounded on their way may fall just short of the minutes that were bought.
ROUNDED_S = 0.001


@dataclass(frozen=True)
class Evidence:
    """What one report says of one process."""

    started: float | None
    ready_at: float | None
    ended: float
    reason: str = ""


@dataclass(frozen=True)
class Counted:
    """The seconds that are charged; those it ran beyond what was bought; and why when none are charged."""

    seconds: int
    overrun: int = 0
    free_reason: str = ""


def site_fault(reason: str) -> str:
    """In plain words how the site ended it, or "" when the site did not."""
    known = reason.lower()
    return next((words for key, words in SITE_FAULTS.items() if known.startswith(key)), "")


def seconds_counted(
    evidence: Evidence,
    *,
    deadline: float | None,
    stop_asked: float | None,
    stop_reason: str,
    outages: Sequence[tuple[float, float]] = (),
) -> Counted:
    """
    min(end, deadline, stop asked + 60 s) − max(start, ready), in whole seconds, without declared outages.

    Free, a closed list: never ready, NODE_FAIL, BOOT_FAIL, PREEMPTED, agent or runner lost, ended by an operator.
    """
    if evidence.ready_at is None:
        return Counted(0, free_reason="it was never ready")
    if fault := site_fault(evidence.reason):
        return Counted(0, free_reason=fault)
    if stop_reason in FREE_STOPS:
        return Counted(0, free_reason="an operator ended it")
    until = evidence.ended
    if deadline is not None:
        until = min(until, deadline)
    if stop_asked is not None:
        until = min(until, stop_asked + STOP_GRACE_S)
    begin = begin_of(evidence)
    ran = max(0, int(until - begin + ROUNDED_S))
    lost = sum(max(0.0, min(until, last) - max(begin, first)) for first, last in outages)
    seconds = max(0, int(until - begin - lost + ROUNDED_S))
    return Counted(seconds, overrun=max(0, int(evidence.ended - begin + ROUNDED_S) - ran))


def begin_of(evidence: Evidence) -> float:
    """When charging begins: the first moment it was both started and ready."""
    assert evidence.ready_at is not None  # noqa: S101 (the caller looked)
    return max(evidence.started or evidence.ready_at, evidence.ready_at)
