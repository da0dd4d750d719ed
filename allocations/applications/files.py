"""Files of an application: kept in the object store, outside of anything the web serves, replaced but never lost once sent."""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import BinaryIO

from django.db import transaction

from allocations.calls.document import Attachment as Asked
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, NotYours, Refusal
from portal.objects import malware
from portal.objects.door import NoSuchObject, store
from portal.objects.orphans import orphans_delete, orphans_due

from . import letters, policies
from .filetypes import ENDINGS, MEDIA, WORDS, file_type, fits
from .models import Application, AttachedFile

MB = 10**6
PREFIX = "file-"
FOLDER = "applications/"
SCAN_S, SCAN_LEASE, SCANS_AT_ONCE = 20, timedelta(minutes=10), 5


def asked_files(application: Application) -> list[Asked]:
    """The files its call asks for."""
    return application.version.rules.attachments


def files_of(application: Application) -> dict[str, AttachedFile]:
    """What is attached now, by key, in one query."""
    rows = AttachedFile.objects.filter(application=application, replaced_at__isnull=True)
    return {row.key: row for row in rows.select_related("added_by", "application")}


def files_missing(application: Application) -> dict[str, str]:
    """Files that are asked for and not there, by their key on the page."""
    wanted = [asked for asked in asked_files(application) if asked.required]
    there = files_of(application) if wanted else {}
    return {PREFIX + asked.key: "Please add this file." for asked in wanted if asked.key not in there}


def file_add(
    *, application: Application, key: str, name: str, source: BinaryIO, size: int, by: User, at: datetime
) -> AttachedFile:
    """
    Keep a file for one of the call's questions; an earlier one steps aside. The same bytes again change nothing.

    :param size: bytes, as the sender said
    :raises NotAllowed: unless the person may write the application
    :raises Malformed: empty, too large, not what is asked for by its content, or `malware`
    :raises Refusal: `not_editable`
    """
    policies.check_may_write(user=by, application=application)
    policies.check_still_editable(application=application)
    asked = next((one for one in asked_files(application) if one.key == key), None)
    if asked is None:
        raise NotYours("question for a file")
    limit = asked.size_mb_max * MB
    body = source.read(limit + 1) if size <= limit else b""
    if size > limit or len(body) > limit:
        raise Malformed(f"The file is larger than {asked.size_mb_max} MB. Send a smaller one.", field=PREFIX + key)
    if not body:
        raise Malformed("The file is empty.", field=PREFIX + key)
    found = file_type(body)
    if not fits(found, list(asked.kinds)):
        wanted = " or ".join(WORDS[kind] for kind in asked.kinds)
        raise Malformed(
            f"“{safe_name(name)}” is {found.words}, whatever its name says; this asks for {wanted}. Nothing was kept.",
            field=PREFIX + key,
        )
    kind = found.kind or "text"
    digest = hashlib.sha256(body).hexdigest()
    before = files_of(application).get(key)
    if before is not None and before.sha256 == digest:
        return before
    note = _scan_now(body, name, key)
    # The bytes first, outside of any transaction; a row never names bytes that are not there. What is left without a row by a
    # kill is swept away.
    object_key = f"{FOLDER}{application.pk}/{digest}.{ENDINGS.get(kind, kind)}"
    store().put(object_key, io.BytesIO(body))
    with transaction.atomic():
        AttachedFile.objects.filter(application=application, key=key, replaced_at__isnull=True).update(replaced_at=at)
        made = AttachedFile.objects.create(
            application=application,
            key=key,
            name=safe_name(name),
            kind=kind,
            size=len(body),
            sha256=digest,
            object_key=object_key,
            added_by=by,
            added_at=at,
            scanned_at=None if note is None else at,
            scan=note or "",
            scan_due_at=at,
        )
        about = f"application:{application.code}"
        audit.event_record(kind="application.file_added", actor=by, about=about, at=at, file=key, sha256=digest)
    return made


@transaction.atomic
def file_remove(*, application: Application, key: str, by: User, at: datetime) -> None:
    """Take a file out of the draft. What was sent with an earlier version is kept."""
    policies.check_may_write(user=by, application=application)
    policies.check_still_editable(application=application)
    if AttachedFile.objects.filter(application=application, key=key, replaced_at__isnull=True).update(replaced_at=at):
        about = f"application:{application.code}"
        audit.event_record(kind="application.file_removed", actor=by, about=about, at=at, file=key)


