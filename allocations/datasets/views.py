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
from allocations.projects.models import Allocation
from portal.accounts.models import User
from portal.core.errors import NotYours, Refusal
from portal.core.words import whole_number

from . import agreements, counting, downloads, exports, policies, search, selectors, services, use
from .access import AccessDenied, access_check, dataset_published, version_find, version_for
from .croissant import croissant
from .duo import duo_findings, excludes_enterprises
from .forms import AcceptForm, RequestForm
from .models import Agreement, Dataset, DatasetFile, Version
from .snippets import one_lines
from .states import A, AccessClass

PAGE, FILES_SHOWN, COLUMNS_SHOWN = 20, 60, 12


def _person(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


@require_GET
def dataset_list(request: HttpRequest) -> HttpResponse:
    """The catalogue: words, facets, pages."""
    q = request.GET.get("q", "").strip()[:200]
    chosen = {name: request.GET[name][:100] for name in search.FACETS if request.GET.get(name)}
    rows = selectors.dataset_list(q=q, facets=chosen)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    asked = {"q": q, **chosen} if q else chosen
    counted = counting.counts(rows, asked=urlencode(asked))
    return render(
        request,
        "datasets/list.html",
        {
            "page": page,
            "q": q,
            "chosen": chosen,
            "facets": [(name, facet, counted[name], chosen.get(name, "")) for name, facet in search.FACETS.items()],
            "query": urlencode(asked),
            "kept": list(selectors.kept_list(user=user)[:20]) if (user := _person(request)) else [],
            "enough": page.paginator.count >= search.FOUND_MAX,
        },
    )


@require_GET
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """A dataset: may I use it, how do I get it, what is in it, the one line that reads it."""
    dataset = selectors.dataset_get(slug=slug)
    if dataset.withdrawn_at is not None or not dataset.size_bytes:  # all of it, or each of its versions, was withdrawn
        gone = list(dataset.versions.filter(withdrawn_at__isnull=False)[:FILES_SHOWN])
        return render(request, "datasets/tombstone.html", {"dataset": dataset, "versions": gone}, status=410)
    version = version_find(dataset=dataset, name=request.GET.get("version", ""))
    files = list(version.files.all()[: FILES_SHOWN + 1])
    return render(request, "datasets/detail.html", _page_context(request, dataset, version, files))


def _page_context(
    request: HttpRequest, dataset: Dataset, version: Version, files: list[DatasetFile], form: Any = None
) -> dict[str, Any]:
    user, today = _person(request), timezone.now().date()
    allocations = selectors.usable_allocations(user=user) if user else []
    accesses = selectors.access_map(dataset=dataset, allocations=allocations)
    rows = [(allocation, accesses.get(allocation.pk)) for allocation in allocations]
    waits = (A.REQUESTED,) if dataset.access_class == AccessClass.CONTROLLED else (A.REQUESTED, A.GRANTED)
    lacking = [a for a, access in rows if access is None or access.state not in waits]
    pending = selectors.pending(dataset=dataset, allocations=allocations)
    terms = dataset.terms.first()
    asked_again = selectors.accepted_older(dataset=dataset, terms=terms, rows=rows)
    lacking = [a for a in lacking if a.pk not in pending] + asked_again
    open_ = dataset.access_class == AccessClass.OPEN
    may_read = open_ or any(access is not None and access.state == A.GRANTED for _, access in rows)
    return {
        "dataset": dataset,
        "version": version,
        "versions": list(dataset.versions.filter(published_at__isnull=False)),
        "files": files[:FILES_SHOWN],
        "more_files": len(files) > FILES_SHOWN,
        "table": next((f for f in files if f.columns and f.path.endswith(".parquet")), None)
        or next((f for f in files if f.columns), None),
        "columns_shown": COLUMNS_SHOWN,
        "terms": terms,
        "rows": rows,
        "pending": pending,
        "asked_again": asked_again,
        "renewing": any(access is not None and access.state == A.GRANTED for _, access in rows),
        "duo": duo_findings(dataset.duo_codes),
        "excluded": excludes_enterprises(dataset.duo_codes),
        "may_read": may_read,
        "form": form or _form_for(dataset, lacking, terms),
        "lines": one_lines(dataset, version, files),
        "jsonld": json.dumps(croissant(dataset=dataset, version=version, files=files[:FILES_SHOWN])).replace("<", "\\u003c"),
        "keeps": user is not None and policies.may_edit(user=user, dataset=dataset),
        "is_steward": user is not None and policies.may_steward(user=user, dataset=dataset),
        "use": use.use_summary(dataset=dataset, today=today),
        "use_rows": use.use_for_user(user=user, dataset=dataset, today=today)
        if user is not None and use.may_see_use(user=user, dataset=dataset)
        else [],
    }


def _form_for(dataset: Dataset, lacking: list[Any], terms: Any, *said: Any) -> AcceptForm | RequestForm | None:
    """The form of a class of access. `said` are the data and files of a POST."""
    if not lacking or dataset.access_class == AccessClass.OPEN:
        return None
    initial = {"terms": terms.number if terms else None}
    if dataset.access_class == AccessClass.REGISTERED:
        return AcceptForm(*said, allocations=lacking, initial=initial) if terms else None
    agreements = None
    if dataset.needs_agreement:
        agreements = list(selectors.agreement_list(organisations=[a.organisation_id for a in lacking])[:50])
    return RequestForm(
        *said,
        allocations=lacking,
        with_terms=terms is not None,
        agreements=agreements,
        with_codes=bool(dataset.duo_codes),
        initial=initial,
    )


@login_required
@require_POST
def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """Accept the terms of a registered dataset, or ask for a controlled one."""
    user: Any = request.user
    dataset = dataset_published(slug=slug)
    form = _form_for(dataset, selectors.usable_allocations(user=user), dataset.terms.first(), request.POST, request.FILES)
    if form is None:
        return redirect("datasets:detail", slug=slug)
    if form.is_valid():
        try:
            _ask(form, dataset, user)
        except NotYours:
            raise
        except Refusal as refusal:
            if refusal.code == "already_asked":  # the second of two clicks: its page shows what the first did
                return redirect("datasets:detail", slug=slug)
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
        agreement=_agreement(said, allocation, user),
        purpose=said["purpose"],
        answers=form.answers(),
        until=said["until"],
        terms_number=said.get("terms"),
        by=user,
        at=now,
    )


