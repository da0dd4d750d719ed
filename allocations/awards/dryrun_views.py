"""The officer's dry run of changed rules: a page of those who would be decided differently, and all of them as a table."""

from __future__ import annotations

import csv
import io
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from allocations.calls import editing
from allocations.calls.document import CallDocument
from allocations.calls.models import Call
from allocations.calls.selectors import call_get_for_staff
from portal.core.words import cell_plain

from .dryrun import WORDS, Replay, dry_run

SHOWN = 200
COLUMNS = ("application", "title", "enterprise", "before", "why_before", "after", "why_after", "facts_of_today")


@login_required
def dry_run_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Who would be decided differently under the working copy; the newest of them are shown."""
    found = _asked(request, slug)
    if found is None:
        return redirect("calls:edit", slug=slug)
    call, document = found
    shown: deque[Replay] = deque(maxlen=SHOWN)
    counts: Counter[str] = Counter()
    for row in dry_run(call=call, rules=CallDocument.model_validate(document)):
        counts["total"] += 1
        counts["of_today"] += row.facts_of_today
        if row.differs:
            counts["differ"] += 1
            shown.append(row)
    context = {
        "call": call,
        "changed": editing.changes(call.current.document if call.current else {}, document),
        "total": counts["total"],
        "differ": counts["differ"],
        "rows": [(row, WORDS[row.before.outcome], WORDS[row.after.outcome]) for row in reversed(shown)],
        "of_today": counts["of_today"],
    }
    return render(request, "awards/dry_run.html", context)


@login_required
def dry_run_file(request: HttpRequest, slug: str) -> HttpResponseBase:
    """All applications with both verdicts, as a table that is sent while it is worked out."""
    found = _asked(request, slug)
    if found is None:
        return redirect("calls:edit", slug=slug)
    call, document = found
    answer = StreamingHttpResponse(
        _table(dry_run(call=call, rules=CallDocument.model_validate(document))), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="dry-run-{slug}.csv"'
    return answer


def _asked(request: HttpRequest, slug: str) -> tuple[Call, dict[str, Any]] | None:
    user: Any = request.user
    call = call_get_for_staff(slug=slug, user=user)
    draft = editing.draft_of(call=call, by=user, at=timezone.now())
    if call.current is None or editing.problems(draft.document):
        messages.warning(request, "A dry run needs rules in force and a working copy without marked places.")
        return None
    return call, draft.document


def _table(rows: Iterator[Replay]) -> Iterator[str]:
    yield _line(COLUMNS)
    for row in rows:
        yield _line(
            (
                row.application.code,
                row.application.title,
                row.application.organisation.name,
                WORDS[row.before.outcome],
                " ".join(row.before.reasons),
                WORDS[row.after.outcome],
                " ".join(row.after.reasons),
                "yes" if row.facts_of_today else "no",
            )
        )


def _line(cells: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([cell_plain(cell) for cell in cells])
    return out.getvalue()
