from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Schema, Status

from portal.accounts.models import User
from portal.api.root import caller
from portal.core.errors import NotYours
from portal.organisations.selectors import organisation_get_for_user

from . import handing_in, offering, policies, uploading
from .api import router  # one router: a path that several methods share lives in one place
from .models import Dataset, Upload, Version
from .states import V


class DatasetIn(Schema):
    """What a dataset says of itself."""

    organisation: int
    slug: str
    title: str
    summary: str
    access_class: str
    commercial_use: bool
    licence: str
    domain: str
    terms: str = ""
    description: str = ""
    commercial_note: str = ""
    licence_url: str = ""
    keywords: list[str] = []
    country: str = ""
    duo_codes: list[str] = []
    publisher: str | None = None
    source: str = ""
    source_url: str = ""
    citation: str = ""
    preview_public: bool = False
    needs_agreement: bool = False
    agreement_text: str = ""


class DatasetPatch(Schema):
    """The fields to change."""

    title: str | None = None
    summary: str | None = None
    access_class: str | None = None
    commercial_use: bool | None = None
    commercial_note: str | None = None
    licence: str | None = None
    domain: str | None = None
    terms: str | None = None
    description: str | None = None
    keywords: list[str] | None = None
    source: str | None = None
    source_url: str | None = None
    citation: str | None = None
    preview_public: bool | None = None


class VersionIn(Schema):
    """A new version."""

    version: str
    notes: str = ""


class UploadIn(Schema):
    """A file to send. The same path and size again goes on with the same upload."""

    version: str
    path: str
    size_bytes: int
    sha256: str = ""


class SubmitIn(Schema):
    """The questionnaire on personal data: each yes or no."""

    people: str
    special: str = ""
    lawful: str = ""
    note: str = ""


class ReviewIn(Schema):
    """`outcome` is publish or return; returning needs a note."""

    outcome: str
    note: str = ""


class ReasonIn(Schema):
    """Why."""

    reason: str


@router.post("/datasets", response={201: dict[str, Any]})
def dataset_create(request: HttpRequest, body: DatasetIn) -> Status[Any]:
    """Offer a dataset of your enterprise. In the catalogue once a version was reviewed and published."""
    said = body.dict()
    organisation = organisation_get_for_user(user=caller(request), pk=said.pop("organisation"))
    said = {key: value for key, value in said.items() if value is not None}
    dataset = offering.dataset_offer(organisation=organisation, by=caller(request), at=timezone.now(), **said)
    return Status(201, _dataset_row(dataset))


@router.patch("/datasets/{slug}")
def dataset_patch(request: HttpRequest, slug: str, body: DatasetPatch) -> dict[str, Any]:
    """Change what a dataset of yours says of itself."""
    said = {key: value for key, value in body.dict(exclude_unset=True).items() if value is not None}
    changed = offering.dataset_edit(dataset=_dataset(caller(request), slug), by=caller(request), at=timezone.now(), **said)
    return _dataset_row(changed)


@router.post("/datasets/{slug}/versions", response={201: dict[str, Any]})
def version_create(request: HttpRequest, slug: str, body: VersionIn) -> Status[Any]:
    """Begin a version."""
    version = handing_in.version_begin(
        dataset=_dataset(caller(request), slug), name=body.version, notes=body.notes, by=caller(request), at=timezone.now()
    )
    return Status(201, _version_row(version))


@router.get("/datasets/{slug}/versions/{name}")
def version_get(request: HttpRequest, slug: str, name: str) -> dict[str, Any]:
    """A version of yours, or one that you review: its state and files."""
    version = Version.objects.select_related("dataset").filter(dataset__slug=slug, name=name).first()
    user = caller(request)
    if version is None:
        raise NotYours("version")
    reviews = version.state != V.DRAFT and policies.may_review(user=user, dataset=version.dataset)
    if not reviews and not policies.may_edit(user=user, dataset=version.dataset):
        raise NotYours("version")
    return _version_row(version)


@router.post("/datasets/{slug}/uploads", response={201: dict[str, Any]})
def upload_create(request: HttpRequest, slug: str, body: UploadIn) -> Status[Any]:
    """Begin, or go on with, an upload. PUT each part that has a `url` there, then complete it."""
    version = _version(caller(request), slug, body.version)
    upload = uploading.upload_begin(
        version=version, path=body.path, size_bytes=body.size_bytes, sha256=body.sha256, by=caller(request), at=timezone.now()
    )
    return Status(201, upload_row(upload))


@router.get("/dataset-uploads/{pk}")
def upload_get(request: HttpRequest, pk: int) -> dict[str, Any]:
    """An upload: which parts have arrived, how far the check is, what was wrong."""
    return upload_row(_upload(caller(request), pk))


