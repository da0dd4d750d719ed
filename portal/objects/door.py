"""The one door to where bytes lie. The filesystem store and the S3 store keep the same contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, Protocol

from django.conf import settings

if TYPE_CHECKING:
    from .credentials import Vendor

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

    # --- uploads in parts, straight from a browser or a program to the store; a lost line costs a part, not the file ----------

    def upload_begin(self, key: str) -> str:
        """Begin an upload under a key; returns its name. Nothing is seen under the key until it is completed."""
        ...

    def upload_link(self, key: str, *, upload: str, number: int, size: int, ticket: str, expires: datetime) -> str:
        """
        An address that takes part `number` (from 1) of exactly `size` bytes by PUT until `expires`. Putting a part again
        replaces it.
        """
        ...

    def upload_parts(self, key: str, *, upload: str) -> dict[int, int]:
        """Parts that have arrived whole: number → bytes."""
        ...

    def upload_complete(self, key: str, *, upload: str) -> ObjectInfo:
        """
        Make the object of its parts, in the order of their numbers. Asked again after it was done, answers the same.

        :raises NoSuchObject: no such upload, or no part has arrived
        """
        ...

    def upload_abort(self, key: str, *, upload: str) -> None:
        """Forget an upload and its parts; nothing there is no error."""
        ...


@cache
def store() -> Store:
    """The store this installation uses."""
    if (hands_out := vendor()) is not None:
        from .s3 import S3Store

        hands_out.connection.buckets_prepare()
        return S3Store(hands_out.connection, hands_out)
    from .filesystem import FilesystemStore

    return FilesystemStore(settings.OBJECTS_ROOT, settings.FILES_URL)


@cache
def vendor() -> Vendor | None:
    """Who hands out credentials of the store; None where the store hands out links only."""
    if not settings.OBJECTS_URL:
        return None
    from .credentials import Vendor
    from .s3_connection import connection_from_settings

    return Vendor(connection_from_settings())


def session_environment(team: str) -> dict[str, str]:
    """
    What a session's environment says of the store, names and addresses only: nothing where it hands out links.

    :param team: whose bucket it writes to
    """
    hands_out = vendor()
    if hands_out is None:
        return {}
    connection = hands_out.connection
    said = {
        "AWS_ENDPOINT_URL": connection.url,
        "AWS_REGION": connection.region,
        "AWS_DEFAULT_REGION": connection.region,
        # Ceph answers MissingContentLength to the checksum trailers that boto3 otherwise sends over TLS.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "COMMONS_SCRATCH": f"s3://{connection.team_bucket(team)}",
    }
    return said | ({"AWS_CA_BUNDLE": connection.ca} if connection.ca else {})
