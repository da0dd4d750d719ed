"""
A zip of many files, streamed while it is read: nothing is written to disk, and its length is known before the first byte, so
that a browser shows how far it is.

Source of the lengths: PKWARE APPNOTE 6.3, sections 4.3.7 to 4.3.16, as Python's zipfile writes them to a stream.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime

from .taking import Gone, Item

LIMIT = (1 << 31) - 1  # zipfile's ZIP64_LIMIT
LOCAL, DESCRIPTOR, CENTRAL, END, END_64 = 30 + 20, 24, 46, 22, 56 + 20
NOTE = "READ-ME.txt"
NOTE_SPARE = 2000  # room in the note for names of what was not there any more
MANY = 65_535
PAD = b" " * 65_536


class _Sink:
    """What zipfile writes to: hands on what came, and cannot go back."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self.pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is kept."""

    def taken(self) -> Iterator[bytes]:
        """What came since the last time."""
        pieces, self.pieces = self.pieces, []
        yield from pieces


def archive_length(items: Sequence[Item], *, words: str) -> int:
    """How many bytes `archive_stream` gives for the same items."""
    sizes = [(item.path, item.size) for item in items] + [(NOTE, len(words.encode()) + NOTE_SPARE)]
    offset = central = 0
    for path, size in sizes:
        name = len(path.encode())
        extra = 16 * (size > LIMIT) + 8 * (offset > LIMIT)
        central += CENTRAL + name + (extra + 4 if extra else 0)
        offset += LOCAL + name + size + DESCRIPTOR
    large = len(sizes) > MANY or offset > LIMIT or central > LIMIT
    return offset + central + (END_64 if large else 0) + END


def archive_stream(items: Sequence[Item], *, words: str, at: datetime) -> Iterator[bytes]:
    """
    The zip, piece by piece. A file that shrank or went since it was listed is named in the note at the end, which grows by as
    much, so that the whole has the length that was said.
    """
    sink, missing = _Sink(), 0
    told: list[str] = []
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for item in items:
            left = item.size
            with archive.open(_entry(item.path, item.modified), "w", force_zip64=True) as entry:
                try:
                    with item.read(0) if left else nullcontext(iter(())) as pieces:
                        for piece in pieces:
                            entry.write(piece[:left])
                            left -= min(left, len(piece))
                            yield from sink.taken()
                            if not left:
                                break
                except Gone:
                    pass
            if left:
                told.append(item.path)
                missing += left
            yield from sink.taken()
        with archive.open(_entry(NOTE, at), "w", force_zip64=True) as note:
            body = (words + _changed(told)).encode()[: len(words.encode()) + NOTE_SPARE + missing]
            note.write(body)
            rest = len(words.encode()) + NOTE_SPARE + missing - len(body)
            while rest:
                note.write(PAD[:rest])
                rest -= len(PAD[:rest])
                yield from sink.taken()
    yield from sink.taken()


def _changed(told: list[str]) -> str:
    if not told:
        return ""
    return "\n\nNot whole, because they changed or went while this was sent:\n" + "\n".join(told)


def _entry(path: str, modified: datetime) -> zipfile.ZipInfo:
    when = max((1980, 1, 1, 0, 0, 0), modified.timetuple()[:6])
    entry = zipfile.ZipInfo(path, date_time=when)
    entry.external_attr = 0o644 << 16
    return entry
