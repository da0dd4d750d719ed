"""
Reads the store's log of operations (Ceph's ops log, one JSON line per request; the file store's own in the same words) into
figures of use, without trusting notebooks.

A line is added once: the bookmark moves in the transaction that adds what it stands for.
"""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf import settings
from django.db import transaction

from allocations.datasets.use import Tally, use_add
from allocations.projects.models import Allocation
from notebooks_svc.sessions.models import Cluster, Session
from portal.objects.s3_connection import DATASETS

from .models import LogBookmark

log = logging.getLogger(__name__)
CHUNK_BYTES, CHUNKS_A_TURN, OWN_BYTES_MAX = 8 * 2**20, 8, 64 * 2**20
ID = re.compile(r"[sc][0-9a-hjkmnp-tv-z]{26}")
VISITOR = re.compile(r"p\.\d+-(\d+)")


class Line(NamedTuple):
    """What a line says of a dataset: whose session, which dataset, when, how many bytes, whether refused."""

    name: str
    slug: str
    day: date
    bytes: int
    denied: bool


def log_read_due(*, at: datetime) -> None:  # noqa: ARG001 (sweeps are told the time)
    """Read what was added since the last time, when this machine can see the store's log."""
    path = Path(settings.OBJECTS_LOG) if settings.OBJECTS_LOG else None
    if path is not None and path.exists():
        for _ in range(CHUNKS_A_TURN):
            if not log_read(path):
                if not settings.OBJECTS_URL and path.stat().st_size > OWN_BYTES_MAX:
                    path.replace(path.with_suffix(".old"))  # the file store's own: all of it was counted
                return


def log_read(path: Path) -> int:
    """
    Add one piece of a log to the figures; returns how many bytes were read. A log that was rotated is begun anew.

    :raises OSError: when it cannot be read
    """
    bookmark, _ = LogBookmark.objects.get_or_create(path=str(path))
    with path.open("rb") as file:
        stat = path.stat()
        start = bookmark.offset if stat.st_ino == bookmark.inode and stat.st_size >= bookmark.offset else 0
        file.seek(start)
        chunk = file.read(CHUNK_BYTES)
    whole = chunk[: chunk.rfind(b"\n") + 1]
    if not whole:
        return 0
    tallies = _tally([found for line in whole.splitlines() if (found := line_read(line))])
    with transaction.atomic():
        moved = LogBookmark.objects.filter(pk=bookmark.pk, inode=bookmark.inode, offset=bookmark.offset).update(
            inode=stat.st_ino, offset=start + len(whole)
        )
        if moved:
            use_add(tallies)
    return len(whole)


def line_read(raw: bytes) -> Line | None:
    """What a line says, or None when it is about no dataset, is the portal's own work, or cannot be read."""
    try:
        said: dict[str, Any] = json.loads(raw)
        name = str(said.get("sts_info", {}).get("role_session", ""))
        if said.get("bucket") != settings.OBJECTS_BUCKET_PREFIX + DATASETS or not name:
            return None
        status, operation = int(said["http_status"]), said["operation"]
        denied = status == 403
        slug = _slug(said["uri"].split(" ")[1])
        if not slug or not (denied or (operation == "get_obj" and status in (200, 206))):
            return None
        day = datetime.fromisoformat(said["time"]).date()
        return Line(name, slug, day, 0 if denied else int(said["bytes_sent"]), denied)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _slug(uri: str) -> str:
    """The dataset of a request for an object (`/bucket/slug/…`) or a list (`?prefix=slug/…`)."""
    parts = urlsplit(uri)
    path = unquote(parts.path).removeprefix("/").partition("/")[2]
    return path.partition("/")[0] or parse_qs(parts.query).get("prefix", [""])[0].partition("/")[0]


def _tally(lines: list[Line]) -> dict[tuple[str, int | None, date], Tally]:
    allocations = _allocations({line.name for line in lines})
    tallies: dict[tuple[str, int | None, date], Tally] = defaultdict(Tally)
    for line in lines:
        if line.name in allocations:
            tally = tallies[line.slug, allocations[line.name], line.day]
            tally.reads += not line.denied
            tally.denials += line.denied
            tally.bytes += line.bytes
    return tallies


def _allocations(names: set[str]) -> dict[str, int | None]:
    """Whose allocation each session at the store was for. Names this portal did not give are left out."""
    ids = {name: match[0] for name in names if (match := ID.search(name))}
    found = dict(Session.objects.filter(pk__in=ids.values()).values_list("pk", "allocation"))
    found |= dict(Cluster.objects.filter(pk__in=ids.values()).values_list("pk", "session__allocation"))
    made: dict[str, int | None] = {name: found[id] for name, id in ids.items() if id in found}
    visitors = {name: int(match[1]) for name in names if (match := VISITOR.fullmatch(name))}
    known = set(Allocation.objects.filter(pk__in=visitors.values()).values_list("pk", flat=True))
    return made | {name: pk if pk in known else None for name, pk in visitors.items()}
