"""HTTP ranges: `bytes=0-99`, `bytes=100-`, and the last n bytes `bytes=-8`, with which Parquet readers begin."""

from __future__ import annotations

import io
import re
from typing import Any, BinaryIO

RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class NotSatisfiable(ValueError):
    """The range lies outside the object."""


def range_read(header: str, size: int) -> tuple[int, int] | None:
    """
    First byte and length that a Range header asks for; None when it asks for all, or for something we need not know.

    :raises NotSatisfiable:
    """
    match = RANGE.fullmatch(header.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None  # several ranges, or another unit: the whole object is a lawful answer
    if not match[1]:
        length = min(int(match[2]), size)
        if length == 0:
            raise NotSatisfiable
        return size - length, length
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None
    if first >= size:
        raise NotSatisfiable
    return first, last - first + 1


class Slice(io.RawIOBase):
    """A part of a file that ends where the range does; keeps `fileno`, so a web server may let the kernel send it."""

    def __init__(self, file: BinaryIO, first: int, length: int) -> None:
        self.file, self.left = file, length
        file.seek(first)

    def read(self, size: int = -1) -> bytes:
        """At most what is left."""
        wanted = self.left if size < 0 else min(size, self.left)
        chunk = self.file.read(wanted) if wanted else b""
        self.left -= len(chunk)
        return chunk

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.file.fileno()

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        if not self.closed:
            self.file.close()
        super().close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
