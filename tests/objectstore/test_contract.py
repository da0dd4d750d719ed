"""The S3 store keeps the same contract as the filesystem store: on a real store, over http and TLS."""

from __future__ import annotations

import io
import os
import secrets
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from portal.objects.credentials import Vendor
from portal.objects.door import Store
from portal.objects.s3 import PART_BYTES, S3Store
from portal.objects.s3_connection import S3Connection
from tests.portal.objects.contract import StoreContract
from tests.support.objectstore import ObjectStore


class _OnRealStore(StoreContract):
    tls = False

    @pytest.fixture
    def connection(self, objectstore: ObjectStore) -> S3Connection:
        made = objectstore.connection(tls=self.tls)
        made.buckets_prepare()
        return made

    @pytest.fixture
    def store(self, connection: S3Connection) -> Store:
        """The portal's store."""
        return S3Store(connection, Vendor(connection))

    @pytest.fixture(autouse=True)
    def _trusting(self, objectstore: ObjectStore) -> None:
        self.ca = objectstore.ca

    def get(self, url: str, **headers: str) -> httpx.Response:
        return httpx.get(url, headers=headers, verify=ssl.create_default_context(cafile=str(self.ca)))

    def put(self, url: str, body: bytes) -> httpx.Response:
        return httpx.put(url, content=body, verify=ssl.create_default_context(cafile=str(self.ca)), timeout=30)


class TestPrivate(_OnRealStore):
    """What lies in the portal's own bucket."""


class TestDatasets(_OnRealStore):
    """What people may be given."""

    @pytest.fixture
    def prefix(self) -> str:
        return f"datasets/contract-{secrets.token_hex(4)}/1"


class TestDatasetsOverTls(TestDatasets):
    """The same over TLS, where clients and stores behave differently."""

    tls = True

    def test_a_large_file_goes_up_in_parts_and_is_read_at_any_place(self, store: Store, prefix: str) -> None:
        body = os.urandom(1000) * (2 * PART_BYTES // 1000 + 7)
        assert store.put(f"{prefix}/large", io.BytesIO(body)).size == len(body)
        with store.open(f"{prefix}/large") as file:
            assert file.read() == body
            file.seek(-5, io.SEEK_END)
            assert file.read() == body[-5:]
            file.seek(PART_BYTES - 3)
            assert file.read(6) == body[PART_BYTES - 3 : PART_BYTES + 3]

    def test_a_source_that_cannot_seek_is_taken_and_one_that_fails_leaves_nothing(self, store: Store, prefix: str) -> None:
        class Stream:
            def __init__(self, fail: bool) -> None:
                self.left, self.fail = 3, fail

            def read(self, size: int = -1) -> bytes:
                if self.left == 0:
                    if self.fail:
                        raise OSError("the line was cut")
                    return b""
                self.left -= 1
                return b"x" * (size if size > 0 else 10)

        assert store.put(f"{prefix}/stream", Stream(fail=False)).size > 0  # type: ignore[arg-type]
        with pytest.raises(OSError, match="the line was cut"):
            store.put(f"{prefix}/cut", Stream(fail=True))  # type: ignore[arg-type]
        assert [found.key for found in store.list(f"{prefix}/")] == [f"{prefix}/stream"]


def test_what_is_read_is_what_was_opened(objectstore: ObjectStore) -> None:
    connection = objectstore.connection()
    connection.buckets_prepare()
    store = S3Store(connection, Vendor(connection))
    store.put("contract/changing", io.BytesIO(b"old" * 3_000_000))
    with store.open("contract/changing") as file:
        assert file.read(3) == b"old"
        store.put("contract/changing", io.BytesIO(b"new" * 3_000_000))
        with pytest.raises(Exception, match=r"PreconditionFailed|412"):
            file.read()


def test_the_whole_store_is_listed_across_its_buckets(objectstore: ObjectStore) -> None:
    connection = objectstore.connection()
    connection.buckets_prepare()
    store = S3Store(connection, Vendor(connection))
    mark = secrets.token_hex(4)
    connection.bucket_prepare(connection.team_bucket(mark))
    keys = [f"attachments/{mark}", f"datasets/{mark}/1/a", f"scratch/{mark}/a"]
    for key in keys:
        store.put(key, io.BytesIO(b"x"))
    assert [info.key for info in store.list("") if mark in info.key] == keys
    assert [info.key for info in store.list(f"datasets/{mark}")] == [keys[1]]


def test_a_link_is_a_download_and_never_a_page(objectstore: ObjectStore) -> None:
    connection = objectstore.connection()
    connection.buckets_prepare()
    store = S3Store(connection, Vendor(connection))
    store.put("datasets/pages/1/a.html", io.BytesIO(b"<script>"))
    link = store.link("datasets/pages/1/a.html", ticket="p.1-1", expires=datetime.now(UTC) + timedelta(minutes=1))
    assert httpx.get(link).headers["Content-Disposition"] == 'attachment; filename="a.html"'
    assert httpx.put(link, content=b"x").status_code == 403
    assert httpx.delete(link).status_code == 403


def test_only_the_portals_pages_may_send_parts_from_a_browser(objectstore: ObjectStore, settings: Any) -> None:
    connection = objectstore.connection()
    connection.buckets_prepare()
    store = S3Store(connection, Vendor(connection))
    key = "incoming/1/cors"
    upload = store.upload_begin(key)
    link = store.upload_link(
        key, upload=upload, number=1, size=1, ticket="u.1-1", expires=datetime.now(UTC) + timedelta(minutes=1)
    )
    allowed = []
    for origin in (settings.PORTAL_URL, settings.NOTEBOOKS_URL, "http://evil.example"):
        answer = httpx.options(link, headers={"Origin": origin, "Access-Control-Request-Method": "PUT"})
        allowed.append(answer.headers.get("Access-Control-Allow-Origin") if answer.status_code == 200 else None)
    assert allowed == [settings.PORTAL_URL, None, None]
    store.upload_abort(key, upload=upload)
