"""Objects in an S3 store, by boto3: Ceph RGW at computing centres, or AWS."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from django.utils.http import content_disposition_header

from .credentials import Scope, Vendor
from .door import NoSuchObject, ObjectInfo
from .keys import key_check
from .s3_connection import DATASETS, PRIVATE, SCRATCH, S3Connection, error_status

PART_BYTES = 16 * 2**20
READ_BYTES = 4 * 2**20
SIGNER_LIFE_S = 600  # how long one session signs links: a link made at its end still holds for the other 50 minutes
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")
TRANSFER = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)


class S3Store:
    """A bucket of datasets and one for each team, which people reach with credentials, and one for the portal alone."""

    def __init__(self, connection: S3Connection, vendor: Vendor) -> None:
        self.connection, self.vendor = connection, vendor
        self._signers: dict[tuple[str, str], tuple[float, Any]] = {}
        self._lock = threading.Lock()

    @property
    def s3(self) -> Any:
        """The client with the portal's keys."""
        return self.connection.client("s3")

    def put(self, key: str, source: BinaryIO) -> ObjectInfo:
        """In parts when it is large; the store shows an object only when it is whole."""
        bucket, name = self._place(key)
        self.s3.upload_fileobj(source, bucket, name, Config=TRANSFER)
        return self.stat(key)

    def stat(self, key: str) -> ObjectInfo:
        """A HEAD."""
        bucket, name = self._place(key)
        with _missing(key):
            found = self.s3.head_object(Bucket=bucket, Key=name)
        return ObjectInfo(key, found["ContentLength"], found["ETag"], found["LastModified"])

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Page by page. A prefix that names no folder lists every bucket, one after the other."""
        folder, slash, rest = prefix.partition("/")
        if slash and (folder != SCRATCH or "/" in rest):
            yield from self._list(*self.connection.place_of_prefix(prefix))
        else:
            shared = [self.connection.bucket(name) for name in (DATASETS, PRIVATE)]
            found = [info for name in [*shared, *self.connection.team_buckets()] for info in self._list(name, "")]
            yield from sorted((info for info in found if info.key.startswith(prefix)), key=lambda info: info.key)

    def open(self, key: str) -> BinaryIO:
        """Ranges are fetched as they are read."""
        bucket, name = self._place(key)
        info = self.stat(key)
        return cast(BinaryIO, io.BufferedReader(_Reader(self.s3, bucket, name, info), READ_BYTES))

    def delete(self, key: str) -> None:
        """Deleting nothing is no error for S3 either."""
        bucket, name = self._place(key)
        self.s3.delete_object(Bucket=bucket, Key=name)

    def move(self, source: str, target: str) -> ObjectInfo:
        """Copied inside the store, then deleted. Killed between the two, both are there and the call is made again."""
        (bucket, name), (to_bucket, to_name) = self._place(source), self._place(target)
        with _missing(source):
            self.s3.copy({"Bucket": bucket, "Key": name}, to_bucket, to_name, Config=TRANSFER)
        self.s3.delete_object(Bucket=bucket, Key=name)
        return self.stat(target)

    def link(self, key: str, *, ticket: str, expires: datetime) -> str:
        """
        A presigned address. For a dataset it is signed by a session named after the ticket, so that a denial of that name
        ends the link at once; what lies in the portal's own bucket is signed with the portal's key and ends by its date.
        """
        bucket, name = self._place(key)
        params = {
            "Bucket": bucket,
            "Key": name,
            "ResponseContentDisposition": content_disposition_header(True, name.rpartition("/")[2]),
        }
        signer = self.s3 if bucket == self.connection.bucket(PRIVATE) else self._signer(ticket, key)
        return signer.generate_presigned_url("get_object", Params=params, ExpiresIn=_seconds_to(expires))

    def upload_begin(self, key: str) -> str:
        """A multipart upload of the store."""
        bucket, name = self._place(key)
        return self.s3.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"]

    def upload_link(self, key: str, *, upload: str, number: int, size: int, ticket: str, expires: datetime) -> str:
        """Presigned with the portal's key for one part of one length; it ends by its date, or with the upload."""
        bucket, name = self._place(key)
        params = {"Bucket": bucket, "Key": name, "UploadId": upload, "PartNumber": number, "ContentLength": size}
        return self.s3.generate_presigned_url("upload_part", Params=params, ExpiresIn=_seconds_to(expires))

    def upload_parts(self, key: str, *, upload: str) -> dict[int, int]:
        """What the store lists of the upload."""
        return {number: size for number, (size, _) in self._parts(key, upload).items()}

    def upload_complete(self, key: str, *, upload: str) -> ObjectInfo:
        """The store makes one object of the parts."""
        bucket, name = self._place(key)
        if parts := self._parts(key, upload):
            whole = {"Parts": [{"PartNumber": number, "ETag": etag} for number, (_, etag) in sorted(parts.items())]}
            self.s3.complete_multipart_upload(Bucket=bucket, Key=name, UploadId=upload, MultipartUpload=whole)
        return self.stat(key)

    def upload_abort(self, key: str, *, upload: str) -> None:
        """An upload that is over is no error."""
        bucket, name = self._place(key)
        try:
            self.s3.abort_multipart_upload(Bucket=bucket, Key=name, UploadId=upload)
        except ClientError as error:
            if error_status(error) != 404:
                raise

    def _parts(self, key: str, upload: str) -> dict[int, tuple[int, str]]:
        bucket, name = self._place(key)
        found: dict[int, tuple[int, str]] = {}
        try:
            for page in self.s3.get_paginator("list_parts").paginate(Bucket=bucket, Key=name, UploadId=upload):
                found |= {part["PartNumber"]: (part["Size"], part["ETag"]) for part in page.get("Parts", [])}
        except ClientError as error:
            if error_status(error) != 404:
                raise
        return found

    def _signer(self, ticket: str, key: str) -> Any:
        """A client whose session is named after the ticket and reads the key's folder, kept for some minutes."""
        parts = key.split("/")
        deep = 2 if parts[0] == SCRATCH else 3  # a team's bucket, or a version of a dataset
        folder = "/".join(parts[:deep]) + "/" if len(parts) > deep else key
        now = time.monotonic()
        with self._lock:
            known = self._signers.get((ticket, folder))
            if known and now < known[0]:
                return known[1]
            self._signers = {name: kept for name, kept in self._signers.items() if now < kept[0]}
        if not SESSION_NAME.fullmatch(ticket):
            raise ValueError(
                f"a ticket is a session's name at the store: at most 64 letters, digits and . _ - (it is {ticket!r})"
            )
        keys = self.vendor.assume(ticket, Scope(reads=(folder,)))
        client = self.connection.client_as(keys.access_key, keys.secret_key, keys.token)
        with self._lock:
            self._signers[ticket, folder] = (now + min(SIGNER_LIFE_S, keys.life_s / 6), client)
        return client

    def _list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for row in page.get("Contents", []):
                yield ObjectInfo(self.connection.key(bucket, row["Key"]), row["Size"], row["ETag"], row["LastModified"])

    def _place(self, key: str) -> tuple[str, str]:
        """What teams write into their buckets has the names their tools gave it; all other names are ours."""
        folder, _, rest = key.partition("/")
        team, slash, _ = rest.partition("/")
        key_check(f"{folder}/{team}" if folder == SCRATCH and slash else key)
        return self.connection.place(key)