def _agreement(said: dict[str, Any], allocation: Allocation, user: User) -> Agreement | None:
    """The chosen document, or the one just uploaded."""
    if upload := said.get("upload"):
        body = upload.read(agreements.SIZE_MAX + 1)
        return agreements.agreement_add(
            organisation=allocation.organisation, title=upload.name, body=body, by=user, at=timezone.now()
        )
    chosen = said.get("agreement")
    return selectors.agreement_list(organisations=[allocation.organisation_id]).filter(pk=chosen).first() if chosen else None


@login_required
@require_GET
def agreement(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a signed document to its enterprise, or to a steward who was sent it."""
    user: Any = request.user
    found = Agreement.objects.filter(pk=pk).first()
    if found is None:
        raise NotYours("agreement")
    return redirect(agreements.agreement_link(agreement=found, user=user, at=timezone.now()))


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
def dcat_file(request: HttpRequest, slug: str) -> HttpResponse:  # noqa: ARG001
    """The dataset as DCAT, for national catalogues."""
    dataset = dataset_published(slug=slug)
    files = list(version_find(dataset=dataset).files.all())
    body = {"@context": exports.CONTEXT, **exports.dcat_dataset(dataset, files)}
    return HttpResponse(json.dumps(body, indent=1, ensure_ascii=False), content_type="application/ld+json")


@require_GET
def catalogue_file(request: HttpRequest) -> HttpResponse:
    """A page of the whole catalogue as DCAT; the Link header names the next."""
    page = request.GET.get("page", "1")
    number = min(max(1, whole_number(page) or 1), 10_000)
    rows = selectors.dataset_list()
    answer = HttpResponse(
        json.dumps(exports.catalogue(rows, page=number), ensure_ascii=False), content_type="application/ld+json"
    )
    if rows.count() > number * exports.CATALOGUE_PAGE:
        answer["Link"] = f'<{request.build_absolute_uri(request.path)}?page={number + 1}>; rel="next"'
    return answer


@require_GET
def sitemap(request: HttpRequest) -> HttpResponse:
    """For search engines."""
    asked = request.GET.get("page", "")
    page = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
    answer = HttpResponse(exports.sitemap(selectors.dataset_list(), page=page), content_type="application/xml")
    answer["Cache-Control"] = "public, max-age=3600"
    return answer


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
            version_for(allocation=allocation, dataset=dataset, name=version.name)
        except AccessDenied as no:
            refusal = no
        else:
            return redirect(downloads.file_link(file=file, user=user, allocation=allocation, at=now))
    raise refusal
