"""Takes all of a person's files of a project along. Run again after a lost line, it goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import portal
from .upload import api

PIECE_BYTES, TRIES = 8 * 2**20, 5


def export_all(allocation: str, to: Path, *, tell: Callable[[str], None] = lambda _: None) -> tuple[int, int]:
    """
    Fetch every file into a folder; one that lies there whole is not fetched again. Returns files and bytes.

    Needs `COMMONS_URL` and `COMMONS_API_TOKEN`, a token of one of the project's people.

    :raises CommonsError: with the portal's reason; what has arrived is kept for the next try
    """
    count = size = 0
    cursor: int | None = 0
    while cursor is not None:
        page = api("GET", f"/allocations/{allocation}/files?cursor={cursor}")
        for item in page["items"]:
            _fetch(item, to)
            count, size = count + 1, size + item["bytes"]
            tell(f"{count} files, {size / 1e6:.1f} MB: {item['path']}")
        cursor = page["next"]
    return count, size


def _fetch(item: dict[str, Any], to: Path) -> None:
    target = to / str(item["path"]).lstrip("/")
    if target.exists() and target.stat().st_size == item["bytes"]:
        return
    if ".." in target.parts[len(to.parts) :]:
        raise portal.CommonsError(f"{item['path']} would lie outside of {to}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + ".part")
    for _ in range(TRIES):
        have = draft.stat().st_size if draft.exists() else 0
        if have >= item["bytes"]:
            break
        _append(item, draft, have)
    if item["bytes"] == 0:
        draft.touch()
    if draft.stat().st_size != item["bytes"]:
        draft.unlink(missing_ok=True)
        raise portal.CommonsError(f"{item['path']} changed while it was fetched. Run the command again.")
    draft.replace(target)


def _append(item: dict[str, Any], draft: Path, have: int) -> None:
    headers = {"Range": f"bytes={have}-"} if have else {}
    base = os.environ["COMMONS_URL"].rstrip("/")
    if item["url"].startswith(base + "/"):  # the token goes to the portal alone, never to the store
        headers["Authorization"] = f"Bearer {os.environ['COMMONS_API_TOKEN']}"
    answer = portal.send("GET", item["url"], headers=headers, stream=True)
    if answer.status_code not in (200, 206):
        raise portal.error_of(answer)
    mode = "ab" if have and answer.status_code == 206 else "wb"
    try:
        with draft.open(mode) as out:
            for piece in answer.iter_content(PIECE_BYTES):
                out.write(piece)
    except portal.LOST:
        pass  # what came is kept; the next turn goes on behind it
    finally:
        answer.close()
