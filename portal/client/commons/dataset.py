"""`commons.open_dataset("<slug>")`: sugar over the plain lines, and files kept on disk for programs that need a path."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from . import portal
from .filesystem import split

CHUNK_BYTES = 8 * 2**20


class Dataset:
    """A version of a dataset. Reading it needs access at that moment; holding this object does not give it."""

    def __init__(self, slug: str, version: str = "") -> None:
        found = portal.manifest(slug, version, fresh=True)
        self.slug, self.version, self.title = slug, found.version, found.title
        self.licence, self.citation, self.page = found.licence, found.citation, found.page

    def __repr__(self) -> str:
        return f"<{self.slug} version {self.version}: {self.title}; {len(self.files)} files, {self.licence}>"

    @property
    def uri(self) -> str:
        """The address of this version."""
        return f"commons://{self.slug}@{self.version}"

    @property
    def files(self) -> list[str]:
        """Paths of its files."""
        return list(portal.manifest(self.slug, self.version).files)

    def pandas(self, file: str = "", **options: Any) -> Any:
        """A table as a pandas DataFrame; without a name, the first."""
        import pandas as pd

        name = self._table(file)
        reader = pd.read_parquet if name.endswith(".parquet") else pd.read_csv
        return reader(f"{self.uri}/{name}", **options)

    def dask(self, files: str = "", **options: Any) -> Any:
        """A table, or many (`stations/*.parquet`), as a dask DataFrame."""
        import dask.dataframe as dd

        name = files or self._table("")
        reader = dd.read_parquet if name.endswith(".parquet") else dd.read_csv
        return reader(f"{self.uri}/{name}", **options)

    def arrow(self, file: str = "", **options: Any) -> Any:
        """A Parquet table as a pyarrow Table."""
        import pyarrow.parquet as pq

        return pq.read_table(f"fsspec+{self.uri}/{self._table(file)}", **options)

    def path(self, file: str) -> Path:
        """A file on disk, for programs that want a path (polars, R). Its sha256 is checked."""
        return path(f"{self.uri}/{file}")

    def _table(self, name: str) -> str:
        files = self.files
        if name:
            portal.file_find(self.slug, self.version, name)
            return name
        for ending in (".parquet", ".csv"):
            for file in files:
                if file.endswith(ending):
                    return file
        raise portal.NotFound(f"{self.slug} has no table; its files: {', '.join(files[:8])}")


def open_dataset(slug: str, version: str = "") -> Dataset:
    """
    A dataset this project may read.

    :raises AccessDenied: with the reason and what to do next
    """
    return Dataset(slug, version)


def path(uri: str) -> Path:
    """
    A file of a dataset on this machine's disk, fetched at first use and checked against its sha256.

    Access is asked for each time, also when the file lies there already.

    :param uri: `commons://<slug>/<file>`
    """
    slug, version, name = split(uri.removeprefix("commons://"))
    file = portal.file_find(slug, version, name, fresh=True)
    root = Path(os.environ.get("COMMONS_CACHE") or Path(tempfile.gettempdir()) / f"commons-{os.getuid()}")
    target = root / file.sha256[:2] / file.sha256 / Path(name).name
    if target.exists() and target.stat().st_size == file.size:
        return target
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            digest = hashlib.sha256()
            for start in range(0, file.size, CHUNK_BYTES):
                chunk = portal.read_range(slug, version, name, start, min(start + CHUNK_BYTES, file.size))
                digest.update(chunk)
                out.write(chunk)
        if digest.hexdigest() != file.sha256:
            raise portal.CommonsError(
                f"{uri} arrived damaged (its sha256 differs). Try again; if it stays so, tell the steward."
            )
        shutil.move(draft, target)
    finally:
        Path(draft).unlink(missing_ok=True)
    return target
