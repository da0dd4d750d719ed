"""What every store keeps. The same tests run against the filesystem store and, where one is there, a real S3 store."""

from __future__ import annotations

import io
import secrets
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from portal.core.errors import Malformed
from portal.objects.door import NoSuchObject, Store


class StoreContract:
    """Subclass with fixtures `store`, and `client` that opens a link (None: over the network) and `ticket` that holds."""

    ticket = "test.ok"

    @pytest.fixture
    def prefix(self) -> str:
        """A folder of this test's own."""
        return f"contract/{secrets.token_hex(6)}"

    def get(self, url: str, **headers: str) -> httpx.Response:
        """GET a link."""
        return httpx.get(url, headers=headers)

    def test_what_is_put_is_read_again(self, store: Store, prefix: str) -> None:
        put = store.put(f"{prefix}/a.bin", io.BytesIO(b"0123456789"))
        assert (put.key, put.size) == (f"{prefix}/a.bin", 10)
        with store.open(f"{prefix}/a.bin") as file:
            file.seek(7)
            assert file.read() == b"789"
        assert store.stat(f"{prefix}/a.bin").size == 10

    def test_putting_again_replaces_and_changes_the_etag(self, store: Store, prefix: str) -> None:
        first = store.put(f"{prefix}/a", io.BytesIO(b"one"))
        second = store.put(f"{prefix}/a", io.BytesIO(b"other"))
        assert second.size == 5
        assert second.etag != first.etag

    def test_a_list_is_by_prefix_and_in_order(self, store: Store, prefix: str) -> None:
        for name in ("b", "a", "deep/er", "other"):
            store.put(f"{prefix}/{name}", io.BytesIO(b"x"))
        assert [found.key for found in store.list(f"{prefix}/")] == [f"{prefix}/{n}" for n in ("a", "b", "deep/er", "other")]
        assert [found.key for found in store.list(f"{prefix}/d")] == [f"{prefix}/deep/er"]
        assert list(store.list(f"{prefix}/nothing/")) == []

    def test_what_is_not_there_says_so(self, store: Store, prefix: str) -> None:
        for ask in (store.stat, store.open):
            with pytest.raises(NoSuchObject):
                ask(f"{prefix}/nothing")
        store.delete(f"{prefix}/nothing")
        with pytest.raises(NoSuchObject):
            store.move(f"{prefix}/nothing", f"{prefix}/b")

    def test_a_move_leaves_nothing_behind(self, store: Store, prefix: str) -> None:
        store.put(f"{prefix}/a", io.BytesIO(b"x"))
        assert store.move(f"{prefix}/a", f"{prefix}/deep/b").size == 1
        with pytest.raises(NoSuchObject):
            store.stat(f"{prefix}/a")

    @pytest.mark.parametrize(
        "key", ["../a", "a/../b", "/a", "a//b", "a/", "", ".hidden", "a/.b", "a\x00b", "a\nb", "a\\b", "a b", "ä", "x" * 800]
    )
    def test_a_key_that_plays_tricks_is_refused_everywhere(self, store: Store, key: str) -> None:
        at = datetime.now(UTC)
        for ask in (
            lambda: store.put(key, io.BytesIO(b"x")),
            lambda: store.stat(key),
            lambda: store.open(key),
            lambda: store.delete(key),
            lambda: store.move("a", key),
            lambda: store.link(key, ticket=self.ticket, expires=at),
        ):
            with pytest.raises(Malformed):
                ask()

    def test_a_link_reads_without_further_proof_and_by_ranges(self, store: Store, prefix: str) -> None:
        store.put(f"{prefix}/a.bin", io.BytesIO(b"0123456789"))
        link = store.link(f"{prefix}/a.bin", ticket=self.ticket, expires=datetime.now(UTC) + timedelta(minutes=1))
        assert self.get(link).content == b"0123456789"
        for asked, got, said in (
            ("bytes=2-4", b"234", "bytes 2-4/10"),
            ("bytes=7-", b"789", "bytes 7-9/10"),
            ("bytes=-3", b"789", "bytes 7-9/10"),
            ("bytes=8-99", b"89", "bytes 8-9/10"),
        ):
            answer = self.get(link, Range=asked)
            assert (answer.status_code, answer.content, answer.headers["Content-Range"]) == (206, got, said)
        assert self.get(link, Range="bytes=10-").status_code == 416

    def test_an_altered_or_expired_link_reads_nothing(self, store: Store, prefix: str) -> None:
        store.put(f"{prefix}/a", io.BytesIO(b"x"))
        store.put(f"{prefix}/b", io.BytesIO(b"x"))
        now = datetime.now(UTC)
        link = store.link(f"{prefix}/a", ticket=self.ticket, expires=now + timedelta(minutes=1))
        assert self.get(link.replace(f"{prefix}/a", f"{prefix}/b")).status_code == 403
        old = store.link(f"{prefix}/a", ticket=self.ticket, expires=now - timedelta(seconds=1))
        assert self.get(old).status_code == 403

    def put(self, url: str, body: bytes) -> httpx.Response:
        """PUT to a link."""
        return httpx.put(url, content=body)

    def part(self, store: Store, key: str, upload: str, number: int, *, size: int = 1) -> str:
        """A link for a part of so many bytes."""
        expires = datetime.now(UTC) + timedelta(minutes=1)
        return store.upload_link(key, upload=upload, number=number, size=size, ticket=self.ticket, expires=expires)

    def test_an_upload_in_parts_is_seen_when_it_is_complete(self, store: Store, prefix: str) -> None:
        key, size = f"{prefix}/big.bin", 5 * 2**20  # the smallest part S3 takes, but for the last
        upload = store.upload_begin(key)
        assert store.upload_parts(key, upload=upload) == {}
        assert self.put(self.part(store, key, upload, 2, size=4), b"tail").status_code == 200
        first = self.part(store, key, upload, 1, size=size)
        assert self.put(first, b"x" * size).status_code == 200
        assert self.put(first, b"y" * size).status_code == 200  # sent again after a lost answer
        assert store.upload_parts(key, upload=upload) == {1: size, 2: 4}
        with pytest.raises(NoSuchObject):
            store.stat(key)
        assert store.upload_complete(key, upload=upload).size == size + 4
        with store.open(key) as file:
            file.seek(size - 2)
            assert file.read(100) == b"yytail"
        assert store.upload_complete(key, upload=upload).size == size + 4
        assert self.put(self.part(store, key, upload, 3, size=4), b"late").status_code == 404

    def test_an_aborted_upload_leaves_nothing(self, store: Store, prefix: str) -> None:
        key = f"{prefix}/a"
        upload = store.upload_begin(key)
        assert self.put(self.part(store, key, upload, 1), b"x").status_code == 200
        store.upload_abort(key, upload=upload)
        store.upload_abort(key, upload=upload)
        assert store.upload_parts(key, upload=upload) == {}
        with pytest.raises(NoSuchObject):
            store.upload_complete(key, upload=upload)

    def test_a_link_takes_a_part_of_its_length_alone(self, store: Store, prefix: str) -> None:
        """Else whoever may send a small file could fill the store through its links."""
        key = f"{prefix}/a"
        upload = store.upload_begin(key)
        link = self.part(store, key, upload, 1, size=10)
        for body in (b"x" * 11, b"x" * 9, b"x" * 100_000):
            assert self.put(link, body).status_code == 403
        assert store.upload_parts(key, upload=upload) == {}
        assert self.put(link, b"x" * 10).status_code == 200

    def test_a_link_for_one_part_takes_no_other(self, store: Store, prefix: str) -> None:
        key = f"{prefix}/a"
        upload, other = store.upload_begin(key), store.upload_begin(key)
        link = self.part(store, key, upload, 1)
        for forged in (link.replace(upload, other), link.replace(f"{prefix}/a", f"{prefix}/b"), link.replace("/1/", "/2/")):
            if forged != link:
                assert self.put(forged, b"x").status_code in (403, 404)
        assert self.get(link).status_code in (403, 405)
        assert store.upload_parts(key, upload=other) == {}
