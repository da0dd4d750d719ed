"""
What the portal says about data, and reads from the store it names. HTTP only.

The token stays in the environment of the process that uses it: it is never part of an address, of a Dask graph, or of anything
that is pickled.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any

import requests

LOST = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
RETRIES, PAUSE_S = 4, 0.5
CONNECT_S, READ_S = 5.0, 60.0
FRESH_S = 60.0  # how long an answer about files is believed; access is checked by the store at each read in any case
_local = threading.local()
_lock = threading.Lock()
_manifests: dict[tuple[str, str], Manifest] = {}


class CommonsError(OSError):
    """The portal or the store could not answer. The message says what to do."""


class AccessDenied(CommonsError, PermissionError):
    """This project may not read the dataset here now. `code` is for programs, the message says what to do."""

    def __init__(self, message: str, code: str = "access_denied") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> Any:
        return (AccessDenied, (str(self), self.code))


class NotFound(CommonsError, FileNotFoundError):
    """There is no such dataset, version or file."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a version, and the address that reads it for a while."""

    path: str
    size: int
    sha256: str
    url: str
    rows: int | None = None


@dataclass(frozen=True)
class Manifest:
    """A version of a dataset as this project reads it."""

    slug: str
    version: str
    title: str
    licence: str
    citation: str
    page: str
    files: dict[str, RemoteFile]
    fetched: float
    expires: float


def datasets() -> list[dict[str, str]]:
    """What may be read here now: slug, title, access class, page."""
    return _ask("/data/v1/datasets")["items"]


def session_plan() -> dict[str, Any]:
    """What is to be said of the session's end, and when to save: seconds from now."""
    return _ask("/data/v1/session")


def manifest(slug: str, version: str = "", *, fresh: bool = False) -> Manifest:
    """
    The files of a dataset.

    :param version: its name; "" is the newest
    :raises AccessDenied: with the reason and what to do
    :raises NotFound: no such dataset or version
    """
    now = time.monotonic()
    known = _manifests.get((slug, version))
    if known and not fresh and now - known.fetched < FRESH_S and now < known.expires:
        return known
    said = _ask(f"/data/v1/datasets/{requests.utils.quote(slug, safe='')}", {"version": version} if version else {})
    files = {
        file["path"]: RemoteFile(file["path"], file["size"], file["sha256"], file["url"], file.get("rows"))
        for file in said["files"]
    }
    found = Manifest(
        slug=slug,
        version=said["version"],
        title=said["title"],
        licence=said["licence"],
        citation=said["citation"],
        page=said["page"],
        files=files,
        fetched=now,
        expires=now + said["expires_s"] * 0.8,
    )
    if said.get("notice"):
        warnings.warn(said["notice"], stacklevel=2)  # Python shows the same words once
    with _lock:
        _manifests[slug, version] = found
    return found


def file_find(slug: str, version: str, path: str, *, fresh: bool = False) -> RemoteFile:
    """
    One file.

    :raises NotFound: naming those there are
    """
    found = manifest(slug, version, fresh=fresh)
    if path not in found.files:
        names = ", ".join(list(found.files)[:8])
        raise NotFound(f"{slug} (version {found.version}) has no file {path!r}. It has: {names}")
    return found.files[path]


def read_range(slug: str, version: str, path: str, start: int, end: int) -> bytes:
    """
    Bytes `start` to `end` (excluded) of a file. A link that ran out is renewed; what was revoked is denied.

    :raises AccessDenied: with the reason the store gave
    """
    if end <= start:
        return b""
    for again in (False, True):
        file = file_find(slug, version, path, fresh=again)
        answer = send("GET", file.url, headers={"Range": f"bytes={start}-{end - 1}"})
        if answer.status_code in (200, 206):
            body = answer.content
            return body[start:end] if answer.status_code == 200 else body
        if not (again is False and answer.status_code in (401, 403, 404, 410)):
            break  # one more try with a new link: the portal then says the reason in its own words
    raise error_of(answer)


def _ask(path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
    base, token = os.environ.get("COMMONS_URL"), os.environ.get("COMMONS_TOKEN")
    if not base or not token:
        raise CommonsError(
            "This is no session of Compute Commons: COMMONS_URL and COMMONS_TOKEN are not set. Launch a notebook from "
            "the portal."
        )
    answer = send("GET", base.rstrip("/") + path, params=params, headers={"Authorization": f"Bearer {token}"})
    if answer.status_code != 200:
        raise error_of(answer)
    return answer.json()


def send(method: str, url: str, **options: Any) -> requests.Response:
    """One request, tried again when the line or the server stumbles."""
    for attempt in range(RETRIES):
        try:
            answer = _http().request(method, url, timeout=(CONNECT_S, READ_S), verify=_authority(url), **options)
            if answer.status_code not in (429, 500, 502, 503, 504) or attempt == RETRIES - 1:
                return answer
        except (requests.ConnectionError, requests.Timeout) as error:
            if attempt == RETRIES - 1:
                where = url.split("/")[2]
                raise CommonsError(f"{where} does not answer ({type(error).__name__}). Try again in a moment.") from None
        time.sleep(PAUSE_S * 2**attempt)
    raise AssertionError("unreachable")


def _authority(url: str) -> str | bool:
    """Whose certificates are believed: a store with a certificate of its own is named by the session's environment."""
    store, bundle = os.environ.get("AWS_ENDPOINT_URL"), os.environ.get("AWS_CA_BUNDLE")
    return bundle if store and bundle and url.startswith(store) else True


def _http() -> requests.Session:
    """One connection pool per thread and process: a forked worker must not share a socket with its parent."""
    if getattr(_local, "pid", None) != os.getpid():
        _local.http, _local.pid = requests.Session(), os.getpid()
        _local.http.trust_env = False  # a proxy of the outside world does not lead to the portal
    return _local.http


def error_of(answer: requests.Response) -> CommonsError:
    """An answer that refuses, as the error a person reads."""
    try:
        said = answer.json()
        message, code = str(said["detail"]), str(said.get("code", ""))
    except (ValueError, KeyError, TypeError):
        message, code = f"The portal answered {answer.status_code}.", ""
    if answer.status_code in (404, 410):
        return NotFound(message)
    if answer.status_code in (401, 403):
        return AccessDenied(message, code or "access_denied")
    return CommonsError(message)
