"""Each account's transfers form a chain: every transfer's hash covers its content and the hash before it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from typing import Any


def transfer_hash(fields: dict[str, Any], prev_hash: str) -> str:
    """
    SHA-256 over the previous hash and the transfer's content as canonical JSON (sorted keys, no spaces, UTC times).

    :param fields: the columns of the transfer that carry meaning
    """
    at = fields["at"].astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps({**fields, "at": at}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{prev_hash}\n{text}".encode()).hexdigest()
