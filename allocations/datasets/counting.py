"""
How many datasets each value of a facet has. The whole catalogue is counted in the background; what somebody has narrowed is
counted when it is asked for, and is then the same for everybody for a minute.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.core.cache import caches
from django.db.models import QuerySet

from . import search, selectors
from .models import Dataset

WHOLE, LIFE_S, KEPT_S = "dataset-facets", 60, 600  # kept longer than renewed: while the worker is away, somebody counts
Counts = dict[str, list[tuple[str, str, int]]]


def counts(rows: QuerySet[Dataset], *, asked: str) -> Counts:
    """
    Facet → value, its words, how many.

    :param asked: what narrows the rows, as text; "" is the whole catalogue
    """
    key = f"{WHOLE}-{hashlib.sha256(asked.encode()).hexdigest()}"
    found: Counts | None = caches["local"].get(key)
    if found is None:
        found = caches["default"].get(WHOLE) if not asked else None
        if found is None:
            found = _count(rows)
        caches["local"].set(key, found, LIFE_S)
    return found


def counts_renew(*, at: datetime) -> None:  # noqa: ARG001 (sweeps are told the time)
    """Count the whole catalogue, so that no page has to."""
    caches["default"].set(WHOLE, _count(selectors.dataset_list()), KEPT_S)


def _count(rows: QuerySet[Dataset]) -> Counts:
    return {name: facet.count(rows) for name, facet in search.FACETS.items()}
