"""The one door to where bytes lie. The filesystem store and the S3 store keep the same contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import BinaryIO, Protocol

from django.conf import settings

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ObjectInfo:
    """What a store knows of an object. `etag` changes when the bytes do; it is no checksum."""

    key: str
    size: int
    etag: str
    modified: datetime


class NoSuchObject(LookupError):
    """Nothing lies under the key."""


class Store(Protocol):
    """What every store can do. Keys pass `keys.key_check` in each call."""

    def put(self, key: str, source: BinaryIO) -> ObjectInfo:
        """Lay bytes down under a key: all of them or none are seen, and what lay there before is replaced."""
        ...

    def stat(self, key: str) -> ObjectInfo:
        """
        What lies under a key.

        :raises NoSuchObject:
        """
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix`, in the order of their keys."""
        ...

    def open(self, key: str) -> BinaryIO:
        """
        The bytes of an object, seekable.

        :raises NoSuchObject:
        """
        ...

    def delete(self, key: str) -> None:
        """Take an object away; nothing there is no error."""
        ...

    def move(self, source: str, target: str) -> ObjectInfo:
        """
        Give an object another key without reading it.

        :raises NoSuchObject:
        """
        ...

    def link(self, key: str, *, ticket: str, expires: datetime) -> str:
        """An address under which the object is read without further proof until `expires`, while `ticket` holds."""
        ...


@cache
def store() -> Store:
    """The store this installation uses."""
    from .filesystem import FilesystemStore

    return FilesystemStore(settings.OBJECTS_ROOT, settings.FILES_URL)
