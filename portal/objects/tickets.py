"""
Whom a link was made for. A ticket is `<kind>.<words>`, written and checked by a room upstairs; here it is only carried.

The check runs at every request of the file store, so a link dies with what it was made for, whatever its date says.
"""

from __future__ import annotations

import re
from datetime import datetime

from django.utils.module_loading import import_string

from portal.core.errors import Refusal

FORM = re.compile(r"(?P<kind>[a-z]{1,12})\.(?P<words>[A-Za-z0-9._-]{0,200})")
_checkers: dict[str, str] = {}


def ticket_kind(kind: str, function: str) -> None:
    """
    Register who checks tickets of a kind; called from a room's `apps.py`.

    :param function: dotted path of a function (words, key, at) → None that raises a Refusal
    """
    _checkers[kind] = function


def ticket_check(ticket: str, *, key: str, at: datetime) -> None:
    """
    Ask the room that wrote the ticket whether it still holds for this object.

    :raises Refusal: with the room's reason; `bad_link` for a ticket nobody wrote
    """
    match = FORM.fullmatch(ticket)
    if match is None or match["kind"] not in _checkers:
        raise Refusal("bad_link", "This link was not made here. Ask for a new one.", status=403)
    import_string(_checkers[match["kind"]])(match["words"], key=key, at=at)
