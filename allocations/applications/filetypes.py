"""What a file is, read from its bytes. What it is called says nothing."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass

OFFICE = {"docx": "word/document.xml", "xlsx": "xl/workbook.xml"}
MEDIA = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "csv": "text/csv; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
ENDINGS = {"jpeg": "jpg", "text": "txt"}
WORDS = {
    "pdf": "a PDF",
    "png": "a PNG image",
    "jpeg": "a JPEG image",
    "csv": "a CSV table",
    "text": "a text file",
    "docx": "a Word document (.docx)",
    "xlsx": "an Excel workbook (.xlsx)",
}
# Files that would do something when opened, or pass for text; none is taken under any name.
LIVE = (
    (b"GIF8", "a GIF image"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"#!", "a script"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
)
TAGS = (b"<html", b"<!doctype html", b"<script", b"<svg", b"<?xml", b"<?php")
ENTRIES_MAX, UNPACKED_MAX = 5000, 500 * 10**6


@dataclass(frozen=True)
class FileType:
    """What a file is: one of the kinds a call may ask for, or None with words for what it seems to be."""

    kind: str | None
    words: str


def file_type(body: bytes) -> FileType:
    """Find a file's kind from its content."""
    start = body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, words in LIVE:
        if body.startswith(mark):
            return FileType(None, words)
    if any(start[:200].lower().startswith(tag) for tag in TAGS):
        return FileType(None, "a web page or other markup")
    if body.startswith(b"%PDF-"):
        return FileType("pdf", WORDS["pdf"]) if b"%%EOF" in body[-2048:] else FileType(None, "a PDF that is cut off")
    for mark, kind in ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg")):
        if body.startswith(mark):
            return FileType(kind, WORDS[kind])
    if body.startswith(b"PK\x03\x04"):
        return _office(body)
    return _text(body)


def fits(found: FileType, wanted: list[str]) -> bool:
    """Whether a file of this type may stand where these kinds are asked for; a table may stand for text."""
    return found.kind in wanted or (found.kind == "csv" and "text" in wanted)


def _office(body: bytes) -> FileType:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return FileType(None, "a broken archive")
    names = {entry.filename for entry in entries}
    if len(entries) > ENTRIES_MAX or sum(entry.file_size for entry in entries) > UNPACKED_MAX:
        return FileType(None, "an archive that unpacks to far more than it seems")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        return FileType(None, "an Office file with macros")
    for kind, part in OFFICE.items():
        if "[Content_Types].xml" in names and part in names:
            return FileType(kind, WORDS[kind])
    return FileType(None, "an archive")


def _text(body: bytes) -> FileType:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return FileType(None, "a file of a kind we do not know")
    if any(ord(sign) < 32 and sign not in "\t\r\n\f" for sign in text):
        return FileType(None, "a file of a kind we do not know")
    rows = list(csv.reader(io.StringIO(text[:20_000])))
    widths = {len(row) for row in rows[:-1] if row}
    table = len(widths) == 1 and max(widths) > 1 and len(rows) > 1
    return FileType("csv", WORDS["csv"]) if table else FileType("text", WORDS["text"])
