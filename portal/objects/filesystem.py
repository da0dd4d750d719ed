"""Objects as files in a folder of this machine: the embedded default. It hands out links, not credentials."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from .door import CHUNK_BYTES, NoSuchObject, ObjectInfo
from .keys import key_check
from .links import link_sign

DRAFTS = ".drafts"  # no key begins with a dot, so what is half written can never be read


UPLOAD = re.compile(r"[0-9a-f]{24}")


def put_verb(upload: str, number: int, size: int) -> str:
    """What a link that takes a part is signed for."""
    return f"put {upload} {number} {size}"


class FilesystemStore:
    """A folder; a key is a path below it."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url

    def put(self, key: str, source: BinaryIO) -> ObjectInfo:
        """Written beside, synced, then renamed: a reader sees the old bytes or the new ones."""
        target = self._path(key)
        draft = self._draft()
        try:
            with draft.open("wb") as handle:
                shutil.copyfileobj(source, handle, CHUNK_BYTES)
                handle.flush()
                os.fsync(handle.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return self.stat(key)

    def stat(self, key: str) -> ObjectInfo:
        """Size and time of the file."""
        try:
            found = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchObject(key) from None
        if not os.path.isfile(self._path(key)):
            raise NoSuchObject(key)
        etag = f'"{found.st_size:x}-{found.st_mtime_ns:x}"'
        return ObjectInfo(key, found.st_size, etag, datetime.fromtimestamp(found.st_mtime, UTC))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Walks the folder part of the prefix; only files."""
        folder = self.root / prefix.rpartition("/")[0]
        keys = [
            path.relative_to(self.root).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and DRAFTS not in path.relative_to(self.root).parts
        ]
        return (self.stat(key) for key in sorted(keys) if key.startswith(prefix))

    def open(self, key: str) -> BinaryIO:
        """The file, unbuffered, so that a server can hand it to the kernel to send."""
        try:
            return self._path(key).open("rb", buffering=0)  # type: ignore[return-value]
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NoSuchObject(key) from None

    def delete(self, key: str) -> None:
        """Unlink."""
        self._path(key).unlink(missing_ok=True)

    def move(self, source: str, target: str) -> ObjectInfo:
        """Rename."""
        path = self._path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._path(source).replace(path)
        except FileNotFoundError:
            raise NoSuchObject(source) from None
        return self.stat(target)

    def link(self, key: str, *, ticket: str, expires: datetime) -> str:
        """Signed by this installation, answered by the file store."""
        return self.url + link_sign(key=key_check(key), ticket=ticket, expires=int(expires.timestamp()))

    def upload_begin(self, key: str) -> str:
        """A folder among the drafts."""
        key_check(key)
        name = secrets.token_hex(12)
        self._upload(name).mkdir(mode=0o700, parents=True)
        return name

    def upload_link(self, key: str, *, upload: str, number: int, size: int, ticket: str, expires: datetime) -> str:
        """Signed for one part of one upload, and for its length."""
        stamp = link_sign(
            key=key_check(key), ticket=ticket, expires=int(expires.timestamp()), verb=put_verb(upload, number, size)
        ).split("/")[2]
        return f"{self.url}/u/{stamp}/{upload}/{number}/{key}"

    def upload_put(self, *, upload: str, number: int, source: BinaryIO, size: int) -> None:
        """
        Keep a part that arrived whole; one that was cut leaves nothing.

        :raises NoSuchObject: the upload was completed or aborted
        :raises ConnectionError: fewer bytes came than were announced
        """
        folder = self._upload(upload)
        if not folder.is_dir():
            raise NoSuchObject(upload)
        draft = folder / f".{number}-{secrets.token_hex(4)}"
        try:
            with draft.open("wb") as handle:
                left = size
                while left and (chunk := source.read(min(CHUNK_BYTES, left))):
                    handle.write(chunk)
                    left -= len(chunk)
            if left:
                raise ConnectionError(f"{left} of {size} bytes did not arrive")
            draft.replace(folder / f"{number:05}")
        finally:
            draft.unlink(missing_ok=True)

    def upload_parts(self, key: str, *, upload: str) -> dict[int, int]:
        """The folder's files."""
        key_check(key)
        try:
            return {
                int(path.name): path.stat().st_size for path in sorted(self._upload(upload).iterdir()) if path.name.isdigit()
            }
        except FileNotFoundError:
            return {}

    def upload_complete(self, key: str, *, upload: str) -> ObjectInfo:
        """The parts are laid one behind the other, synced, and renamed to the key."""
        parts = sorted(self._parts(upload))
        if not parts:
            return self.stat(key)  # done before, or there was nothing
        draft = self._draft()
        try:
            with draft.open("wb") as handle:
                for part in parts:
                    with part.open("rb") as source:
                        shutil.copyfileobj(source, handle, CHUNK_BYTES)
                handle.flush()
                os.fsync(handle.fileno())
            target = self._path(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        self.upload_abort(key, upload=upload)
        return self.stat(key)

    def upload_abort(self, key: str, *, upload: str) -> None:
        """Remove the folder: out of sight at once, so that a kill in the middle leaves no half of it to be completed."""
        key_check(key)
        gone = self.root / DRAFTS / f"over-{upload}"
        with contextlib.suppress(OSError):
            self._upload(upload).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _parts(self, upload: str) -> Iterable[Path]:
        folder = self._upload(upload)
        return [path for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []

    def _upload(self, name: str) -> Path:
        if not UPLOAD.fullmatch(name):
            raise NoSuchObject(name)
        return self.root / DRAFTS / f"upload-{name}"

    def _path(self, key: str) -> Path:
        return self.root / key_check(key)

    def _draft(self) -> Path:
        folder = self.root / DRAFTS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / secrets.token_hex(8)
