"""
May this allocation read that dataset? Worked out from the rows at each question.

The answer is files, or a refusal whose words a person meets in a notebook: what, why, and what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Max, Q, QuerySet

from allocations.projects.models import Allocation
from portal.core.errors import Refusal

from .models import Access, Dataset, DatasetFile, TermsAcceptance, Version
from .states import A, AccessClass


@dataclass(frozen=True)
class Manifest:
    """A version of a dataset that may be read, and its files. `newer`: one that is read once its terms are accepted."""

    dataset: Dataset
    version: Version
    files: list[DatasetFile]
    newer: Version | None = None


class AccessDenied(Refusal):
    """The dataset may not be read here now. `code` says why, the message says what to do."""

    def __init__(self, code: str, message: str, *, slug: str) -> None:
        super().__init__(code, message, status=403, dataset=slug, url=page_url(slug))


def page_url(slug: str) -> str:
    """The dataset's page, as an address that works from anywhere. Written out: the file store has no pages to look up."""
    return f"{settings.PORTAL_URL}/datasets/{slug}/"


def dataset_published(*, slug: str) -> Dataset:
    """
    A dataset of the catalogue.

    :raises Refusal: `no_such_dataset` (404), `dataset_withdrawn` (410) with the steward's reason
    """
    dataset = Dataset.objects.select_related("steward").filter(slug=slug, published_at__isnull=False).first()
    if dataset is None:
        raise Refusal(
            "no_such_dataset",
            f"There is no dataset {slug!r}. The catalogue lists what there is: {settings.PORTAL_URL}/datasets/",
            status=404,
        )
    if dataset.withdrawn_at is not None:
        raise Refusal(
            "dataset_withdrawn",
            f"{slug} was withdrawn on {dataset.withdrawn_at:%Y-%m-%d}: {dataset.withdrawn_reason} {page_url(slug)}",
            status=410,
        )
    return dataset


def access_check(*, allocation: Allocation, dataset: Dataset, at: datetime, narrowed: list[str] | None = None) -> None:
    """
    Let an allocation read a dataset that is open, or granted to it today.

    :param narrowed: slugs a session was launched with; None means all that are granted
    :raises AccessDenied: with the reason and what to do next
    """
    slug = dataset.slug
    if narrowed is not None and slug not in narrowed:
        chosen = ", ".join(narrowed) or "no dataset"
        raise AccessDenied(
            "not_in_this_session",
            f"Access denied to {slug}: this session was launched with {chosen} only. Launch a session with {slug} chosen.",
            slug=slug,
        )
    if dataset.access_class == AccessClass.OPEN:
        return
    rows = {row.state: row for row in Access.objects.filter(dataset=dataset, allocation=allocation).order_by("pk")}
    grant = rows.get(A.GRANTED)
    if grant is not None and grant.granted_until is not None and grant.granted_until >= at.date():
        return
    raise AccessDenied(*_why_not(rows, dataset, allocation), slug=slug)


def _why_not(rows: dict[str, Access], dataset: Dataset, allocation: Allocation) -> tuple[str, str]:
    slug, url, code = dataset.slug, page_url(dataset.slug), allocation.code
    if A.GRANTED in rows:
        day = rows[A.GRANTED].granted_until
        return "access_ended", f"Access denied to {slug}: {code} could read it until {day}. Ask for it again: {url}"
    if row := rows.get(A.REQUESTED):
        return (
            "access_requested",
            f"Access denied to {slug}: {code} has asked for it and the steward has not decided. "
            f"You will hear by {row.due_on}: {url}",
        )
    if A.AWAITING_TERMS in rows or (dataset.access_class == AccessClass.REGISTERED and A.REVOKED not in rows):
        return "terms_not_accepted", f"Access denied to {slug}: accept its terms for {code} once, on its page: {url}"
    last = max(rows.values(), key=lambda row: row.pk, default=None)
    if last is not None and last.state == A.REVOKED:
        return "access_revoked", f"Access denied to {slug}: the steward ended the access of {code}: {last.reason} {url}"
    if last is not None and last.state == A.REJECTED:
        return "access_refused", f"Access denied to {slug}: the steward refused it to {code}: {last.reason} {url}"
    return (
        "not_granted",
        f"Access denied to {slug}: it is controlled and was not granted to {code}. Request access on its page: {url}",
    )


