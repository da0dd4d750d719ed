"""Sends a file into a draft version, in parts straight to the store. Run again after a lost line, it goes on where it was."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import portal

CHUNK_BYTES, AT_ONCE, LOOK_EVERY_S = 4 * 2**20, 3, 0.5


def put_file(
    source: Path, slug: str, version: str, path: str, *, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """
    Send a file and wait until the portal has checked it.

    Needs `COMMONS_URL` and `COMMONS_API_TOKEN`, a token of a person who keeps the dataset.

    :raises CommonsError: with the portal's reason; what has arrived is kept for the next try
    """
    mark = _mark(source)
    size, digest = mark[0], _sha256(source)
    asked = {"version": version, "path": path, "size_bytes": size, "sha256": digest}
    upload = api("POST", f"/datasets/{slug}/uploads", asked)
    missing = [part for part in upload["parts"] if not part["done"]]
    tell(f"{path}: {len(upload['parts']) - len(missing)} of {len(upload['parts'])} parts have arrived")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(lambda part: _put_part(source, part), missing), start=1):
            tell(f"{path}: sent {done} of {len(missing)} missing parts")
    if _mark(source) != mark:
        raise _changed(source)
    upload = api("POST", f"/dataset-uploads/{upload['id']}/complete")
    while upload["state"] == "checking":
        time.sleep(LOOK_EVERY_S)
        upload = api("GET", f"/dataset-uploads/{upload['id']}")
    if upload["state"] != "stored":
        raise portal.CommonsError(upload["error"] or f"The upload is {upload['state']}.")
    tell(f"{path}: checked")
    return upload


def _put_part(source: Path, part: dict[str, Any]) -> None:
    with source.open("rb") as file:
        file.seek(part["offset"])
        body = file.read(part["size"])
    if len(body) != part["size"]:
        raise _changed(source)
    answer = portal.send("PUT", part["url"], data=body)
    if answer.status_code != 200:
        raise portal.error_of(answer)


def _mark(source: Path) -> tuple[int, int]:
    """Size and time of a file: others when somebody writes it."""
    found = source.stat()
    return found.st_size, found.st_mtime_ns


def _changed(source: Path) -> portal.CommonsError:
    return portal.CommonsError(f"{source} was changed while it was sent. Nothing was published; run the command again.")


def _sha256(source: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def api(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """
    A call of the portal's API with the person's token.

    :raises CommonsError: with the portal's reason
    """
    base, token = os.environ.get("COMMONS_URL"), os.environ.get("COMMONS_API_TOKEN")
    if not base or not token:
        raise portal.CommonsError("Set COMMONS_URL to the portal's address and COMMONS_API_TOKEN to a token of yours.")
    url = f"{base.rstrip('/')}/api/v1{path}"
    answer = portal.send(method, url, json=body, headers={"Authorization": f"Bearer {token}"})
    if answer.status_code not in (200, 201):
        raise portal.error_of(answer)
    return answer.json()