@router.post("/dataset-uploads/{pk}/complete")
def upload_complete(request: HttpRequest, pk: int) -> dict[str, Any]:
    """All parts have arrived: check the file. Read the upload until its state is `stored` or `refused`."""
    upload = _upload(caller(request), pk)
    return upload_row(uploading.upload_complete(upload=upload, by=caller(request), at=timezone.now()))


@router.post("/datasets/{slug}/versions/{name}/submit")
def version_submit(request: HttpRequest, slug: str, name: str, body: SubmitIn) -> dict[str, Any]:
    """Hand a version in for review."""
    version = _version(caller(request), slug, name)
    return _version_row(handing_in.version_submit(version=version, personal=body.dict(), by=caller(request), at=timezone.now()))


@router.post("/datasets/{slug}/versions/{name}/review")
def version_review(request: HttpRequest, slug: str, name: str, body: ReviewIn) -> dict[str, Any]:
    """Publish or return, as a data steward from elsewhere."""
    version = Version.objects.select_related("dataset", "submitted_by").filter(dataset__slug=slug, name=name).first()
    if version is None:
        raise NotYours("version")
    done = handing_in.version_review(
        version=version, outcome=body.outcome, note=body.note, by=caller(request), at=timezone.now()
    )
    return _version_row(done)


@router.post("/datasets/{slug}/versions/{name}/withdraw")
def version_withdraw(request: HttpRequest, slug: str, name: str, body: ReasonIn) -> dict[str, Any]:
    """Withdraw a published version; its line with the reason stays."""
    version = (
        Version.objects.select_related("dataset").filter(dataset__slug=slug, name=name, published_at__isnull=False).first()
    )
    if version is None:
        raise NotYours("version")
    handing_in.withdraw(dataset=version.dataset, version=version, reason=body.reason, by=caller(request), at=timezone.now())
    version.refresh_from_db()
    return _version_row(version)


@router.post("/datasets/{slug}/withdraw")
def dataset_withdraw(request: HttpRequest, slug: str, body: ReasonIn) -> dict[str, Any]:
    """Withdraw a dataset; its page stays as a tombstone."""
    dataset = Dataset.objects.filter(slug=slug, published_at__isnull=False).first()
    if dataset is None:
        raise NotYours("dataset")
    handing_in.withdraw(dataset=dataset, version=None, reason=body.reason, by=caller(request), at=timezone.now())
    dataset.refresh_from_db()
    return _dataset_row(dataset)


def _dataset(user: User, slug: str) -> Dataset:
    dataset = Dataset.objects.filter(slug=slug, withdrawn_at__isnull=True).first()
    if dataset is None:
        raise NotYours("dataset")
    policies.check_may_edit(user=user, dataset=dataset)
    return dataset


def _version(user: User, slug: str, name: str) -> Version:
    version = Version.objects.select_related("dataset").filter(dataset=_dataset(user, slug), name=name).first()
    if version is None:
        raise NotYours("version")
    return version


def _upload(user: User, pk: int) -> Upload:
    upload = Upload.objects.select_related("version__dataset").filter(pk=pk).first()
    if upload is None:
        raise NotYours("upload")
    policies.check_may_edit(user=user, dataset=upload.version.dataset)
    return upload


def upload_row(upload: Upload) -> dict[str, Any]:
    """An upload as programs see it."""
    return {
        "id": upload.pk,
        "dataset": upload.version.dataset.slug,
        "version": upload.version.name,
        "path": upload.path,
        "state": upload.state,
        "size_bytes": upload.size_bytes,
        "part_bytes": upload.part_bytes,
        "parts": uploading.upload_parts(upload=upload, at=timezone.now()),
        "checked_bytes": upload.checked_bytes,
        "error": upload.error or None,
        "notes": upload.notes,
    }


def _version_row(version: Version) -> dict[str, Any]:
    return {
        "dataset": version.dataset.slug,
        "version": version.name,
        "state": version.state,
        "notes": version.notes,
        "review_note": version.review_note,
        "published_at": version.published_at,
        "withdrawn_reason": version.withdrawn_reason,
        "files": [
            {"path": f.path, "size_bytes": f.size_bytes, "sha256": f.sha256, "rows": f.rows, "columns": f.columns}
            for f in version.files.all()
        ],
    }


def _dataset_row(dataset: Dataset) -> dict[str, Any]:
    terms = dataset.terms.first()
    return {
        "slug": dataset.slug,
        "title": dataset.title,
        "summary": dataset.summary,
        "access_class": dataset.access_class,
        "commercial_use": dataset.commercial_use,
        "licence": dataset.licence,
        "domain": dataset.domain,
        "keywords": dataset.keywords,
        "steward": str(dataset.steward),
        "organisation": dataset.organisation_id,
        "terms": terms.number if terms else None,
        "published_at": dataset.published_at,
        "withdrawn_at": dataset.withdrawn_at,
    }