def terms_accepted(*, allocation: Allocation, dataset: Dataset) -> int | None:
    """The number of the newest terms of a registered dataset that a project accepted; None where versions ask for none."""
    if dataset.access_class != AccessClass.REGISTERED:
        return None
    accepted = TermsAcceptance.objects.filter(allocation=allocation, terms__dataset=dataset)
    return accepted.aggregate(n=Max("terms__number"))["n"] or 0


def version_for(*, allocation: Allocation, dataset: Dataset, name: str = "") -> Version:
    """
    A published version by name that an allocation may read, or the newest of those.

    :raises AccessDenied: `terms_changed` when it came with terms the project has not accepted
    :raises Refusal: as `version_find`
    """
    accepted = terms_accepted(allocation=allocation, dataset=dataset)
    found = version_find(dataset=dataset, name=name)
    if accepted is None or found.terms is None or found.terms.number <= accepted:
        return found
    older = dataset.versions.filter(published_at__isnull=False, withdrawn_at__isnull=True)
    readable = older.filter(Q(terms__isnull=True) | Q(terms__number__lte=accepted)).first()
    if readable is not None and not name:
        return readable
    slug, code = dataset.slug, allocation.code
    stays = f" Version {readable.name} stays readable: commons://{slug}@{readable.name}/…" if readable else ""
    raise AccessDenied(
        "terms_changed",
        f"Access denied to {slug} version {found.name}: it came with new terms (number {found.terms.number}). Accept them once "
        f"for {code}, on its page: {page_url(slug)}{stays}",
        slug=slug,
    )


def version_find(*, dataset: Dataset, name: str = "") -> Version:
    """
    A published version by name, or the newest.

    :raises Refusal: `no_such_version` (404) naming those there are; `version_withdrawn` (410)
    """
    published = dataset.versions.filter(published_at__isnull=False).select_related("terms")
    if not name:
        newest = published.filter(withdrawn_at__isnull=True).first()
        if newest is None:
            raise Refusal("no_such_version", f"{dataset.slug} has no published version.", status=404)
        return newest
    version = published.filter(name=name).first()
    if version is None:
        names = ", ".join(published.filter(withdrawn_at__isnull=True).values_list("name", flat=True)[:10]) or "none"
        raise Refusal("no_such_version", f"{dataset.slug} has no version {name!r}. It has: {names}.", status=404)
    if version.withdrawn_at is not None:
        raise Refusal(
            "version_withdrawn",
            f"Version {name} of {dataset.slug} was withdrawn on {version.withdrawn_at:%Y-%m-%d}: {version.withdrawn_reason}",
            status=410,
        )
    return version


def manifest(*, allocation: Allocation, slug: str, version: str, at: datetime, narrowed: list[str] | None = None) -> Manifest:
    """
    The files of a dataset that an allocation may read now.

    :param version: its name; "" is the newest
    :raises Refusal: unknown, withdrawn, or `AccessDenied` with the reason
    """
    dataset = dataset_published(slug=slug)
    access_check(allocation=allocation, dataset=dataset, at=at, narrowed=narrowed)
    found = version_for(allocation=allocation, dataset=dataset, name=version)
    newest = version_find(dataset=dataset) if not version and dataset.access_class == AccessClass.REGISTERED else found
    return Manifest(dataset, found, list(found.files.all()), newer=newest if newest.pk != found.pk else None)


def manifest_check(*, allocation: Allocation, slug: str, version: str, at: datetime, narrowed: list[str] | None = None) -> None:
    """
    Whether what `manifest` answered still holds, without reading the list of files.

    :raises Refusal: as `manifest` would now
    """
    dataset = dataset_published(slug=slug)
    access_check(allocation=allocation, dataset=dataset, at=at, narrowed=narrowed)
    version_for(allocation=allocation, dataset=dataset, name=version)


def readable_datasets(*, allocation: Allocation, at: datetime, narrowed: list[str] | None = None) -> QuerySet[Dataset]:
    """The datasets of the catalogue that an allocation may read today, open ones included, by title."""
    granted = Access.objects.filter(allocation=allocation, state=A.GRANTED, granted_until__gte=at.date())
    rows = Dataset.objects.filter(published_at__isnull=False, withdrawn_at__isnull=True)
    rows = rows.filter(access_class=AccessClass.OPEN) | rows.filter(pk__in=granted.values("dataset"))
    if narrowed is not None:
        rows = rows.filter(slug__in=narrowed)
    return rows.order_by("title")
