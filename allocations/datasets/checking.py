"""
Checks of an uploaded file, in the background: whole, of the sha256 that was said, what its name says, no malware;
columns counted.

A look at what is due: safe to run twice at once (a lease in the row), and after a kill it begins again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from portal.core.words import text_clean
from portal.objects.door import NoSuchObject, store
from portal.objects.malware import Malware, scan

from . import uploading
from .models import DatasetFile, Upload
from .publishing import media_type
from .sniffing import NotAsNamed, sniff
from .states import U, V

log = logging.getLogger(__name__)
CHUNK_BYTES, TELL_EVERY_BYTES = 4 * 2**20, 64 * 2**20
LEASE, ATTEMPTS_MAX = timedelta(minutes=10), 5
LOOK_S = 120  # longest look into a table
READER = Path(__file__).parent / "table_look.py"


class Refused(Exception):
    """The file cannot be taken; the message tells its sender why."""


def uploads_due(*, at: datetime) -> None:
    """Check what waits, give up what nobody went on with."""
    stored_repair()
    for upload in Upload.objects.filter(state=U.RECEIVING, due_at__lte=at).select_related("version__dataset")[:50]:
        uploading.upload_give_up(upload=upload, by=None, at=at)
    for pk in Upload.objects.filter(state=U.CHECKING, due_at__lte=at).values_list("pk", flat=True)[:5]:
        upload_check(upload_id=pk, at=at)


def upload_check(*, upload_id: int, at: datetime) -> None:
    """Check one upload, if it is due and nobody else has it."""
    upload = Upload.objects.select_related("version__dataset").filter(pk=upload_id, state=U.CHECKING, due_at__lte=at).first()
    if upload is None:
        return
    claimed = Upload.objects.filter(pk=upload.pk, state=U.CHECKING, due_at=upload.due_at)
    if not claimed.update(due_at=at + LEASE, attempts=F("attempts") + 1):
        return
    try:
        _check(upload)
    except Refused as refused:
        _refuse(upload, str(refused))
    except NoSuchObject:
        _refuse(upload, f"{upload.path} did not arrive. Upload it again.")
    except Exception:
        log.exception("check of upload %s failed", upload.pk)
        if upload.attempts + 1 >= ATTEMPTS_MAX:
            _refuse(upload, "The check failed on our side. Upload it again; if it happens again, ask the operator.")


def _check(upload: Upload) -> None:
    found = store().upload_complete(upload.key, upload=upload.store_upload)
    if found.size != upload.size_bytes:
        raise Refused(f"{upload.path} arrived with {found.size} bytes instead of {upload.size_bytes}. Upload it again.")
    with _on_disk(upload.key) as path:
        digest = _digest(path, upload)
        if upload.sha256_said not in ("", digest):
            raise Refused(
                f"{upload.path} arrived with another sha256 than was said ({digest[:12]}… instead of "
                f"{upload.sha256_said[:12]}…): it "
                "was changed while it was sent, or damaged. Upload it again."
            )
        with path.open("rb") as file:
            try:
                kind = sniff(file, path=upload.path, size=found.size)
            except NotAsNamed as wrong:
                raise Refused(str(wrong)) from None
        try:
            notes = [f"it is {kind}", scan(path)]
        except Malware as found:
            raise Refused(f"A malware scanner stopped it: {found}") from None
        facts = table_look(path, upload.path)
    _keep(upload, digest, [*notes, *facts.pop("notes", [])], facts)


def _digest(path: Path, upload: Upload) -> str:
    digest, told = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            if file.tell() - told >= TELL_EVERY_BYTES:
                told = file.tell()
                Upload.objects.filter(pk=upload.pk).update(checked_bytes=told)
    Upload.objects.filter(pk=upload.pk).update(checked_bytes=upload.size_bytes)
    return digest.hexdigest()


def table_look(path: Path, name: str) -> dict[str, Any]:
    """
    Rows, columns with statistics, and first rows of a table, by the notebook environment's Python; {} for what is no table.

    :raises Refused: a Parquet file that cannot be read
    """
    python = settings.HOME / "environments" / "base" / "bin" / "python"
    if Path(name).suffix.lower() not in (".parquet", ".csv") or not python.exists():
        return {}
    try:
        done = subprocess.run(
            [str(python), "-I", str(READER), str(path), Path(name).suffix.lower()],
            capture_output=True,
            text=True,
            timeout=LOOK_S,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},  # what strangers send is read there: it knows no key of ours
        )
    except subprocess.TimeoutExpired:
        return {"notes": [f"its columns were not counted: that took longer than {LOOK_S} s"]}
    if done.returncode == 0:
        return _keepable(json.loads(done.stdout))
    reason = (done.stderr.strip().splitlines() or ["unknown"])[-1][:200]
    if name.lower().endswith(".parquet"):
        raise Refused(f"{name} cannot be read as Parquet: {reason}")
    return {"notes": [f"its columns were not counted: {reason}"]}


def _keepable(said: Any) -> Any:
    """Names and values of a table without what no database keeps."""
    if isinstance(said, str):
        return text_clean(said)
    if isinstance(said, dict):
        return {key: _keepable(value) for key, value in said.items()}
    return [_keepable(one) for one in said] if isinstance(said, list) else said


def _keep(upload: Upload, digest: str, notes: list[str], facts: dict[str, Any]) -> None:
    version = upload.version
    key = f"datasets/{version.dataset.slug}/{version.name}/{upload.path}"
    with transaction.atomic():
        version.refresh_from_db()
        if version.state != V.DRAFT:
            raise Refused(f"Version {version.name} was handed in meanwhile. Take it back to add files.")
        version.files.filter(path=upload.path).delete()
        file = DatasetFile.objects.create(
            version=version,
            path=upload.path,
            key=key,
            size_bytes=upload.size_bytes,
            sha256=digest,
            media_type=media_type(upload.path),
            **facts,
        )
        done = Upload.objects.filter(pk=upload.pk, state=U.CHECKING)
        done.update(state=U.STORED, file=file, notes=notes, checked_bytes=upload.size_bytes)
    # After the commit: a kill in between leaves a row whose object still lies under the upload's key; the next line repairs it.
    _into_place(upload, key)


def _into_place(upload: Upload, key: str) -> None:
    try:
        store().move(upload.key, key)
    except NoSuchObject:
        store().stat(key)  # moved before the kill
    Upload.objects.filter(pk=upload.pk).update(moved=True)
    if not DatasetFile.objects.filter(key=key).exists():
        store().delete(key)  # taken out of the draft meanwhile: nothing lies beside what a reviewer sees


def stored_repair() -> None:
    """Move what a kill left under its upload's key. One that cannot be moved holds up no other."""
    for upload in Upload.objects.filter(state=U.STORED, moved=False, file__isnull=False).select_related("file")[:50]:
        try:
            _into_place(upload, upload.file.key)  # type: ignore[union-attr]
        except Exception:
            log.exception("upload %s could not be put in its place; tried again at the next turn", upload.pk)


def _refuse(upload: Upload, why: str) -> None:
    if Upload.objects.filter(pk=upload.pk, state=U.CHECKING).update(state=U.REFUSED, error=why):
        store().upload_abort(upload.key, upload=upload.store_upload)
        store().delete(upload.key)


@contextmanager
def _on_disk(key: str) -> Iterator[Path]:
    """The object as a file of this machine: where it lies already, or a copy."""
    with store().open(key) as source:
        name = getattr(source, "name", "")
        if isinstance(name, str) and Path(name).is_file():
            yield Path(name)
            return
        with tempfile.NamedTemporaryFile(dir=settings.HOME) as copy:
            shutil.copyfileobj(source, copy, CHUNK_BYTES)
            copy.flush()
            yield Path(copy.name)
