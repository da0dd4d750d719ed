from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status

from allocations.projects import selectors as projects_read
from allocations.projects.models import Allocation
from portal.accounts.models import User
from portal.api.paging import PageAsk, page
from portal.api.root import caller
from portal.core.errors import Malformed

from . import downloads, selectors, services
from .access import access_check, dataset_published, page_url, version_find
from .models import Access, Dataset, DatasetFile, Version
from .snippets import one_lines
from .states import AccessClass

router = Router(tags=["datasets"])


class DatasetAsk(PageAsk):
    """Words to search for, and a class of access."""

    q: str = ""
    access_class: str = ""


class RequestIn(Schema):
    """What to ask for."""

    allocation: str
    purpose: str
    answers: dict[str, Any] = {}
    until: date | None = None
    terms: int | None = None


class AcceptIn(Schema):
    """For which allocation; absent means all your active ones. `terms` is the number you read."""

    allocation: str | None = None
    terms: int | None = None


class DecisionIn(Schema):
    """`outcome` is grant or reject; a refusal needs a reason."""

    outcome: str
    reason: str = ""
    until: date | None = None


class ReasonIn(Schema):
    """Why."""

    reason: str


@router.get("/datasets")
def dataset_list(request: HttpRequest, ask: Query[DatasetAsk]) -> dict[str, Any]:  # noqa: ARG001
    """The catalogue."""
    if ask.access_class and ask.access_class not in set(AccessClass):
        raise Malformed(f"access_class is one of {', '.join(AccessClass)}.", field="access_class")
    return page(selectors.dataset_list(q=ask.q, access_class=ask.access_class), ask, _row)


@router.get("/datasets/{slug}")
def dataset_get(request: HttpRequest, slug: str) -> dict[str, Any]:
    """One dataset: terms, versions, the lines that read it, and what each of your allocations may do."""
    dataset = dataset_published(slug=slug)
    version = version_find(dataset=dataset)
    terms = dataset.terms.first()
    allocations = selectors.usable_allocations(user=caller(request))
    accesses = selectors.access_map(dataset=dataset, allocations=allocations)
    return {
        **_row(dataset),
        "description": dataset.description,
        "source": dataset.source,
        "source_url": dataset.source_url,
        "citation": dataset.citation,
        "duo_codes": dataset.duo_codes,
        "terms": {"number": terms.number, "text": terms.text} if terms else None,
        "versions": [_version_row(v) for v in dataset.versions.filter(published_at__isnull=False)],
        "lines": dict(one_lines(dataset, version, list(version.files.all()[:60]))),
        "access": [_access_of(dataset, allocation, accesses.get(allocation.pk)) for allocation in allocations],
        "croissant": f"{page_url(slug)}croissant.jsonld",
    }


@router.get("/datasets/{slug}/files")
def dataset_files(request: HttpRequest, slug: str, version: str = "", allocation: str = "") -> dict[str, Any]:
    """Files of a version with size and sha256; where you may read it, each with an address that lasts an hour."""
    user, now = caller(request), timezone.now()
    dataset = dataset_published(slug=slug)
    found = version_find(dataset=dataset, name=version)
    reader = _reader(user, dataset, allocation)
    files = [_file_row(dataset, found, file, user, reader, readable=_readable(dataset, reader)) for file in found.files.all()]
    return {"items": files, "next": None, "version": found.name, "readable_until": now + downloads.LINK_LIFE}


@router.post("/datasets/{slug}/accept-terms", response={201: dict[str, Any]})
def accept_terms(request: HttpRequest, slug: str, body: AcceptIn | None = None) -> Status[Any]:
    """Accept the terms once per version of them; a registered dataset is then granted."""
    user, said = caller(request), body or AcceptIn()
    dataset = dataset_published(slug=slug)
    allocations = selectors.usable_allocations(user=user)
    if said.allocation is not None:
        allocations = [projects_read.allocation_get_for_user(user=user, code=said.allocation)]
    granted = services.terms_accept(
        dataset=dataset, by=user, at=timezone.now(), allocations=allocations, terms_number=said.terms
    )
    terms = dataset.terms.first()
    rows = [access_row(access) for access in granted]
    return Status(201, {"dataset": slug, "terms": terms.number if terms else None, "accesses": rows})


@router.post("/datasets/{slug}/requests", response={201: dict[str, Any]})
def request_create(request: HttpRequest, slug: str, body: RequestIn) -> Status[Any]:
    """Ask for a controlled dataset. The row says by when the steward answers."""
    user = caller(request)
    access = services.access_request(
        dataset=dataset_published(slug=slug),
        allocation=projects_read.allocation_get_for_user(user=user, code=body.allocation),
        purpose=body.purpose,
        answers=body.answers,
        until=body.until,
        terms_number=body.terms,
        by=user,
        at=timezone.now(),
    )
    return Status(201, access_row(access))


class AccessAsk(PageAsk):
    """Which requests."""

    state: str = ""
    dataset: str = ""
    allocation: str = ""


