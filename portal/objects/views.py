"""The file store: answers signed links. No cookie, no session, no page."""

from __future__ import annotations

import json
import mimetypes

from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import http_date
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from portal.core.errors import Malformed, Refusal

from .door import NoSuchObject, ObjectInfo, store
from .keys import key_check
from .links import link_read
from .ranges import NotSatisfiable, Slice, range_read
from .tickets import ticket_check

# What people uploaded is never shown by a browser as a page of ours.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
}


def health(_: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse('{"ok": true}', content_type="application/json")


@csrf_exempt
@require_safe
def read(request: HttpRequest, stamp: str, key: str) -> HttpResponse | FileResponse:
    """GET or HEAD of an object by a signed link; whom the link was made for is asked about anew each time."""
    now = timezone.now()
    try:
        ticket = link_read(stamp=stamp, key=key_check(key), at=now)
        ticket_check(ticket, key=key, at=now)
        found = store().stat(key)
    except Refusal as refusal:
        return refused(refusal)
    except NoSuchObject:
        return refused(Refusal("no_such_file", "There is no such file (any more).", status=404))
    return _answer(request, found)


def _answer(request: HttpRequest, found: ObjectInfo) -> HttpResponse | FileResponse:
    header = request.headers.get("Range", "")
    if request.headers.get("If-Range", found.etag) != found.etag:
        header = ""
    try:
        part = range_read(header, found.size) if header else None
    except NotSatisfiable:
        outside = HttpResponse(status=416)
        outside["Content-Range"] = f"bytes */{found.size}"
        return outside
    first, length = part or (0, found.size)
    answer: HttpResponse | FileResponse = HttpResponse()
    if request.method == "GET":
        answer = FileResponse(Slice(store().open(found.key), first, length))
    answer.status_code = 206 if part else 200
    name = found.key.rpartition("/")[2]
    headers = {
        **SAFE_HEADERS,
        "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "Content-Length": str(length),
        "Content-Disposition": f'attachment; filename="{name}"',
        "Accept-Ranges": "bytes",
        "ETag": found.etag,
        "Last-Modified": http_date(found.modified.timestamp()),
    }
    if part:
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{found.size}"
    for header_name, value in headers.items():
        answer[header_name] = value
    return answer


def unknown(_: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    """An address that is none. The portal's page for it needs a person and a menu, which this server has not."""
    return refused(Refusal("not_found", "The file store has no such address.", status=404))


def broken(_: HttpRequest) -> HttpResponse:
    """Something failed; it is in the log."""
    return refused(Refusal("broken", "The file store failed. Try again in a moment.", status=500))


def refused(refusal: Refusal) -> HttpResponse:
    """A refusal for programs: the same words a person would read."""
    body = json.dumps({"code": refusal.code, "detail": refusal.message})
    status = 404 if isinstance(refusal, Malformed) else refusal.status
    answer = HttpResponse(body, status=status, content_type="application/problem+json")
    answer["Cache-Control"] = "no-store"
    return answer