def file_get(*, application: Application, pk: int) -> AttachedFile:
    """
    One file of an application the person may read; the application was read for them.

    :raises NotYours: there is none
    """
    row = AttachedFile.objects.filter(application=application, pk=pk).first()
    if row is None:
        raise NotYours("file")
    return row


def file_open(row: AttachedFile) -> tuple[BinaryIO, str]:
    """
    The bytes and their media type.

    :raises Refusal: `file_is_malware`, `file_being_checked`, `file_gone`
    """
    if row.malware:
        words = f"“{row.name}” was stopped by a malware scanner ({row.malware}), and its bytes are gone. Ask for another file."
        raise Refusal("file_is_malware", words, status=410)
    if row.scanned_at is None:
        words = f"“{row.name}” is being looked at by a malware scanner. Try again in a minute."
        raise Refusal("file_being_checked", words)
    try:
        return store().open(row.object_key), MEDIA[row.kind]
    except NoSuchObject:
        raise Refusal("file_gone", "This file cannot be read just now. Tell the officer.", status=503) from None


def _scan_now(body: bytes, name: str, key: str) -> str | None:
    """What the scanner says, or None where it takes longer than a person should wait."""
    if not malware.answers_at_once():
        return None
    try:
        return malware.scan_bytes(body, timeout_s=SCAN_S)
    except malware.Malware as found:
        raise Malformed(
            f"“{safe_name(name)}” was stopped by a malware scanner: {found}. Nothing was kept. Make the file anew on a machine "
            "that is clean, or ask the officer.",
            field=PREFIX + key,
            code="malware",
        ) from None


def files_scan_due(*, at: datetime) -> None:
    """Look at files the scanner had no time for when they came; one that it knows is taken out, and who added it is told."""
    rows = AttachedFile.objects.filter(scanned_at__isnull=True, scan_due_at__lte=at).select_related("application", "added_by")
    for row in rows.order_by("scan_due_at")[:SCANS_AT_ONCE]:
        claimed = AttachedFile.objects.filter(pk=row.pk, scan_due_at=row.scan_due_at, scanned_at__isnull=True)
        if claimed.update(scan_due_at=at + SCAN_LEASE):
            _scan_later(row, at)


def _scan_later(row: AttachedFile, at: datetime) -> None:
    try:
        with store().open(row.object_key) as source:
            note = malware.scan_bytes(source.read())
    except NoSuchObject:
        note = "not scanned for malware: its bytes are gone"
    except malware.Malware as found:
        _take_out(row, str(found), at)
        return
    AttachedFile.objects.filter(pk=row.pk).update(scanned_at=at, scan=note[:300])


def _take_out(row: AttachedFile, finding: str, at: datetime) -> None:
    store().delete(row.object_key)
    with transaction.atomic():
        rows = AttachedFile.objects.filter(pk=row.pk, scanned_at__isnull=True)
        if not rows.update(scanned_at=at, malware=finding[:200], replaced_at=row.replaced_at or at):
            return
        facts = {"file": row.key, "malware": finding}
        audit.event_record(
            kind="application.file_stopped", actor=None, about=f"application:{row.application.code}", at=at, **facts
        )
        letters.file_stopped(row, finding, at=at)


def files_orphaned(*, at: datetime) -> None:
    """Delete bytes of files that belong to no application any more, or never came to."""
    if orphans_due(FOLDER):
        orphans_delete(prefix=FOLDER, known=_named, at=at)


def _named(keys: Sequence[str]) -> set[str]:
    return set(AttachedFile.objects.filter(object_key__in=keys, malware="").values_list("object_key", flat=True))


def files_content(application: Application) -> dict[str, dict[str, object]]:
    """What a snapshot keeps of files."""
    return {key: {"file": row.pk, "name": row.name, "sha256": row.sha256} for key, row in files_of(application).items()}


def safe_name(name: str) -> str:
    """A file's name without folders, control signs and tricks of direction."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C")
    return kept.strip(" .")[:120] or "file"
