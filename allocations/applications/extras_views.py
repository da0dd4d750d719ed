"""Pages beside the wizard's own: files, and the questions about the AI Act."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.core.errors import Malformed, Refusal

from . import files, policies, screenings, selectors
from .filetypes import WORDS
from .forms import pages
from .models import Application
from .screening.questionnaire import ANSWERS, questionnaire


@login_required
def files_page(request: HttpRequest, code: str) -> HttpResponse:
    """Every file that is asked for, with what is attached."""
    return _files(request, _writable(request, code))


@login_required
@require_POST
def file_add(request: HttpRequest, code: str, key: str) -> HttpResponse:
    """Keep a file; one that is not what it should be is said to be so and nothing is kept."""
    application, user = _writable(request, code), _user(request)
    upload = request.FILES.get("file")
    try:
        if upload is None:
            raise Malformed("Choose a file first.", field=files.PREFIX + key)
        row = files.file_add(
            application=application,
            key=key,
            name=upload.name or "",
            source=upload.file,  # type: ignore[arg-type]
            size=upload.size or 0,
            by=user,
            at=timezone.now(),
        )
    except Malformed as wrong:
        return _files(request, application, problems={key: wrong.message}, status=422)
    messages.success(request, f"“{row.name}” is kept.")
    return redirect("applications:files", code=code)


@login_required
@require_POST
def file_remove(request: HttpRequest, code: str, key: str) -> HttpResponse:
    """Take a file out."""
    files.file_remove(application=_writable(request, code), key=key, by=_user(request), at=timezone.now())
    messages.success(request, "The file is taken out.")
    return redirect("applications:files", code=code)


@login_required
def file_read(request: HttpRequest, code: str, pk: int) -> HttpResponse | FileResponse:
    """A file, for those who may read the application. Always as a download, never shown by the browser as a page of ours."""
    application = selectors.application_get_for_user(user=_user(request), code=code)
    row = files.file_get(application=application, pk=pk)
    body, media = files.file_open(row)
    answer = FileResponse(body, as_attachment=True, filename=row.name, content_type=media)
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, no-store"
    return answer


@login_required
def screening_page(request: HttpRequest, code: str) -> HttpResponse:
    """The questions one after the other, then what came out and why."""
    application, user = _writable(request, code), _user(request)
    problem = ""
    if request.method == "POST":
        try:
            if "restart" in request.POST:
                screenings.screening_restart(application=application, by=user, at=timezone.now())
            else:
                key, answer = request.POST.get("question", ""), request.POST.get("answer", "")
                screenings.answer_give(application=application, key=key, answer=answer, by=user, at=timezone.now())
        except Refusal as refusal:
            problem = refusal.message
        else:
            return redirect("applications:screening", code=code)
    found = screenings.current_walk(application)
    return render(
        request,
        "applications/screening.html",
        {
            "application": application,
            "pages": pages(application.version.rules),
            "asked": questionnaire(),
            "walk": found,
            "result": screenings.result_of(application) if found.outcome else None,
            "answers": ANSWERS,
            "problem": problem,
        },
        status=422 if problem else 200,
    )


def _files(
    request: HttpRequest, application: Application, *, problems: dict[str, str] | None = None, status: int = 200
) -> HttpResponse:
    there = files.files_of(application)
    rows = [
        (asked, there.get(asked.key), " or ".join(WORDS[kind] for kind in asked.kinds), (problems or {}).get(asked.key, ""))
        for asked in files.asked_files(application)
    ]
    context = {"application": application, "rows": rows, "pages": pages(application.version.rules)}
    return render(request, "applications/files.html", context, status=status)


def _writable(request: HttpRequest, code: str) -> Application:
    user = _user(request)
    application = selectors.application_get_for_user(user=user, code=code)
    policies.check_may_write(user=user, application=application)
    policies.check_still_editable(application=application)
    return application


def _user(request: HttpRequest) -> Any:
    return request.user
