from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from allocations.projects import selectors as projects_read
from portal.accounts.models import User
from portal.core.errors import NotYours, Refusal

from . import downloads, policies, selectors, services
from .access import AccessDenied, access_check, dataset_published, version_find
from .croissant import croissant
from .forms import QUESTIONS, AcceptForm, DecisionForm, RequestForm, RevokeForm
from .models import Access, Dataset, DatasetFile, Version
from .snippets import one_lines
from .states import CLASS_BADGES, OPEN_STATES, A, AccessClass

PAGE, FILES_SHOWN = 20, 60


def _person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


@require_GET
def dataset_list(request: HttpRequest) -> HttpResponse:
    """The catalogue: search and classes of access."""
    q, access_class = request.GET.get("q", "").strip(), request.GET.get("access", "")
    rows = selectors.dataset_list(q=q, access_class=access_class if access_class in set(AccessClass) else "")
    page = Paginator(rows.order_by("title"), PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "datasets/list.html",
        {
            "page": page,
            "q": q,
            "access": access_class,
            "classes": [(c, CLASS_BADGES[c].label) for c in AccessClass],
            "query": urlencode({key: value for key, value in (("q", q), ("access", access_class)) if value}),
        },
    )


@require_GET
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """A dataset: may I use it, how do I get it, what is in it, the one line that reads it."""
    dataset = selectors.dataset_get(slug=slug)
    if dataset.withdrawn_at is not None:
        return render(request, "datasets/tombstone.html", {"dataset": dataset}, status=410)
    version = version_find(dataset=dataset, name=request.GET.get("version", ""))
    files = list(version.files.all()[: FILES_SHOWN + 1])
    return render(request, "datasets/detail.html", _page_context(request, dataset, version, files))


def _page_context(
    request: HttpRequest, dataset: Dataset, version: Version, files: list[DatasetFile], form: Any = None
) -> dict[str, Any]:
    user = _person(request)
    allocations = selectors.usable_allocations(user=user) if user else []
    accesses = selectors.access_map(dataset=dataset, allocations=allocations)
    rows = [(allocation, accesses.get(allocation.pk)) for allocation in allocations]
    lacking = [a for a, access in rows if access is None or access.state not in (A.REQUESTED, A.GRANTED)]
    terms = dataset.terms.first()
    open_ = dataset.access_class == AccessClass.OPEN
    may_read = open_ or any(access is not None and access.state == A.GRANTED for _, access in rows)
    return {
        "dataset": dataset,
        "version": version,
        "versions": list(dataset.versions.filter(published_at__isnull=False)),
        "files": files[:FILES_SHOWN],
        "more_files": len(files) > FILES_SHOWN,
        "table": next((file for file in files if file.columns), None),
        "terms": terms,
        "rows": rows,
        "open_states": OPEN_STATES,
        "may_read": may_read,
        "form": form or _form_for(dataset, lacking, terms),
        "lines": one_lines(dataset, version, files),
        "jsonld": json.dumps(croissant(dataset=dataset, version=version, files=files[:FILES_SHOWN])).replace("<", "\\u003c"),
        "is_steward": user is not None and policies.may_steward(user=user, dataset=dataset),
    }


def _form_for(dataset: Dataset, lacking: list[Any], terms: Any, data: Any = None) -> AcceptForm | RequestForm | None:
    if not lacking or dataset.access_class == AccessClass.OPEN:
        return None
    initial = {"terms": terms.number if terms else None}
    if dataset.access_class == AccessClass.REGISTERED:
        return AcceptForm(data, allocations=lacking, initial=initial) if terms else None
    return RequestForm(data, allocations=lacking, with_terms=terms is not None, initial=initial)


@login_required
@require_POST
def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """Accept the terms of a registered dataset, or ask for a controlled one."""
    user: Any = request.user
    dataset = dataset_published(slug=slug)
    form = _form_for(dataset, selectors.usable_allocations(user=user), dataset.terms.first(), data=request.POST)
    if form is None:
        return redirect("datasets:detail", slug=slug)
    if form.is_valid():
        try:
            _ask(form, dataset, user)
        except NotYours:
            raise
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        else:
            said = "Accepted. It is in reach of your notebooks now."
            if dataset.access_class == AccessClass.CONTROLLED:
                said = "Asked. The steward was told; you will get a mail with the answer."
            messages.success(request, said)
            return redirect("datasets:detail", slug=slug)
    version = version_find(dataset=dataset)
    files = list(version.files.all()[: FILES_SHOWN + 1])
    return render(request, "datasets/detail.html", _page_context(request, dataset, version, files, form=form), status=409)


