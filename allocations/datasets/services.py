"""Writes about datasets: requests, grants, terms, versions."""

from __future__ import annotations

from datetime import datetime

from allocations.projects.models import Allocation
from portal.accounts.models import User


def requests_from_award(*, allocation: Allocation, slugs: list[str], by: User | None, purpose: str, at: datetime) -> None:
    """
    Turn the datasets named in an application into requests for the new allocation.

    Open: granted at once. Registered: granted once the terms are accepted. Controlled: the steward decides.
    """
