"""
Signed links of the filesystem store: `/o/<expires>.<ticket>.<mac>/<key>`.

Everything is in the path: readers that take `?` for a wildcard (dask, glob) are not misled.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from django.conf import settings

from portal.core.errors import Refusal


def link_sign(*, key: str, ticket: str, expires: int, verb: str = "get") -> str:
    """The path of a link that holds until `expires` (seconds since the epoch)."""
    return f"/o/{expires}.{_b64(ticket.encode())}.{_mac(verb, key, ticket, expires)}/{key}"


def link_read(*, stamp: str, key: str, at: datetime, verb: str = "get") -> str:
    """
    The ticket of a link.

    :raises Refusal: `bad_link` when it was altered, `link_expired` when its time is over
    """
    try:
        expires_text, ticket_text, mac = stamp.split(".")
        expires, ticket = int(expires_text), _unb64(ticket_text).decode()
    except ValueError:
        raise Refusal("bad_link", "This is no link of the file store. Ask for a new one.", status=403) from None
    if not hmac.compare_digest(mac.encode(), _mac(verb, key, ticket, expires).encode()):
        raise Refusal("bad_link", "This link was altered. Ask for a new one.", status=403)
    if at.timestamp() >= expires:
        raise Refusal("link_expired", "This link has expired. Ask for a new one.", status=403)
    return ticket


def _mac(verb: str, key: str, ticket: str, expires: int) -> str:
    text = "\n".join((verb, key, ticket, str(expires)))
    return _b64(hmac.new(settings.OBJECTS_KEY.encode(), text.encode(), hashlib.sha256).digest())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
