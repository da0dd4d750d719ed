"""What a file is, by its bytes. What it is called must not say otherwise."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import BinaryIO

HEAD_BYTES = 64 * 1024
# First bytes → what it is, and the endings it may have.
MAGIC: list[tuple[bytes, str, tuple[str, ...]]] = [
    (b"PAR1", "Parquet", (".parquet", ".pq")),
    (b"ARROW1", "Arrow", (".arrow", ".feather", ".ipc")),
    (b"\x1f\x8b", "gzip", (".gz", ".tgz")),
    (b"\x28\xb5\x2f\xfd", "Zstandard", (".zst",)),
    (b"PK\x03\x04", "Zip", (".zip", ".xlsx", ".npz", ".docx")),
    (b"\x89PNG", "PNG image", (".png",)),
    (b"\xff\xd8\xff", "JPEG image", (".jpg", ".jpeg")),
    (b"II*\x00", "TIFF image", (".tif", ".tiff")),
    (b"MM\x00*", "TIFF image", (".tif", ".tiff")),
    (b"\x89HDF\r\n", "HDF5", (".h5", ".hdf5", ".nc")),
    (b"CDF", "NetCDF", (".nc",)),
    (b"\x93NUMPY", "NumPy", (".npy",)),
    (b"SQLite format 3", "SQLite", (".sqlite", ".db", ".gpkg")),
    (b"%PDF-", "PDF", (".pdf",)),
]
PROGRAMS = (b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"#!")
TEXTS = {".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".md", ".xml", ".geojson", ".yaml", ".yml"}


class NotAsNamed(ValueError):
    """The bytes are not what the name says, or are nothing we publish. The message says which."""


def sniff(file: BinaryIO, *, path: str, size: int) -> str:
    """
    What a file is, in words.

    :raises NotAsNamed: a program, a broken Parquet file, or bytes that are not what the ending says
    """
    ending = Path(path).suffix.lower()
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head.startswith(PROGRAMS):
        raise NotAsNamed(f"{path} is a program. Datasets hold data only.")
    kind, endings = next(((kind, ends) for magic, kind, ends in MAGIC if head.startswith(magic)), ("", ()))
    if kind == "Parquet":
        _parquet_check(file, path, size)
    if kind and ending not in endings:
        if ending in TEXTS or any(ending in ends for _, _, ends in MAGIC):
            raise NotAsNamed(f"{path} is called {ending} but is {kind}. Name it {endings[0]}.")
        return kind
    if not kind and any(ending in ends for _, _, ends in MAGIC):
        raise NotAsNamed(f"{path} is called {ending} but its bytes are something else. It is broken, or misnamed.")
    return kind or (_text(head, path, ending, whole=size <= HEAD_BYTES) if ending in TEXTS else "unknown")


def _parquet_check(file: BinaryIO, path: str, size: int) -> None:
    file.seek(max(0, size - 8))
    tail = file.read(8)
    footer = int.from_bytes(tail[:4], "little")
    if size < 12 or tail[4:] != b"PAR1" or footer + 12 > size:
        raise NotAsNamed(f"{path} is a broken Parquet file: its end is missing. Write it again and upload it whole.")


def _text(head: bytes, path: str, ending: str, *, whole: bool) -> str:
    if b"\0" in head:
        raise NotAsNamed(f"{path} is called {ending} but is no text.")
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if whole or error.start < len(head) - 4:
            raise NotAsNamed(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
        text = head[: error.start].decode("utf-8-sig")
    if ending == ".csv":
        rows = list(csv.reader(text.splitlines()[:20]))
        widths = {len(row) for row in rows[: -1 if not whole else None] if row}
        if len(widths) > 1:
            raise NotAsNamed(
                f"{path} has rows of {min(widths)} to {max(widths)} columns in its first lines. Is a quote missing?"
            )
    return "text"