@router.get("/dataset-requests")
def request_list(request: HttpRequest, ask: Query[AccessAsk]) -> dict[str, Any]:
    """Requests and grants of your allocations and of the datasets you steward, newest first."""
    rows = selectors.access_list_for_user(user=caller(request))
    if ask.state:
        rows = rows.filter(state=ask.state)
    if ask.dataset:
        rows = rows.filter(dataset__slug=ask.dataset)
    if ask.allocation:
        rows = rows.filter(allocation__code__iexact=ask.allocation)
    return page(rows, ask, access_row)


@router.get("/dataset-requests/{pk}")
def request_get(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One request or grant."""
    return access_row(selectors.access_get_for_user(user=caller(request), pk=pk))


@router.post("/dataset-requests/{pk}/decide")
def request_decide(request: HttpRequest, pk: int, body: DecisionIn) -> dict[str, Any]:
    """Grant or refuse, as the dataset's steward."""
    access = selectors.access_get_for_user(user=caller(request), pk=pk)
    outcome = {"approve": "grant", "granted": "grant", "refuse": "reject", "rejected": "reject"}.get(body.outcome, body.outcome)
    done = services.access_decide(
        access=access, outcome=outcome, reason=body.reason, until=body.until, by=caller(request), at=timezone.now()
    )
    return access_row(done)


@router.post("/dataset-requests/{pk}/revoke")
def request_revoke(request: HttpRequest, pk: int, body: ReasonIn) -> dict[str, Any]:
    """End a grant, as the dataset's steward; running notebooks are denied at their next read."""
    access = selectors.access_get_for_user(user=caller(request), pk=pk)
    return access_row(services.access_revoke(access=access, reason=body.reason, by=caller(request), at=timezone.now()))


@router.post("/dataset-requests/{pk}/withdraw")
def request_withdraw(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Take a request back, or give an access up."""
    access = selectors.access_get_for_user(user=caller(request), pk=pk)
    return access_row(services.access_withdraw(access=access, by=caller(request), at=timezone.now()))


def _reader(user: User, dataset: Dataset, code: str) -> Allocation | None:
    """The allocation that reads: the one named, or the first that may."""
    if code:
        return projects_read.allocation_get_for_user(user=user, code=code)
    allocations = selectors.usable_allocations(user=user)
    return next((a for a in allocations if _readable(dataset, a)), allocations[0] if allocations else None)


def _readable(dataset: Dataset, allocation: Allocation | None) -> bool:
    if dataset.access_class == AccessClass.OPEN:
        return True
    if allocation is None:
        return False
    try:
        access_check(allocation=allocation, dataset=dataset, at=timezone.now())
    except Exception:
        return False
    return True


def _file_row(
    dataset: Dataset, version: Version, file: DatasetFile, user: User, reader: Allocation | None, *, readable: bool
) -> dict[str, Any]:
    link = downloads.file_link(file=file, user=user, allocation=reader, at=timezone.now()) if readable else None
    return {
        "path": file.path,
        "uri": f"commons://{dataset.slug}@{version.name}/{file.path}",
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "media_type": file.media_type,
        "rows": file.rows,
        "columns": file.columns,
        "preview": file.preview if dataset.preview_public else None,
        "url": link,
    }


def _row(dataset: Dataset) -> dict[str, Any]:
    newest = next((v for v in dataset.versions.all() if v.published_at and not v.withdrawn_at), None)
    return {
        "slug": dataset.slug,
        "title": dataset.title,
        "summary": dataset.summary,
        "access_class": dataset.access_class,
        "commercial_use": dataset.commercial_use,
        "commercial_note": dataset.commercial_note,
        "licence": dataset.licence,
        "domain": dataset.domain,
        "keywords": dataset.keywords,
        "country": dataset.country,
        "publisher": dataset.publisher,
        "steward": str(dataset.steward),
        "version": newest.name if newest else None,
        "size_bytes": newest.size_bytes if newest else None,
        "rows": newest.rows if newest else None,
        "url": page_url(dataset.slug),
    }


def _version_row(version: Version) -> dict[str, Any]:
    return {
        "version": version.name,
        "published_at": version.published_at,
        "size_bytes": version.size_bytes,
        "files": version.file_count,
        "rows": version.rows,
        "notes": version.notes,
        "withdrawn_at": version.withdrawn_at,
        "withdrawn_reason": version.withdrawn_reason,
    }


def _access_of(dataset: Dataset, allocation: Allocation, access: Access | None) -> dict[str, Any]:
    readable = _readable(dataset, allocation)
    return {
        "allocation": allocation.code,
        "readable": readable,
        "state": access.state if access else ("granted" if readable else "none"),
        "request": access.pk if access else None,
        "due_on": access.due_on if access else None,
        "until": access.granted_until if access else None,
        "reason": access.reason if access else "",
    }


def access_row(access: Access) -> dict[str, Any]:
    """A request or grant as programs see it."""
    return {
        "id": access.pk,
        "dataset": access.dataset.slug,
        "allocation": access.allocation.code,
        "organisation": access.allocation.organisation_id,
        "state": access.state,
        "purpose": access.purpose,
        "answers": access.answers,
        "asked_by": access.asked_by.email if access.asked_by else None,
        "asked_at": access.asked_at,
        "due_on": access.due_on,
        "wished_until": access.wished_until,
        "until": access.granted_until,
        "decided_by": str(access.decided_by) if access.decided_by else None,
        "decided_at": access.decided_at,
        "reason": access.reason,
    }
