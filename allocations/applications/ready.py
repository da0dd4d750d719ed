"""Ready-made words for officers, and the rule that what stands in brackets is filled in before anybody reads it."""

from __future__ import annotations

import re

from portal.core.errors import Malformed

GAP = re.compile(r"\[say [^\]\n]*\]", re.IGNORECASE)
RETURN = [
    ("More detail", "Please say in more detail [say which answer, and what is missing]."),
    ("The amount does not follow", "Please show how the credits you ask for follow from your plan: [say where it is unclear]."),
    ("A file is missing or cannot be read", "Please attach [say which file] again; we could not read it."),
    ("Personal data", "Please say how people in the data are protected: [say what is open]."),
]


def check_filled_in(words: str, *, field: str) -> None:
    """
    Let words pass that have no gap left.

    :raises Malformed: naming the first gap
    """
    if gap := GAP.search(words):
        raise Malformed(f"Fill in what stands in brackets first: {gap[0]}. It is read exactly as it stands.", field=field)
