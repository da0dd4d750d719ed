"""What a Croissant (or schema.org/Dataset) file says, as fields of our form. Never trusted: a person checks it before
it is saved."""

from __future__ import annotations

import json
import re
from typing import Any

from portal.core.errors import Malformed

SIZE_MAX = 2 * 10**6
SPDX = re.compile(r"spdx\.org/licenses/([A-Za-z0-9.+-]+?)(?:\.html)?/?$")
CREATIVE = re.compile(r"creativecommons\.org/licenses/(by(?:-nc)?(?:-sa|-nd)?)/(\d\.\d)")


def facts(body: bytes) -> dict[str, Any]:
    """
    Fields for the form that offers a dataset.

    :raises Malformed: no JSON, too large, or no dataset in it
    """
    if len(body) > SIZE_MAX:
        raise Malformed("A Croissant file has at most 2 MB.", field="croissant")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("That is no JSON. Choose a Croissant file (JSON-LD).", field="croissant") from None
    if not isinstance(said, dict) or "Dataset" not in str(said.get("@type")):
        raise Malformed('That is no Croissant file: it has no "@type" of a dataset.', field="croissant")
    description = _text(said.get("description"))
    found = {
        "slug": re.sub(r"[^a-z0-9]+", "-", _text(said.get("name")).lower()).strip("-")[:60],
        "title": (_text(said.get("alternateName")) or _text(said.get("name")))[:160],
        "summary": re.split(r"(?<=[.!?])\s", description)[0][:300],
        "description": description,
        "licence": _licence(_text(said.get("license"))),
        "keywords": [_text(word)[:60] for word in _list(said.get("keywords"))][:40],
        "publisher": _text(said.get("publisher") or said.get("creator"))[:160],
        "citation": _text(said.get("citeAs") or said.get("citation")),
        "source_url": _text(said.get("url"))[:300],
    }
    return {key: value for key, value in found.items() if value}


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = value.get("name") or value.get("@value") or value.get("@id") or ""
    return str(value or "").strip()


def _list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return value if isinstance(value, list) else []


def _licence(said: str) -> str:
    if match := SPDX.search(said):
        return match[1]
    if match := CREATIVE.search(said):
        return f"CC-{match[1].upper()}-{match[2]}"
    return "CC0-1.0" if "publicdomain/zero" in said else ""
