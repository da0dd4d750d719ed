"""What people type, made fit to keep: one rule for every text, wherever it comes in. Plain Python."""

from __future__ import annotations

import re
from typing import Any

from .errors import Malformed

NULL = "\x00"
DIGITS_MAX = 18
# Characters no keyboard has and no page shows: pasted from PDF files, or sent to harm. Tab and line ends are text.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def text_clean(text: str) -> str:
    """The same text without what nobody could see; lines end in one way."""
    return CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def cell_plain(text: str) -> str:
    """A cell of a table that a spreadsheet shows as it is: one that begins like a formula gets an apostrophe first."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def text_unkeepable(value: Any) -> bool:
    """Whether anything in a parsed JSON value could not be kept: U+0000, or half of a pair of surrogates."""
    if isinstance(value, str):
        return NULL in value or any("\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, dict):
        return any(text_unkeepable(key) or text_unkeepable(one) for key, one in value.items())
    return isinstance(value, list) and any(map(text_unkeepable, value))


def whole_number(text: str) -> int | None:
    """
    A whole number as a form or an address sends it; None for everything else, also for digits of other scripts and for numbers
    that no column holds.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None


def text_fitting(text: str, *, most: int, field: str) -> str:
    """
    A text without the space around it, where it is short enough. What somebody wrote is never cut: it is kept or refused whole.

    :param most: characters
    :raises Malformed: with both figures
    """
    words = text.strip()
    if len(words) > most:
        raise Malformed(f"At most {most:,} characters; this has {len(words):,}. Shorten it and send it again.", field=field)
    return words
