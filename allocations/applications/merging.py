"""
Two people write one page at once: whose answer counts.

A page remembers what each answer was when it was shown, as a short mark per answer. What a person did not change is left as the
others made it; what they changed is written where nobody else did, and is a conflict where somebody did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .models import Application

EMPTY: tuple[Any, ...] = (None, "", [])
Marks = dict[str, str]


def mark(value: Any) -> str:
    """A short mark of an answer; every empty answer has the same."""
    text = "" if value in EMPTY else json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def marks_of(application: Application, keys: Iterable[str]) -> Marks:
    """Marks of the answers as they are now."""
    now = {**application.answers, **application.requested}
    return {key: mark(now.get(key)) for key in keys}


def marks_read(text: str) -> Marks:
    """What a page sent back; anything that is no such thing counts as nothing."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def own_changes(changes: Mapping[str, Any], shown: Marks) -> dict[str, Any]:
    """The answers a person changed, of all that a page sends."""
    return {key: value for key, value in changes.items() if shown.get(key) != mark(value)}


def marks_after(shown: Marks, changes: Mapping[str, Any], conflicts: Mapping[str, Any], *, seen: bool) -> Marks:
    """
    What the page shows from now on: what was written, and what it showed before.

    :param seen: whether the person is shown the others' answers that are in conflict, so that they may write over them
    """
    own = own_changes(changes, shown)
    written = {key: mark(value) for key, value in own.items() if key not in conflicts}
    return {**shown, **written, **({key: mark(theirs) for key, theirs in conflicts.items()} if seen else {})}
