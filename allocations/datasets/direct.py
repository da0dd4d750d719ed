"""A whole file through the portal, for browsers without JavaScript: laid into the store as one part, then checked like
all others."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portal.accounts.models import User
from portal.core.enqueue import enqueue
from portal.core.errors import Malformed
from portal.objects.door import store

from . import uploading
from .models import Upload, Version
from .states import U

SIZE_MAX = 200 * 10**6


def upload_whole(*, version: Version, path: str, file: Any, by: User, at: datetime) -> Upload:
    """
    Take a file of at most 200 MB.

    :param file: Django's uploaded file
    :raises Malformed: larger than that
    """
    if file.size > SIZE_MAX:
        raise Malformed("Larger than 200 MB: use a browser with JavaScript, or `commons put`.", field="file")
    upload = uploading.upload_begin(version=version, path=path, size_bytes=file.size, by=by, at=at)
    store().put(upload.key, file)
    store().upload_abort(upload.key, upload=upload.store_upload)  # nothing came in parts; completing finds the whole object
    if Upload.objects.filter(pk=upload.pk, state=U.RECEIVING).update(state=U.CHECKING, due_at=at):
        enqueue("allocations.datasets.tasks.upload_check", upload_id=upload.pk)
    upload.refresh_from_db()
    return upload
