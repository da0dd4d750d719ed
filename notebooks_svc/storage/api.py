from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from ninja import Query, Router, Schema

from allocations.projects import selectors as projects_read
from portal.api.root import caller
from portal.core.quantities import credits_text

from . import keeping, taking
from .files_views import content_answer
from .models import KeptDay

router = Router(tags=["allocations"])
PAGE, DAYS = 1000, 400


class FilesAsk(Schema):
    """Which page of the files: the number of files to pass over."""

    cursor: int = 0


@router.get("/allocations/{code}/files")
def allocation_files(request: HttpRequest, code: str, ask: Query[FilesAsk]) -> dict[str, Any]:
    """
    What the project keeps, what it costs and until when; and your files of it, each with an address (`url` needs your token
    when it is the portal's own).
    """
    user, now = caller(request), timezone.now()
    allocation = projects_read.allocation_get_for_user(user=user, code=code)
    kept = keeping.keeping_open(allocation=allocation, at=now)
    start = max(0, ask.cursor)
    items: list[dict[str, Any]] = []
    more = False
    for number, item in enumerate(taking.items_for_user(user=user, allocation=allocation, at=now)):
        if number < start:
            continue
        if number == start + PAGE:
            more = True
            break
        own = "/api/v1" + taking.content_url(allocation, item.path)
        url = item.link() if item.link else request.build_absolute_uri(own)
        items.append({"path": item.path, "bytes": item.size, "modified": item.modified, "url": url})
    return {
        "quota_bytes": kept.quota_bytes,
        "free_bytes": kept.free_bytes,
        "gib_hour": credits_text(kept.gib_hour),
        "bucket_bytes": kept.bucket_bytes,
        "folder_bytes": kept.folder_bytes,
        "measured_at": kept.measured_at,
        "delete_on": kept.delete_on,
        "over_quota_since": kept.over_since,
        "days": [_day_row(day) for day in kept.days.all()[:DAYS]] if start == 0 else [],
        "items": items,
        "next": start + PAGE if more else None,
    }


def _day_row(day: KeptDay) -> dict[str, Any]:
    """A day and its charge, which stands on the statement as `storage-<allocation>-<day>-post`; null until the day is over."""
    return {
        "day": day.day,
        "seconds": day.seconds,
        "gib_hours": float(day.byte_seconds) / keeping.GIB / 3600,
        "gib_hours_charged": float(day.charged_byte_seconds) / keeping.GIB / 3600,
        "charge": credits_text(day.charge) if day.settled_at else None,
        "uncharged": credits_text(day.uncharged) if day.settled_at else None,
    }


@router.get("/allocations/{code}/files/content")
def allocation_file(request: HttpRequest, code: str) -> HttpResponseBase:
    """One file by its `path`; `Range: bytes=N-` goes on where a lost line left off."""
    return content_answer(request, user=caller(request), code=code)
