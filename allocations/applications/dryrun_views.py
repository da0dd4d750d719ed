"""The officer's dry run of changed rules."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from allocations.calls import editing
from allocations.calls.document import CallDocument
from allocations.calls.selectors import call_get_for_staff

from .dryrun import LIMIT, WORDS, dry_run


@login_required
def dry_run_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Who would be decided differently under the working copy."""
    user: Any = request.user
    call = call_get_for_staff(slug=slug, user=user)
    draft = editing.draft_of(call=call, by=user, at=timezone.now())
    if call.current is None or editing.problems(draft.document):
        messages.warning(request, "A dry run needs rules in force and a working copy without marked places.")
        return redirect("calls:edit", slug=slug)
    replays = dry_run(call=call, rules=CallDocument.model_validate(draft.document))
    context = {
        "call": call,
        "changed": editing.changes(call.current.document, draft.document),
        "total": len(replays),
        "limit": LIMIT,
        "rows": [(row, WORDS[row.before.outcome], WORDS[row.after.outcome]) for row in replays if row.differs],
        "of_today": sum(row.facts_of_today for row in replays),
    }
    return render(request, "applications/dry_run.html", context)
