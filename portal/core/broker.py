"""
Celery's filesystem broker writes a message in place: a worker that lists the folder at that moment reads half of it and dies
(seen on a busy machine). Here a message is written beside the queue and appears by rename.
"""

from __future__ import annotations

import os
import uuid
from time import monotonic_ns
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps


def whole_messages() -> None:
    """Have messages of the filesystem broker appear whole."""
    filesystem.Channel._put = _put  # type: ignore[method-assign, assignment]


def _put(channel: Any, queue: str, payload: Any, **_: object) -> None:
    # A name that begins with a dot belongs to no queue: readers pass it over.
    name = f"{monotonic_ns() // 1_000_000}_{uuid.uuid4()}.{queue}.msg"
    folder = channel.data_folder_out
    draft = os.path.join(folder, f".{name}")
    try:
        with open(draft, "wb") as handle:
            handle.write(str_to_bytes(dumps(payload)))
        os.replace(draft, os.path.join(folder, name))
    except OSError as error:
        raise ChannelError(f"Cannot add file {name!r} to directory") from error
