"""Writes about what there is: datasets, terms, and versions that never change once they are published."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.db import transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal
from portal.objects.door import CHUNK_BYTES, store
from portal.objects.keys import key_check
from portal.web.registry import registry

from . import letters, search
from .models import Dataset, DatasetFile, Terms, Version
from .states import Hand, V, check_version_transition

MEDIA_TYPES = {".parquet": "application/vnd.apache.parquet", ".csv": "text/csv", ".json": "application/json"}


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file beside its bytes."""

    path: str
    description: str = ""
    rows: int | None = None
    columns: list[dict[str, Any]] = field(default_factory=list)
    preview: list[list[str]] = field(default_factory=list)


@transaction.atomic
def dataset_create(*, by: User | None, at: datetime, **values: Any) -> Dataset:
    """
    Enter a dataset. It is in nobody's sight until a version is published.

    :raises Malformed: when the slug is taken
    """
    if Dataset.objects.filter(slug=values["slug"]).exists():
        raise Malformed(f"There is a dataset {values['slug']} already; choose another name.", field="slug")
    dataset = Dataset.objects.create(created_at=at, **values)
    search.index_write(dataset)
    audit.event_record(kind="dataset.created", actor=by, about=dataset.about, at=at)
    return dataset


@transaction.atomic
def terms_publish(*, dataset: Dataset, text: str, by: User | None, at: datetime) -> Terms:
    """
    Set a new text of the terms. Who accepted the last one keeps reading the versions that came with it; versions published from
    now on come with the new one, and a registered dataset's readers accept it once before they read them.
    """
    last = dataset.terms.first()
    terms = Terms.objects.create(dataset=dataset, number=last.number + 1 if last else 1, text=text, published_at=at)
    letters.to_holders_new_terms(terms, at=at)
    audit.event_record(kind="dataset.terms_published", actor=by, about=dataset.about, at=at, terms=terms.number)
    return terms


@transaction.atomic
def version_create(*, dataset: Dataset, name: str, notes: str, by: User | None, at: datetime) -> Version:
    """Begin a version; files are added until it is published."""
    last = dataset.versions.first()
    version = Version.objects.create(
        dataset=dataset, name=key_check(name), number=last.number + 1 if last else 1, notes=notes, created_at=at
    )
    audit.event_record(kind="dataset.version_created", actor=by, about=dataset.about, at=at, version=name)
    return version


def file_add(*, version: Version, facts: FileFacts, source: BinaryIO) -> DatasetFile:
    """
    Lay a file into a version that is not published; its sha256 is worked out on the way.

    :raises Malformed: a bad name, an empty file
    :raises Refusal: `version_published`
    """
    if version.published_at is not None:
        raise Refusal("version_published", f"Version {version.name} is published and never changes. Begin a new one.")
    key = key_check(f"datasets/{version.dataset.slug}/{version.name}/{facts.path}")
    hashing = _Hashing(source)
    found = store().put(key, hashing)  # type: ignore[arg-type]
    if found.size == 0:
        store().delete(key)
        raise Malformed(f"{facts.path} is empty.", field="file")
    return DatasetFile.objects.create(
        version=version,
        path=facts.path,
        key=key,
        size_bytes=found.size,
        sha256=hashing.digest.hexdigest(),
        media_type=media_type(facts.path),
        description=facts.description,
        rows=facts.rows,
        columns=facts.columns,
        preview=facts.preview,
    )


@transaction.atomic
def version_publish(*, version: Version, by: User | None, at: datetime, hand: Hand = Hand.PORTAL) -> Version:
    """
    Publish a version: from now on it never changes, and it is the newest.

    :raises Refusal: `version_empty`, `move_not_allowed`, `changed_meanwhile`
    """
    old = V(version.state)
    check_version_transition(old=old, new=V.PUBLISHED, hand=hand)
    files = list(version.files.all())
    if not files:
        raise Refusal("version_empty", "A version needs at least one file.")
    changed = Version.objects.filter(pk=version.pk, state=old).update(
        state=V.PUBLISHED,
        reviewed_by=by,
        published_at=at,
        size_bytes=sum(f.size_bytes for f in files),
        file_count=len(files),
        terms=version.dataset.terms.first(),
        rows=_rows(files),
    )
    if not changed:
        raise Refusal("changed_meanwhile", "Somebody else changed this version just now. Look at it again.")
    Dataset.objects.filter(pk=version.dataset_id, published_at__isnull=True).update(published_at=at)
    version.refresh_from_db()
    newest_write(version.dataset)
    about = version.dataset.about
    audit.event_record(kind="dataset.version_published", actor=by, about=about, at=at, version=version.name)
    return version


def _rows(files: list[DatasetFile]) -> int | None:
    """Rows of the Parquet files, or where there is none of the others: a table is often there twice, as text too."""
    known = [file for file in files if file.rows is not None]
    parquet = [file for file in known if file.path.endswith(".parquet")]
    return sum(file.rows or 0 for file in parquet or known) if known else None


@transaction.atomic
def version_withdraw(*, version: Version, reason: str, by: User, at: datetime, hand: Hand) -> None:
    """
    Withdraw a published version: it is read no more from the next request on; its line with the reason stays.

    :raises Refusal: `move_not_allowed`
    """
    _check_reason(reason)
    check_version_transition(old=V(version.state), new=V.WITHDRAWN, hand=hand)
    Version.objects.filter(pk=version.pk, state=V.PUBLISHED).update(
        state=V.WITHDRAWN, withdrawn_at=at, withdrawn_reason=reason.strip()
    )
    newest_write(version.dataset)
    about = version.dataset.about
    audit.event_record(kind="dataset.version_withdrawn", actor=by, about=about, at=at, version=version.name, reason=reason)
    registry.tell("datasets.access_changed")


@transaction.atomic
def dataset_withdraw(*, dataset: Dataset, reason: str, by: User, at: datetime) -> None:
    """Withdraw a whole dataset: out of the catalogue, read by nobody; its page stays as a tombstone with the reason."""
    _check_reason(reason)
    Dataset.objects.filter(pk=dataset.pk, withdrawn_at__isnull=True).update(withdrawn_at=at, withdrawn_reason=reason.strip())
    audit.event_record(kind="dataset.withdrawn", actor=by, about=dataset.about, at=at, reason=reason)
    registry.tell("datasets.access_changed")


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Malformed("Write why: whoever used it will read it.", field="reason")


def newest_write(dataset: Dataset) -> None:
    """Write size, rows and formats of the newest version onto the dataset, and make all of it found by search."""
    newest = dataset.versions.filter(published_at__isnull=False, withdrawn_at__isnull=True).first()
    files = list(newest.files.values_list("path", "columns")) if newest else []
    formats = sorted({Path(path).suffix.lower().lstrip(".") for path, _ in files} - {""})[:12]
    dataset.size_bytes, dataset.rows = (newest.size_bytes, newest.rows) if newest else (0, None)
    dataset.formats = f",{','.join(formats)}," if formats else ""
    dataset.save(update_fields=["size_bytes", "rows", "formats"])
    search.index_write(dataset, columns=[column["name"] for _, columns in files for column in columns])


def media_type(path: str) -> str:
    """The media type a file's name says."""
    return MEDIA_TYPES.get(Path(path).suffix.lower()) or mimetypes.guess_type(path)[0] or "application/octet-stream"


class _Hashing:
    """Reads through, counting the sha256 as the bytes pass."""

    def __init__(self, source: BinaryIO) -> None:
        self.source, self.digest = source, hashlib.sha256()

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        chunk = self.source.read(size)
        self.digest.update(chunk)
        return chunk