def _ask(form: AcceptForm | RequestForm, dataset: Dataset, user: User) -> None:
    said = form.cleaned_data
    allocation = projects_read.allocation_get_for_user(user=user, code=said["allocation"])
    now = timezone.now()
    if isinstance(form, AcceptForm):
        services.terms_accept(dataset=dataset, by=user, at=now, allocations=[allocation], terms_number=said["terms"])
        return
    services.access_request(
        dataset=dataset,
        allocation=allocation,
        purpose=said["purpose"],
        answers=form.answers(),
        until=said["until"],
        terms_number=said.get("terms"),
        by=user,
        at=now,
    )


@login_required
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a request back, or give an access up."""
    user: Any = request.user
    access = selectors.access_get_for_user(user=user, pk=pk)
    services.access_withdraw(access=access, by=user, at=timezone.now())
    messages.success(request, "Taken back.")
    return redirect("datasets:detail", slug=access.dataset.slug)


@require_GET
def croissant_file(request: HttpRequest, slug: str) -> HttpResponse:  # noqa: ARG001
    """The Croissant document of the newest version."""
    dataset = dataset_published(slug=slug)
    version = version_find(dataset=dataset)
    body = croissant(dataset=dataset, version=version, files=list(version.files.all()))
    return HttpResponse(json.dumps(body, indent=1, ensure_ascii=False), content_type="application/ld+json")


@require_GET
def download(request: HttpRequest, slug: str, path: str) -> HttpResponse:
    """Send a browser on to the file, if the person may read it for one of their projects."""
    user = _person(request)
    dataset = dataset_published(slug=slug)
    version = version_find(dataset=dataset, name=request.GET.get("version", ""))
    file = version.files.filter(path=path).first()
    if file is None:
        raise Refusal("no_such_file", f"Version {version.name} of {slug} has no file {path[:200]!r}.", status=404)
    now = timezone.now()
    if dataset.access_class == AccessClass.OPEN:
        return redirect(downloads.file_link(file=file, user=None, allocation=None, at=now))
    if user is None:
        return redirect(f"/accounts/login/?{urlencode({'next': request.get_full_path()})}")
    refusal: Refusal = AccessDenied(
        "not_granted", f"Access denied to {slug}: it is read for a project, and you have no active allocation.", slug=slug
    )
    for allocation in selectors.usable_allocations(user=user):
        try:
            access_check(allocation=allocation, dataset=dataset, at=now)
        except AccessDenied as no:
            refusal = no
        else:
            return redirect(downloads.file_link(file=file, user=user, allocation=allocation, at=now))
    raise refusal


# --- stewards ---------------------------------------------------------------------------------------------------------------


@login_required
@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """What waits for this steward, the soonest due first; and what is granted."""
    user: Any = request.user
    waiting = Paginator(selectors.queue_for_steward(user=user), PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "datasets/queue.html",
        {"page": waiting, "granted": list(selectors.granted_for_steward(user=user)[:50]), "today": timezone.now().date()},
    )


@login_required
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """One request with its answers; grant or refuse it. A granted one can be ended here."""
    user: Any = request.user
    access = selectors.access_get_for_user(user=user, pk=pk)
    policies.check_may_steward(user=user, dataset=access.dataset)
    revoking = access.state == A.GRANTED
    form = RevokeForm(request.POST or None) if revoking else DecisionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            if revoking:
                services.access_revoke(access=access, by=user, at=timezone.now(), **form.cleaned_data)
            else:
                services.access_decide(access=access, by=user, at=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.add_error(refusal.facts.get("field") if refusal.facts.get("field") in form.fields else None, refusal.message)
        else:
            messages.success(request, f"{access.badge.label}. {access.asked_by or 'The applicant'} was told.")
            return redirect("datasets:queue")
    return render(
        request,
        "datasets/decide.html",
        {"access": access, "form": form, "answers": _answers(access), "revoking": revoking},
        status=422 if form.errors else 200,
    )


def _answers(access: Access) -> list[tuple[str, str]]:
    words = {name: label for name, label, _ in QUESTIONS}
    return [(words.get(name, name), str(answer)) for name, answer in access.answers.items()]
