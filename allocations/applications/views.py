"""Pages of the applicant: begin, write page by page, look over, send, follow."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from allocations.calls.answers import answer_words
from allocations.calls.selectors import call_get_for_user
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.core.words import whole_number
from portal.organisations.policies import MAY_APPLY, org_role
from portal.organisations.selectors import organisation_get_for_user, organisation_list_for_user
from portal.threads.selectors import unread_of

from . import drafts, policies, selectors, services
from .changes import changes_of
from .forms import PageForm, ReturnForm, pages
from .history import history, history_csv, history_rows
from .merging import Marks, marks_after, marks_of, marks_read
from .models import Application
from .reading import content_rows
from .states import S

PAGE = 25


@login_required
def application_list(request: HttpRequest) -> HttpResponse:
    """The applications of the person's enterprises, newest first."""
    user: Any = request.user
    rows = selectors.application_list_for_user(user=user).annotate(unread=unread_of(user=user, kind="application"))
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "applications/list.html", {"page": page})


@login_required
def new(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin an application: whether each enterprise of the person qualifies, and the button that begins."""
    user: Any = request.user
    call = call_get_for_user(slug=slug, user=user)
    now = timezone.now()
    if request.method == "POST":
        pk = request.POST.get("organisation", "")
        organisation = organisation_get_for_user(user=user, pk=whole_number(pk) or 0)
        application = drafts.draft_create(call=call, organisation=organisation, by=user, at=now)
        return redirect("applications:edit", code=application.code, step=1)
    organisations = organisation_list_for_user(user=user).filter(
        memberships__user=user, memberships__left_at__isnull=True, memberships__role__in=MAY_APPLY
    )[:10]
    answers = [(o, selectors.eligibility_of(call=call, organisation=o, today=now.date())) for o in organisations]
    context = {"call": call, "rules": call.rules, "answers": answers, "intake": call.intake(now)}
    return render(request, "applications/new.html", context)


@login_required
def edit(request: HttpRequest, code: str, step: int) -> HttpResponse:
    """One page of the wizard. What is written is kept even where it is wrong."""
    user: Any = request.user
    application = _writable(user, code)
    found = pages(application.version.rules)
    if not 1 <= step <= len(found):
        return redirect("applications:check", code=code)
    page = found[step - 1]
    conflicts: dict[str, Any] = {}
    form = PageForm(page, application, request.POST if request.method == "POST" else None)
    marks = marks_of(application, form.fields)
    if request.method == "POST":
        right = form.is_valid()
        conflicts, marks = _save(application, form, request, seen=True)
        if right and not conflicts:
            after = redirect("applications:edit", code=code, step=step + 1) if step < len(found) else None
            return after or redirect(_after_pages(application), code=code)
    return render(
        request,
        "applications/edit.html",
        {
            "application": application,
            "form": form,
            "page": page,
            "pages": found,
            "step": step,
            "conflicts": _conflict_rows(form, conflicts),
            "shown": json.dumps(marks),
            "stale_rules": application.submitted_at is None and application.version_id != application.call.current_id,
        },
        status=422 if form.errors else 409 if conflicts else 200,
    )


@login_required
@require_POST
def autosave(request: HttpRequest, code: str, step: int) -> HttpResponse:
    """Save while the person writes; answers in one line of text, the new revision in X-Version."""
    user: Any = request.user
    try:
        application = _writable(user, code)
        found = pages(application.version.rules)
        if not 1 <= step <= len(found):
            return HttpResponse("There is no such page.", status=404, content_type="text/plain")
        form = PageForm(found[step - 1], application, request.POST)
        form.is_valid()
        conflicts, marks = _save(application, form, request, seen=False)
    except Refusal as refusal:
        return HttpResponse(refusal.message, status=refusal.status, content_type="text/plain")
    if conflicts:
        words = f"Somebody else changed “{form.fields[next(iter(conflicts))].label}”. Press Continue to see both."
        answer = HttpResponse(words, status=409, content_type="text/plain; charset=utf-8")
    else:
        local = timezone.now().astimezone(user.zone)
        answer = HttpResponse(f"Saved at {local:%H:%M:%S}.", content_type="text/plain")
        answer["X-Version"] = str(application.revision)
    answer["X-Shown"] = json.dumps(marks)
    return answer


@login_required
def check(request: HttpRequest, code: str) -> HttpResponse:
    """Everything on one page before it is sent: what is missing, what will happen, and the button."""
    user: Any = request.user
    application = _writable(user, code)
    problems = drafts.draft_problems(application)
    return render(
        request,
        "applications/check.html",
        {
            "application": application,
            "rules": application.version.rules,
            "groups": content_rows(application, problems=problems),
            "problems": problems,
            "pages": pages(application.version.rules),
            "stale_rules": application.submitted_at is None and application.version_id != application.call.current_id,
        },
    )


@login_required
@require_POST
def submit(request: HttpRequest, code: str) -> HttpResponse:
    """Send it. A second press finds it sent and shows the same page."""
    user: Any = request.user
    application = selectors.application_get_for_user(user=user, code=code)
    if application.state not in (S.DRAFT, S.RETURNED):
        return redirect("applications:detail", code=code)
    try:
        services.application_submit(application=application, by=user, at=timezone.now())
    except NotAllowed:
        raise
    except Refusal as refusal:
        if refusal.code == "changed_meanwhile":
            return redirect("applications:detail", code=code)
        messages.error(request, refusal.message)
        return redirect("applications:check", code=code)
    messages.success(request, "Sent. You have a receipt by mail.")
    return redirect("applications:detail", code=code)


@login_required
@require_POST
def renew(request: HttpRequest, code: str) -> HttpResponse:
    """Bring the draft under the call's newest rules."""
    user: Any = request.user
    drafts.draft_renew(application=selectors.application_get_for_user(user=user, code=code), by=user, at=timezone.now())
    messages.success(request, "Your draft now follows the newest rules. Look it over once more.")
    return redirect("applications:check", code=code)


@login_required
@require_POST
def withdraw(request: HttpRequest, code: str) -> HttpResponse:
    """Take it back for good."""
    user: Any = request.user
    application = selectors.application_get_for_user(user=user, code=code)
    if application.state != S.WITHDRAWN:
        services.application_withdraw(application=application, by=user, at=timezone.now())
    messages.success(request, f"{application.code} is withdrawn. What you wrote is kept here.")
    return redirect("applications:detail", code=code)


@login_required
@require_POST
def again(request: HttpRequest, code: str) -> HttpResponse:
    """Begin a new application with what was written here."""
    user: Any = request.user
    earlier = selectors.application_get_for_user(user=user, code=code)
    application = drafts.draft_from(earlier=earlier, by=user, at=timezone.now())
    messages.success(request, f"A new draft with what you wrote in {earlier.code}. Readers will see what you changed.")
    return redirect("applications:edit", code=application.code, step=1)


@login_required
@require_POST
def person(request: HttpRequest, code: str) -> HttpResponse:
    """Ask that a person decides."""
    user: Any = request.user
    application = selectors.application_get_for_user(user=user, code=code)
    services.person_want(application=application, by=user, at=timezone.now())
    messages.success(request, "A person will look at it. The promised day stays the same.")
    return redirect("applications:detail", code=code)


@login_required
@require_POST
def give_back(request: HttpRequest, code: str) -> HttpResponse:
    """An officer returns it to be corrected."""
    user: Any = request.user
    application = selectors.application_get_for_user(user=user, code=code)
    form = ReturnForm(request.POST)
    message = form.cleaned_data["message"] if form.is_valid() else ""
    if application.state != S.RETURNED:
        try:
            services.application_return(application=application, message=message, by=user, at=timezone.now())
        except Malformed as wrong:
            if not form.errors:
                form.add_error("message", wrong.message)
            return _detail(request, application, return_form=form, status=422)
    messages.success(request, f"{application.code} is with the applicant again. They were told by mail.")
    return redirect("applications:detail", code=code)


@login_required
def detail(request: HttpRequest, code: str) -> HttpResponse:
    """An application: whose turn it is, by when, what was written, and what each reader may do."""
    user: Any = request.user
    return _detail(request, selectors.application_get_for_user(user=user, code=code))


def _detail(
    request: HttpRequest, application: Application, *, return_form: ReturnForm | None = None, status: int = 200
) -> HttpResponse:
    user: Any = request.user
    officiates = policies.may_officiate(user=user, application=application)
    returnable = officiates and application.state in (S.SUBMITTED, S.IN_REVIEW)
    return render(
        request,
        "applications/detail.html",
        {
            "application": application,
            "rules": application.version.rules,
            "groups": content_rows(application),
            "changes": changes_of(application) if application.submitted_at else None,
            "writes": policies.may_write(user=user, application=application),
            "officiates": officiates,
            "inside": policies.role_in(user=user, application=application) is not None,
            "badge_shown": application.officer_badge if officiates else application.badge,
            "return_form": return_form or (ReturnForm() if returnable else None),
        },
        status=status,
    )


@login_required
def history_page(request: HttpRequest, code: str) -> HttpResponse:
    """Everything that touched an application; `?as=csv` or `?as=json` for a file."""
    user: Any = request.user
    application = selectors.application_get_for_user(user=user, code=code)
    inside = org_role(user=user, organisation_id=application.organisation_id) is not None
    if not inside and not policies.may_officiate(user=user, application=application):
        raise NotYours("application")
    steps = history(application=application, user=user)
    wanted = request.GET.get("as", "")
    if wanted == "json":
        return JsonResponse({"application": application.code, "history": history_rows(steps)})
    if wanted == "csv":
        answer = HttpResponse(history_csv(steps), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{application.code}-history.csv"'
        return answer
    return render(request, "applications/history.html", {"application": application, "steps": steps})


def _after_pages(application: Application) -> str:
    """Where the wizard goes after its last numbered page."""
    rules = application.version.rules
    if rules.attachments:
        return "applications:files"
    return "applications:screening" if rules.ai_screening else "applications:check"


def _writable(user: Any, code: str) -> Application:
    application = selectors.application_get_for_user(user=user, code=code)
    policies.check_may_write(user=user, application=application)
    policies.check_still_editable(application=application)
    return application


def _save(application: Application, form: PageForm, request: HttpRequest, *, seen: bool) -> tuple[dict[str, Any], Marks]:
    """What is in conflict, and marks of what the page shows from now on."""
    version: str = request.POST.get("version", "")
    user: Any = request.user
    shown, changes = marks_read(request.POST.get("shown", "")), form.written()
    conflicts = drafts.draft_save(
        application=application,
        changes=changes,
        base=whole_number(version) or 0,
        by=user,
        at=timezone.now(),
        shown=shown,
    )
    return conflicts, marks_after(shown, changes, conflicts, seen=seen)


def _conflict_rows(form: PageForm, conflicts: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for key, theirs in conflicts.items():
        field = form.fields[key]
        question = getattr(field, "question", None)
        rows.append((str(field.label), answer_words(question, theirs) if question else str(theirs)))
    return rows
