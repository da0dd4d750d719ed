"""
The file store's own log of what was read: a line of JSON for each request of a dataset, in the words of Ceph's ops log, so that
one reader upstairs turns either into figures.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from .s3_connection import DATASETS

log = logging.getLogger(__name__)


def read_note(*, ticket: str, key: str, status: int, sent_bytes: int) -> None:
    """
    Write down that an object was asked for. A log that cannot be written is no reason to keep a person waiting.

    :param ticket: whom the link was made for
    :param sent_bytes: what the answer holds; a reader who hangs up early is counted for all of it
    """
    folder, _, name = key.partition("/")
    if folder != DATASETS or not settings.OBJECTS_LOG:
        return
    line = {
        "bucket": settings.OBJECTS_BUCKET_PREFIX + DATASETS,
        "time": datetime.now(UTC).isoformat(),
        "operation": "get_obj",
        "uri": f"GET /{DATASETS}/{name} HTTP/1.1",
        "http_status": str(status),
        "bytes_sent": sent_bytes,
        "sts_info": {"role_session": ticket},
    }
    try:
        # One write at the end of the file: lines of several processes do not mix.
        handle = os.open(Path(settings.OBJECTS_LOG), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, json.dumps(line).encode() + b"\n")
        finally:
            os.close(handle)
    except OSError as error:
        log.warning("what was read could not be written down: %s", error)