class _Reader(io.RawIOBase):
    """A seekable view of an object: one range request per read, of the bytes that were there when it was opened."""

    def __init__(self, s3: Any, bucket: str, name: str, info: ObjectInfo) -> None:
        self.s3, self.bucket, self.key_name, self.info, self.position = s3, bucket, name, info, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.info.size}[whence]
        self.position = max(0, start + offset)
        return self.position

    def readall(self) -> bytes:
        return self._fetch(self.info.size)

    def readinto(self, buffer: Any) -> int:
        body = self._fetch(self.position + len(buffer))
        buffer[: len(body)] = body
        return len(body)

    def _fetch(self, end: int) -> bytes:
        first, last = self.position, min(end, self.info.size) - 1
        if last < first:
            return b""
        with _missing(self.info.key):
            answer = self.s3.get_object(
                Bucket=self.bucket, Key=self.key_name, Range=f"bytes={first}-{last}", IfMatch=self.info.etag
            )
        body = answer["Body"].read()
        self.position += len(body)
        return body


def _seconds_to(expires: datetime) -> int:
    return max(0, int((expires - datetime.now(UTC)).total_seconds()))


@contextmanager
def _missing(key: str) -> Iterator[None]:
    """Turn the store's 404 into ours."""
    try:
        yield
    except ClientError as error:
        if error_status(error) == 404:
            raise NoSuchObject(key) from None
        raise
