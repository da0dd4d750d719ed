"""The catalogue by program: finding datasets, their facts, their files."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router

from allocations.projects import selectors as projects_read
from allocations.projects.models import Allocation
from portal.accounts.models import User
from portal.api.paging import PageAsk, page
from portal.api.root import caller
from portal.core.errors import Malformed, Refusal

from . import downloads, search, selectors
from .access import access_check, dataset_published, page_url, terms_accepted, version_find, version_for
from .models import Access, Dataset, DatasetFile, Version
from .snippets import one_lines
from .states import AccessClass

router = Router(tags=["datasets"])


class DatasetAsk(PageAsk):
    """Words to search for, and facets."""

    q: str = ""
    access_class: str = ""
    domain: str = ""
    licence: str = ""
    commercial: str = ""
    format: str = ""
    size: str = ""
    country: str = ""


@router.get("/datasets")
def dataset_list(request: HttpRequest, ask: Query[DatasetAsk]) -> dict[str, Any]:  # noqa: ARG001
    """The catalogue, newest first; with words to search for, only what matches."""
    if ask.access_class and ask.access_class not in set(AccessClass):
        raise Malformed(f"access_class is one of {', '.join(AccessClass)}.", field="access_class")
    facets = {name: getattr(ask, "access_class" if name == "access" else name) for name in search.FACETS}
    return page(selectors.dataset_list(q=ask.q, facets=facets), ask, _row)


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
        "version": version.name,
        "description": dataset.description,
        "source": dataset.source,
        "source_url": dataset.source_url,
        "citation": dataset.citation,
        "duo_codes": dataset.duo_codes,
        "needs_agreement": dataset.needs_agreement,
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
    files = [
        _file_row(dataset, found, file, user, reader, readable=_readable(dataset, reader, version=found.name))
        for file in found.files.all()
    ]
    return {"items": files, "next": None, "version": found.name, "readable_until": now + downloads.LINK_LIFE}


def _reader(user: User, dataset: Dataset, code: str) -> Allocation | None:
    """The allocation that reads: the one named, or the first that may."""
    if code:
        return projects_read.allocation_get_for_user(user=user, code=code)
    allocations = selectors.usable_allocations(user=user)
    return next((a for a in allocations if _readable(dataset, a)), allocations[0] if allocations else None)


def _readable(dataset: Dataset, allocation: Allocation | None, *, version: str = "") -> bool:
    if dataset.access_class == AccessClass.OPEN:
        return True
    if allocation is None:
        return False
    try:
        access_check(allocation=allocation, dataset=dataset, at=timezone.now())
        version_for(allocation=allocation, dataset=dataset, name=version)
    except Refusal:
        return False
    return True


def _file_row(
    dataset: Dataset, version: Version, file: DatasetFile, user: User, reader: Allocation | None, *, readable: bool
) -> dict[str, Any]:
    link = downloads.file_link(file=file, user=user, allocation=reader, at=timezone.now()) if readable else None
    return {
        "name": file.path,
        "path": file.path,
        "uri": f"commons://{dataset.slug}@{version.name}/{file.path}",
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "media_type": file.media_type,
        "rows": file.rows,
        "columns": _columns(dataset, file),
        "preview": file.preview if dataset.preview_public else None,
        "url": link,
    }


def _columns(dataset: Dataset, file: DatasetFile) -> list[dict[str, Any]]:
    """Columns; their figures only where the owner made them public."""
    if dataset.preview_public:
        return file.columns
    return [{key: value for key, value in column.items() if key != "statistics"} for column in file.columns]


def _row(dataset: Dataset) -> dict[str, Any]:
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
        "size_bytes": dataset.size_bytes,
        "rows": dataset.rows,
        "formats": dataset.formats.strip(",").split(",") if dataset.formats else [],
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
        "terms_accepted": terms_accepted(allocation=allocation, dataset=dataset),
        "state": access.state if access else ("granted" if readable else "none"),
        "request": access.pk if access else None,
        "due_on": access.due_on if access else None,
        "until": access.granted_until if access else None,
        "reason": access.reason if access else "",
    }
