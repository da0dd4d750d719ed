"""Where a record of use comes from, the better ones first. Plain Python."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """Who says so. A later record corrects an earlier one only when its source is as good or better."""

    SCHEDULER = "scheduler"
    JOURNAL = "journal"
    GATEWAY = "gateway"
    HUB = "hub"
    LAST_SEEN = "last_seen"

    @property
    def rank(self) -> int:
        """0 is the best."""
        return list(Source).index(self)
