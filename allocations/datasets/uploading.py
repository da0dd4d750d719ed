"""Files on their way into a draft: in parts straight to the store, gone on with after a lost line."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, Sum

from portal.accounts.models import User
from portal.core.enqueue import enqueue
from portal.core.errors import Malformed, Refusal
from portal.objects.door import store
from portal.objects.keys import key_check

from . import policies
from .models import Dataset, DatasetFile, Upload, Version
from .states import U, V

PART_BYTES, PARTS_MAX = 8 * 2**20, 10_000
FILE_BYTES_MAX = 512 * 2**30
ENTERPRISE_BYTES_MAX = 2**40  # drafts and published together
# Has arrived, and is being checked or put in its place.
UNDER_WAY = Q(state=U.CHECKING) | Q(state=U.STORED, moved=False, file__isnull=False)
UPLOAD_LIFE = timedelta(days=7)  # an upload nobody went on with is given up
LINK_LIFE = timedelta(hours=6)


def upload_begin(
    *, version: Version, path: str, size_bytes: int, by: User, at: datetime, sha256: str = "", changed: str = ""
) -> Upload:
    """
    Begin, or go on with, the upload of a file. Ask again after a lost line: the same path, size and mark is the same upload.

    :param sha256: what the sender worked out; a file that arrives differently is refused
    :param changed: when the file was last changed, from a sender that works no sha256 out; parts of what it was before and of
        what it is now never become one file
    :raises Malformed: a bad name, nothing in it, or too large
    :raises Refusal: `version_closed`, `path_taken`, `storage_full`
    """
    policies.check_may_edit(user=by, dataset=version.dataset)
    _check_draft(version)
    key_check(f"datasets/{version.dataset.slug}/{version.name}/{path}")
    if size_bytes <= 0:
        raise Malformed(f"{path} is empty; there is nothing to publish in it.", field="size_bytes")
    if size_bytes > FILE_BYTES_MAX:
        raise Malformed(f"{path} is larger than {FILE_BYTES_MAX // 2**30} GiB. Split it.", field="size_bytes")
    if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise Malformed("A sha256 has 64 hexadecimal digits, in lower case.", field="sha256")
    known = version.uploads.filter(path=path, state=U.RECEIVING).first()
    if known is not None and _is_same(known, size_bytes, sha256, changed):
        if sha256 and not known.sha256_said:
            Upload.objects.filter(pk=known.pk).update(sha256_said=sha256)
        return known
    if known is not None:
        upload_give_up(upload=known, by=by, at=at)  # another file under that name: begin anew
    if version.uploads.filter(UNDER_WAY, path=path).exists():
        raise Refusal("path_taken", f"{path} is being checked just now. Wait for it, or take another name.")
    _check_place(version, path)
    _check_room(version.dataset, size_bytes)
    part_bytes = max(PART_BYTES, -(-size_bytes // PARTS_MAX))
    key = f"incoming/{version.pk}/{secrets.token_hex(8)}"
    name = store().upload_begin(key)
    try:
        with transaction.atomic():
            made = Upload.objects.create(
                version=version,
                path=path,
                size_bytes=size_bytes,
                part_bytes=part_bytes,
                sha256_said=sha256,
                changed=changed,
                key=key,
                store_upload=name,
                created_by=by,
                created_at=at,
                due_at=at + UPLOAD_LIFE,
            )
    except IntegrityError:  # a second click was faster: its upload is ours
        return version.uploads.get(path=path, state=U.RECEIVING)
    return made


def upload_parts(*, upload: Upload, at: datetime) -> list[dict[str, Any]]:
    """The parts of an upload: number, offset, size, whether it arrived, and where a missing one is to be put."""
    if upload.state != U.RECEIVING:
        return []
    arrived = store().upload_parts(upload.key, upload=upload.store_upload)
    parts = []
    for number in range(1, upload.part_count + 1):
        offset = (number - 1) * upload.part_bytes
        size = min(upload.part_bytes, upload.size_bytes - offset)
        done = arrived.get(number) == size
        parts.append(
            {
                "number": number,
                "offset": offset,
                "size": size,
                "done": done,
                "url": None if done else _part_link(upload, number, at),
            }
        )
    return parts


def upload_complete(*, upload: Upload, by: User, at: datetime) -> Upload:
    """
    All parts have arrived: check the file in the background. Asking again is the same.

    :raises Refusal: `parts_missing`, naming the first
    """
    policies.check_may_edit(user=by, dataset=upload.version.dataset)
    if upload.state != U.RECEIVING:
        return upload
    missing = [part["number"] for part in upload_parts(upload=upload, at=at) if not part["done"]]
    if missing:
        raise Refusal(
            "parts_missing",
            f"{len(missing)} parts of {upload.path} have not arrived, first part {missing[0]}.",
            parts=missing[:100],
        )
    if Upload.objects.filter(pk=upload.pk, state=U.RECEIVING).update(state=U.CHECKING, due_at=at, attempts=0):
        enqueue("allocations.datasets.tasks.upload_check", upload_id=upload.pk)
    upload.refresh_from_db()
    return upload


def upload_give_up(*, upload: Upload, by: User | None, at: datetime) -> None:
    """Forget an upload that has not been completed."""
    if by is not None:
        policies.check_may_edit(user=by, dataset=upload.version.dataset)
    if Upload.objects.filter(pk=upload.pk, state=U.RECEIVING).update(state=U.ABANDONED, due_at=at):
        store().upload_abort(upload.key, upload=upload.store_upload)


def file_remove(*, version: Version, path: str, by: User) -> None:
    """
    Take a file out of a draft.

    :raises Refusal: `version_closed`
    """
    policies.check_may_edit(user=by, dataset=version.dataset)
    with transaction.atomic():
        _check_draft(Version.objects.select_for_update().get(pk=version.pk))  # handed in meanwhile: nothing in it changes
        found = list(version.files.filter(path=path))
        DatasetFile.objects.filter(pk__in=[file.pk for file in found]).delete()
    for file in found:
        store().delete(file.key)


def ticket_check(words: str, *, key: str, at: datetime) -> None:  # noqa: ARG001 (every checker is asked alike)
    """
    Whether a part may still be put: the upload is receiving, and its sender keeps the dataset today.

    :raises Refusal: otherwise
    """
    user_pk, _, upload_pk = words.partition("-")
    upload = Upload.objects.select_related("version__dataset").filter(pk=int(upload_pk), state=U.RECEIVING).first()
    user = User.objects.filter(pk=int(user_pk)).first()
    if upload is None or user is None or upload.key != key or not policies.may_edit(user=user, dataset=upload.version.dataset):
        raise Refusal("upload_over", "This upload is complete, was given up, or is not yours any more.", status=403)


def _part_link(upload: Upload, number: int, at: datetime) -> str:
    ticket = f"u.{upload.created_by_id}-{upload.pk}"
    size = min(upload.part_bytes, upload.size_bytes - (number - 1) * upload.part_bytes)
    return store().upload_link(
        upload.key, upload=upload.store_upload, number=number, size=size, ticket=ticket, expires=at + LINK_LIFE
    )


def _is_same(known: Upload, size_bytes: int, sha256: str, changed: str) -> bool:
    """Whether an upload that has begun is of this file."""
    return known.size_bytes == size_bytes and known.sha256_said in ("", sha256) and known.changed in ("", changed)


def _check_place(version: Version, path: str) -> None:
    """A name is a file or a folder, not both: a store that is a disk could not keep it, nor a person who takes it along."""
    parts = path.split("/")
    above = ["/".join(parts[:deep]) for deep in range(1, len(parts))]
    clash = Q(path__in=above) | Q(path__startswith=f"{path}/")
    coming = version.uploads.filter(clash, UNDER_WAY | Q(state=U.RECEIVING)).values_list("path", flat=True)
    other = version.files.filter(clash).values_list("path", flat=True).first() or coming.first()
    if other is not None:
        raise Refusal("path_taken", f"{path} does not fit beside {other}: a name is a file or a folder. Take another name.")


def _check_draft(version: Version) -> None:
    if version.state != V.DRAFT:
        words = {V.IN_REVIEW: "in review; take it back to change it"}.get(
            V(version.state), "published and never changes; begin a new one"
        )
        raise Refusal("version_closed", f"Version {version.name} is {words}.")


def _check_room(dataset: Dataset, more: int) -> None:
    if dataset.organisation_id is None:
        return
    versions = Version.objects.filter(dataset__organisation=dataset.organisation_id)
    used = versions.aggregate(n=Sum("files__size_bytes"))["n"] or 0
    coming = (
        Upload.objects.filter(version__in=versions, state__in=[U.RECEIVING, U.CHECKING]).aggregate(n=Sum("size_bytes"))["n"]
        or 0
    )
    if used + coming + more > ENTERPRISE_BYTES_MAX:
        raise Refusal(
            "storage_full",
            f"Your enterprise has {(used + coming) / 1e9:.1f} GB of {ENTERPRISE_BYTES_MAX / 1e9:.0f} GB in datasets. "
            f"Remove drafts "
            "you do not need, or ask the operator for more.",
        )
