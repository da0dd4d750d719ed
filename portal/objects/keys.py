"""Names of objects. One rule for every store, so that a key means the same in a folder, in a link and in an access policy."""

from __future__ import annotations

import re

from portal.core.errors import Malformed

SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+-]{0,199}")
KEY_MAX = 700
SEGMENTS_MAX = 12


def key_check(key: str) -> str:
    """
    Let a key pass: letters, digits and `. _ - = +`, folders by `/`, no part that begins with a dot.

    :raises Malformed: naming the part that is not allowed
    """
    parts = key.split("/")
    if len(key) > KEY_MAX or len(parts) > SEGMENTS_MAX:
        raise Malformed(f"This name is too long: at most {KEY_MAX} characters and {SEGMENTS_MAX} folders.", code="bad_name")
    for part in parts:
        if not SEGMENT.fullmatch(part):
            raise Malformed(
                f"{part[:80]!r} cannot be part of a file's name. Use letters, digits, and . _ - = + (not first), "
                "with / between folders.",
                code="bad_name",
            )
    return key
