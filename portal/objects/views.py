"""The file store: answers signed links. No cookie, no session, no page."""

from __future__ import annotations

import json
import mimetypes

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.utils.http import http_date
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from portal.core.errors import Malformed, Refusal

from .door import NoSuchObject, ObjectInfo, store
from .filesystem import FilesystemStore, put_verb
from .keys import key_check
from .links import link_read
from .ranges import NotSatisfiable, Slice, range_read
from .tickets import ticket_check
from .uselog import read_note

PART_BYTES_MAX = 128 * 2**20
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
    now, ticket = timezone.now(), ""
    try:
        ticket = link_read(stamp=stamp, key=key_check(key), at=now)
        ticket_check(ticket, key=key, at=now)
        found = store().stat(key)
    except Refusal as refusal:
        answer: HttpResponse | FileResponse = refused(refusal)
        # As with the store's own log, a reader who may not any more is a denial; a link nobody made says nothing of anybody.
        if ticket and request.method == "GET" and answer.status_code in (401, 403, 410):
            read_note(ticket=ticket, key=key, status=403, sent_bytes=0)
        return answer
    except NoSuchObject:
        return refused(Refusal("no_such_file", "There is no such file (any more).", status=404))
    answer = _answer(request, found)
    if request.method == "GET" and answer.status_code in (200, 206):
        read_note(ticket=ticket, key=key, status=answer.status_code, sent_bytes=int(answer["Content-Length"]))
    return answer


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


@csrf_exempt
def put_part(request: HttpRequest, stamp: str, upload: str, number: int, key: str) -> HttpResponse:
    """PUT of one part of an upload by a signed link, from the portal's pages or a program. The body goes straight to disk."""
    if request.method == "OPTIONS":
        return _for_the_portal(HttpResponse(status=204))
    if request.method != "PUT":
        return HttpResponse(status=405)
    now = timezone.now()
    try:
        length = request.headers.get("Content-Length") or ""
        size = int(length) if length.isascii() and length.isdigit() and len(length) < 12 else 0
        if not 0 < size <= PART_BYTES_MAX:
            raise Refusal("bad_part", f"A part has 1 to {PART_BYTES_MAX} bytes, and says how many.", status=413)
        # The link is signed for a part of this length: a longer or shorter one finds it altered.
        ticket = link_read(stamp=stamp, key=key_check(key), at=now, verb=put_verb(upload, number, size))
        ticket_check(ticket, key=key, at=now)
        keeper = store()
        if not isinstance(keeper, FilesystemStore):
            raise Refusal("not_here", "Parts go to the object store itself.", status=404)
        keeper.upload_put(upload=upload, number=number, source=request, size=size)  # type: ignore[arg-type]
    except Refusal as refusal:
        return _for_the_portal(refused(refusal))
    except NoSuchObject:
        return _for_the_portal(refused(Refusal("upload_over", "This upload is complete or was given up.", status=404)))
    except (ConnectionError, UnreadablePostError):
        return _for_the_portal(refused(Refusal("part_cut", "The line was cut. Send this part again.", status=400)))
    return _for_the_portal(HttpResponse(status=200))


def _for_the_portal(answer: HttpResponse) -> HttpResponse:
    """Let the portal's own pages, and no others, send parts here."""
    answer["Access-Control-Allow-Origin"] = settings.PORTAL_URL
    answer["Access-Control-Allow-Methods"] = "PUT"
    answer["Access-Control-Allow-Headers"] = "content-type"
    answer["Access-Control-Max-Age"] = "600"
    answer["Vary"] = "Origin"
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
