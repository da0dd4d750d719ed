"""`commons://<slug>[@version]/<file>` for fsspec, and with it for pandas, dask and pyarrow. Read only."""

from __future__ import annotations

import atexit
import gc
import sys
import time
import weakref
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from . import portal

BLOCK_BYTES = 4 * 2**20
REST_S, REST_S_MAX = 0.1, 0.5
_files: weakref.WeakSet[CommonsFile] = weakref.WeakSet()  # open just now


def split(path: str) -> tuple[str, str, str]:
    """`slug[@version]/file` as slug, version ("" is the newest) and file ("" is the dataset itself)."""
    name, _, file = path.strip("/").partition("/")
    slug, _, version = name.partition("@")
    if not slug:
        raise portal.NotFound("Write commons://<slug>/<file>; the dataset's page shows the line.")
    return slug, version, file


class CommonsFileSystem(AbstractFileSystem):
    """Datasets as folders. Holds no token and no address: each process asks with its own."""

    protocol = "commons"
    root_marker = ""
    cachable = True

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = str(path)
        for start in ("fsspec+commons://", "commons://"):
            text = text.removeprefix(start)
        return text.strip("/")

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Size and sha256 of a file, or that it is a folder."""
        path = self._strip_protocol(path)
        slug, version, name = split(path)
        found = portal.manifest(slug, version)
        if name in found.files:
            return self._entry(path, found.files[name])
        if not name or any(key.startswith(f"{name}/") for key in found.files):
            return {"name": path, "type": "directory", "size": 0}
        portal.file_find(slug, version, name)  # raises, naming the files there are
        raise AssertionError("unreachable")

    # fsspec's own take every error for "not there"; a person who lacks access must read so.
    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such a file or folder. Raises AccessDenied when it may not be known."""
        return self._kind(path) != ""

    def isfile(self, path: str) -> bool:
        """Whether it is a file."""
        return self._kind(path) == "file"

    def isdir(self, path: str) -> bool:
        """Whether it is a folder."""
        return self._kind(path) == "directory"

    def _kind(self, path: str) -> str:
        try:
            return str(self.info(path)["type"])
        except portal.NotFound:
            return ""

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What lies directly in a folder of a dataset; without a dataset, the datasets that may be read."""
        path = self._strip_protocol(path)
        if not path:
            entries = [{"name": row["slug"], "type": "directory", "size": 0} for row in portal.datasets()]
        else:
            slug, version, name = split(path)
            found = portal.manifest(slug, version)
            if name in found.files:
                entries = [self._entry(path, found.files[name])]
            else:
                entries = self._children(path, f"{name}/" if name else "", found)
                if not entries:
                    portal.file_find(slug, version, name)
        return entries if detail else [entry["name"] for entry in entries]

    def _children(self, path: str, prefix: str, found: portal.Manifest) -> list[dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for key, file in found.files.items():
            if not key.startswith(prefix):
                continue
            first, _, deeper = key[len(prefix) :].partition("/")
            name = f"{path}/{first}"
            entries[name] = {"name": name, "type": "directory", "size": 0} if deeper else self._entry(name, file)
        return list(entries.values())

    @staticmethod
    def _entry(name: str, file: portal.RemoteFile) -> dict[str, Any]:
        return {"name": name, "type": "file", "size": file.size, "sha256": file.sha256}

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Bytes of a file in one request."""
        slug, version, name = split(self._strip_protocol(path))
        size = portal.file_find(slug, version, name).size
        first = 0 if start is None else start + size if start < 0 else start
        last = size if end is None else end + size if end < 0 else min(end, size)
        return portal.read_range(slug, version, name, max(first, 0), last)

    def ukey(self, path: str) -> str:
        """Changes when the bytes do: dask names its tasks after it."""
        return str(self.info(path).get("sha256", path))

    checksum = ukey

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> CommonsFile:
        if mode != "rb":
            raise portal.CommonsError("A dataset is read only. Write your results beside the notebook or in shared/.")
        return CommonsFile(self, path, mode=mode, block_size=block_size or BLOCK_BYTES, **options)


class CommonsFile(AbstractBufferedFile):
    """An open file: fetches ranges as they are asked for."""

    def __init__(self, fs: CommonsFileSystem, path: str, **options: Any) -> None:
        options.setdefault("cache_type", "readahead")
        super().__init__(fs, path, **options)
        _files.add(self)

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self.fs.cat_file(self.path, start, end)


@atexit.register
def _readers_rest() -> None:
    """
    Let pyarrow's threads let go of what they read before Python ends.

    One that is still freeing a buffer when the interpreter goes down ends the process with `terminate called without an active
    exception`: a script whose work is done, and right, would count as failed.
    Nothing tells when they are done, hence the pause.
    """
    if "pyarrow" not in sys.modules:
        return
    end = time.monotonic() + REST_S_MAX
    gc.collect()
    while len(_files) and time.monotonic() < end:
        time.sleep(0.005)
        gc.collect()
    time.sleep(REST_S)
