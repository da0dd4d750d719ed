"""Objects that no row names: bytes whose row was never written, or is gone. Found by listing, deleted after a day."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice

from django.core.cache import caches

from .door import NoSuchObject, ObjectInfo, store

log = logging.getLogger(__name__)
AGE = timedelta(days=1)  # a row may still be on its way
EVERY_S = 6 * 3600
BATCH = 500


def orphans_delete(*, prefix: str, known: Callable[[Sequence[str]], set[str]], at: datetime) -> int:
    """
    Delete what lies under a prefix since more than a day and belongs to nothing. Returns how many objects.

    :param known: of some keys, those that a row names
    """
    deleted = 0
    listed = store().list(prefix)
    while found := list(islice(listed, BATCH)):
        old = [one for one in found if one.modified < at - AGE]
        named = known([one.key for one in old]) if old else set()
        for one in old:
            if one.key not in named and _same(one):
                store().delete(one.key)
                deleted += 1
    if deleted:
        log.info("%s objects under %s belonged to nothing and were deleted", deleted, prefix)
    return deleted


def orphans_due(prefix: str) -> bool:
    """Whether it is time to list a prefix again: listing costs, and a lost turn costs nothing."""
    return caches["default"].add(f"orphans-{prefix}", 1, EVERY_S)


def _same(one: ObjectInfo) -> bool:
    """Whether nobody has put it anew since it was listed."""
    try:
        return store().stat(one.key).modified == one.modified
    except NoSuchObject:
        return False
