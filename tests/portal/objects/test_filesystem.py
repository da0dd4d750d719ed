"""The filesystem store and the server that answers its links."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import override_settings

from portal.config import files_settings
from portal.core.errors import Refusal
from portal.objects import tickets, views
from portal.objects.door import Store
from portal.objects.filesystem import FilesystemStore

from .contract import StoreContract

pytestmark = pytest.mark.django_db
HOST = "127.0.0.1:64102"


def holds(words: str, *, key: str, at: datetime) -> None:
    """A ticket `test.ok` holds; all others were taken back."""
    if words != "ok":
        raise Refusal("access_revoked", "The steward ended it.", status=403)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store, whose links the server below answers."""
    made = FilesystemStore(tmp_path / "objects", f"http://{HOST}")
    monkeypatch.setattr(views, "store", lambda: made)
    monkeypatch.setitem(tickets._checkers, "test", f"{__name__}.holds")
    return made


def get(url: str, method: str = "GET", host: str = HOST, body: bytes = b"", **headers: str) -> httpx.Response:
    """Ask the file store's own application, with its own settings, in this process."""
    own = {"OWN_HOST": HOST, "ROOT_URLCONF": files_settings.ROOT_URLCONF, "MIDDLEWARE": files_settings.MIDDLEWARE}
    with override_settings(**own), _connections_kept():
        transport = httpx.WSGITransport(app=get_wsgi_application())
        with httpx.Client(transport=transport, base_url=f"http://{HOST}") as client:
            return client.request(method, url, headers={"Host": host, **headers}, content=body)


@contextmanager
def _connections_kept() -> Iterator[None]:
    """As Django's own test client does: a request would close the connection that this test's transaction is on."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


class TestContract(StoreContract):
    """The filesystem store keeps the contract."""

    def get(self, url: str, **headers: str) -> httpx.Response:
        return get(url, **headers)

    def put(self, url: str, body: bytes) -> httpx.Response:
        return get(url, "PUT", body=body)


def link(store: Store, key: str = "data/a.csv", ticket: str = "test.ok") -> str:
    """A link for a minute."""
    return store.link(key, ticket=ticket, expires=datetime.now(UTC) + timedelta(minutes=1))


def test_head_says_what_get_would(store: Store) -> None:
    store.put("data/a.csv", io.BytesIO(b"a,b\n1,2\n"))
    said, got = get(link(store), "HEAD"), get(link(store))
    assert said.content == b""
    assert got.content == b"a,b\n1,2\n"
    for name in ("Content-Length", "ETag", "Accept-Ranges", "Content-Type", "Last-Modified"):
        assert said.headers[name] == got.headers[name]
    assert said.headers["Content-Length"] == "8"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in got.headers["Content-Security-Policy"]
    part = get(link(store), "HEAD", Range="bytes=-2")
    assert (part.status_code, part.headers["Content-Range"]) == (206, "bytes 6-7/8")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_link_only_reads(store: Store, method: str) -> None:
    store.put("data/a.csv", io.BytesIO(b"x"))
    assert get(link(store), method).status_code == 405
    assert store.stat("data/a.csv").size == 1


def test_a_range_of_a_file_that_changed_gives_the_whole_file(store: Store) -> None:
    before = store.put("data/a.csv", io.BytesIO(b"0123456789"))
    store.put("data/a.csv", io.BytesIO(b"abcdefghijk"))
    answer = get(link(store), Range="bytes=0-1", **{"If-Range": before.etag})
    assert (answer.status_code, answer.content) == (200, b"abcdefghijk")


def test_a_ticket_is_asked_about_at_every_request(store: Store) -> None:
    store.put("data/a.csv", io.BytesIO(b"x"))
    assert get(link(store)).status_code == 200
    for ticket, code in (("test.gone", "access_revoked"), ("unknown.ok", "bad_link"), ("nonsense", "bad_link")):
        answer = get(link(store, ticket=ticket))
        assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_a_forged_ticket_breaks_the_signature(store: Store) -> None:
    store.put("data/a.csv", io.BytesIO(b"x"))
    path = urlsplit(link(store, ticket="test.gone")).path
    _, _, stamp, key = path.split("/", 3)
    expires, _, mac = stamp.split(".")
    forged = urlsplit(link(store)).path.split("/", 3)[2].split(".")[1]
    assert get(f"/o/{expires}.{forged}.{mac}/{key}").json()["code"] == "bad_link"
    assert get(f"/o/{int(expires) + 9}.{stamp.split('.')[1]}.{mac}/{key}").json()["code"] == "bad_link"
    assert get(f"/o/nonsense/{key}").json()["code"] == "bad_link"


def test_the_file_store_answers_only_its_own_name_and_sets_no_cookie(store: Store) -> None:
    for host in ("localhost:64102", "127.0.0.1:64000", "localhost:64100"):
        answer = get("/health", host=host, Cookie="portal_session=stolen")
        assert answer.status_code == 421
        assert "set-cookie" not in answer.headers
    assert get("/health", Cookie="portal_session=mine").status_code == 200
    assert get("/datasets/").status_code == 404


def test_a_reader_never_sees_half_a_file(store: Store) -> None:
    store.put("data/a.csv", io.BytesIO(b"old"))
    begun, go_on = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, *size: Any) -> bytes:
            begun.set()
            go_on.wait(5)
            return super().read(*size)

    writer = threading.Thread(target=store.put, args=("data/a.csv", Slow(b"new and longer")))
    writer.start()
    assert begun.wait(5)
    assert get(link(store)).content == b"old"
    assert [found.key for found in store.list("")] == ["data/a.csv"]
    go_on.set()
    writer.join()
    assert get(link(store)).content == b"new and longer"


def test_a_part_that_was_cut_leaves_nothing_and_only_the_portal_may_send_from_a_page(store: Store) -> None:
    assert isinstance(store, FilesystemStore)
    upload = store.upload_begin("data/a.csv")
    with pytest.raises(ConnectionError):
        store.upload_put(upload=upload, number=1, source=io.BytesIO(b"half"), size=8)
    assert store.upload_parts("data/a.csv", upload=upload) == {}
    assert [path.name for path in (store.root / ".drafts" / f"upload-{upload}").iterdir()] == []
    expires = datetime.now(UTC) + timedelta(minutes=1)
    asked = store.upload_link("data/a.csv", upload=upload, number=1, size=1, ticket="test.ok", expires=expires)
    assert get(asked, "OPTIONS").headers["Access-Control-Allow-Origin"] == settings.PORTAL_URL
    assert get(asked, "PUT").status_code == 413
    gone = store.upload_link("data/a.csv", upload=upload, number=1, size=1, ticket="test.gone", expires=expires)
    assert get(gone, "PUT", body=b"x").json()["code"] == "access_revoked"
