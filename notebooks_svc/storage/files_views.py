"""The page of a project's files: how much is kept, what it costs, until when, and the ways to take everything along."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from allocations.projects import policies as projects_policy
from allocations.projects import selectors as projects_read
from allocations.projects.models import Allocation
from portal.accounts.models import User
from portal.core.errors import Refusal
from portal.core.words import cell_plain

from . import archive, keeping, taking
from .taking import Item

ARCHIVE_BYTES_MAX = 20 * 2**30
ARCHIVES_AT_ONCE = 2  # of one process: each takes a thread for as long as it is sent
START = re.compile(r"bytes=(\d{1,15})-")
_sending = 0


class QuotaForm(forms.Form):
    """Another quota."""

    gib = forms.IntegerField(label="Quota in GiB", min_value=1, max_value=1_000_000)


@login_required
def files(request: HttpRequest, code: str) -> HttpResponse:
    """What is kept, as last measured; nothing outside of the database is asked."""
    user: Any = request.user
    allocation = projects_read.allocation_get_for_user(user=user, code=code)
    kept = keeping.keeping_open(allocation=allocation, at=timezone.now())
    officiates = projects_policy.may_officiate(user=user, allocation=allocation)
    form = QuotaForm(request.POST or None, initial={"gib": kept.quota_bytes // keeping.GIB}) if officiates else None
    if request.method == "POST" and form is not None and form.is_valid():
        try:
            keeping.quota_set(allocation=allocation, gib=form.cleaned_data["gib"], by=user, at=timezone.now())
        except Refusal as refusal:
            form.add_error("gib", refusal.message)
        else:
            messages.success(request, "The quota was changed.")
            return redirect("storage:files", code=allocation.code)
    facts = {
        "allocation": allocation,
        "kept": kept,
        "percent": min(100, 100 * kept.bytes // kept.quota_bytes),
        "free_percent": min(100, 100 * kept.free_bytes // kept.quota_bytes),
        "days": list(kept.days.all()[:31]),
        "form": form,
        "takes": projects_policy.may_use(user=user, allocation=allocation) and kept.deleted_at is None,
        "too_large": kept.bytes > ARCHIVE_BYTES_MAX,
    }
    return render(request, "storage/files.html", facts, status=422 if form is not None and form.errors else 200)


@login_required
@require_GET
def everything(request: HttpRequest, code: str) -> HttpResponseBase:
    """All files as one zip, streamed; its length is said first, so that the browser shows how far it is."""
    user: Any = request.user
    now, allocation = timezone.now(), projects_read.allocation_get_for_user(user=user, code=code)
    if _sending >= ARCHIVES_AT_ONCE:
        raise Refusal("busy", "Other archives are being sent just now. Try again in some minutes.", status=429)
    items = _items(user, allocation)
    words = _words(allocation, user, len(items), at=now)
    name = f"{allocation.code}-{now:%Y-%m-%d}.zip"
    answer = StreamingHttpResponse(_counted(archive.archive_stream(items, words=words, at=now)), content_type="application/zip")
    answer["Content-Length"] = str(archive.archive_length(items, words=words))
    answer["Content-Encoding"] = "identity"  # compressing it again would cost the length, and with it the progress
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@login_required
@require_GET
def download_list(request: HttpRequest, code: str) -> HttpResponseBase:
    """All files as a table of addresses, each of which can be fetched alone and gone on with after a lost line."""
    user: Any = request.user
    allocation = projects_read.allocation_get_for_user(user=user, code=code)
    taking.check_may_take(user=user, allocation=allocation)
    rows = taking.items_for_user(user=user, allocation=allocation, at=timezone.now())
    first = next(rows)  # what is refused is refused before the answer begins

    def lines() -> Iterator[str]:
        writer = csv.writer(_Echo())
        yield writer.writerow(("path", "bytes", "modified", "address"))
        for item in chain([first], rows):
            yield _row(writer, item)

    def _row(writer: Any, item: Item) -> str:
        url = item.link() if item.link else request.build_absolute_uri(taking.content_url(allocation, item.path))
        return str(writer.writerow((cell_plain(item.path), item.size, item.modified.isoformat(), url)))

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{allocation.code}-files.csv"'
    return answer


@login_required
@require_GET
def content(request: HttpRequest, code: str) -> HttpResponseBase:
    """One file, from a byte on when the request says so (`Range: bytes=N-`)."""
    user: Any = request.user
    return content_answer(request, user=user, code=code)


def content_answer(request: HttpRequest, *, user: User, code: str) -> HttpResponseBase:
    """The bytes of one file for a person, in the browser or by a token."""
    allocation = projects_read.allocation_get_for_user(user=user, code=code)
    path = request.GET.get("path", "")
    item = taking.item_find(user=user, allocation=allocation, path=path, at=timezone.now())
    asked = START.fullmatch(request.headers.get("Range", ""))
    start = int(asked[1]) if asked else 0
    if start and start >= item.size:
        outside = HttpResponse(status=416)
        outside["Content-Range"] = f"bytes */{item.size}"
        return outside
    answer = StreamingHttpResponse(_pieces(item, start), content_type="application/octet-stream", status=206 if start else 200)
    answer["Content-Length"] = str(item.size - start)
    answer["Content-Encoding"] = "identity"
    answer["Accept-Ranges"] = "bytes"
    if start:
        answer["Content-Range"] = f"bytes {start}-{item.size - 1}/{item.size}"
    answer["Content-Disposition"] = content_disposition_header(True, path.rpartition("/")[2]) or "attachment"
    return answer


def _pieces(item: Item, start: int) -> Iterator[bytes]:
    left = item.size - start
    with item.read(start) as pieces:
        for piece in pieces:
            yield piece[:left]
            left -= min(left, len(piece))
            if not left:
                return


def _items(user: User, allocation: Allocation) -> list[Item]:
    items: list[Item] = []
    size = 0
    for item in taking.items_for_user(user=user, allocation=allocation, at=timezone.now()):
        items.append(item)
        size += item.size
        if size > ARCHIVE_BYTES_MAX or len(items) > taking.ITEMS_MAX:
            raise Refusal(
                "too_large",
                f"That is more than one archive holds ({ARCHIVE_BYTES_MAX // 2**30} GiB, {taking.ITEMS_MAX} files). Take the "
                f"list of files, or run `commons export {allocation.code}`: both go on after a lost line.",
            )
    return items


def _words(allocation: Allocation, user: User, count: int, *, at: datetime) -> str:
    kept = keeping.keeping_open(allocation=allocation, at=at)
    elsewhere = kept.measured_at is not None and kept.folder_bytes is None
    return (
        f"{allocation.title} ({allocation.code}) of {allocation.organisation}, taken along by {user.email}.\n\n"
        f"{count} files. statement.csv: every movement of credits. use.csv: what ran. home: your notebooks and files. shared:\n"
        "the team's folder. bucket: the team's bucket. datasets: what your enterprise offered, for its owners and managers.\n"
        "Left out: packages and settings that programs make anew."
        + (" Not in it: home and shared, which lie on the provider's disks under accounts of your own." if elsewhere else "")
    )


def _counted(pieces: Iterator[bytes]) -> Iterator[bytes]:
    global _sending  # noqa: PLW0603 (a count of this process)
    _sending += 1
    try:
        yield from pieces
    finally:
        _sending -= 1


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text
