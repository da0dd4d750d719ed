"""The whole demo on a real object store: from finding a dataset to reading it in a running notebook and cluster, to its end."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.kernel import LiveKernel
from tests.support.objectstore import ObjectStore
from tests.support.up import Up

SLUG = "handwritten-digits"
S3_LINE = f'print(len(pd.read_parquet("s3://datasets/{SLUG}/1/digits.parquet")))'
COMMONS_LINE = f'print(len(pd.read_parquet("commons://{SLUG}/digits.parquet")))'


@pytest.fixture(scope="module")
def shop(objectstore: ObjectStore) -> Iterator[Up]:
    """A demo that keeps its datasets in the store."""
    names = objectstore.portal_env()
    before = {name: os.environ.get(name) for name in names}
    os.environ |= names
    try:
        with Up() as running:
            yield running
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def test_find_request_grant_read_on_a_cluster_revoke_denied(shop: Up) -> None:
    """
    1. The founder's colleague has a notebook open; an open dataset is there by `s3://` without set-up.
    2. A controlled one is refused; the founder asks for it, the steward grants it.
    3. The same notebook reads it without a restart, by `s3://` and `commons://`, and so do the workers of its Dask cluster.
    4. The steward revokes it: notebook and workers are denied at the next read, the open dataset stays.
    5. The steward sees who read how much, and what was refused.
    """
    assert httpx.get(f"{shop.portal}/health/ready").json() == {"ok": True, "problems": []}
    session = shop.launch("colleague")
    with LiveKernel(*shop.notebook_token(session["id"])) as kernel:
        open_line = 'print(len(pd.read_parquet("s3://datasets/mauna-loa-co2/1/co2.parquet")))'
        assert kernel.run(f"import pandas as pd\n{open_line}").stdout == "2284\n"
        assert "403" in kernel.run(S3_LINE).error or "ACCESS_DENIED" in kernel.run(S3_LINE).error
        assert "was not granted" in kernel.run(COMMONS_LINE).error

        asked = {"allocation": shop.allocation("founder")["id"], "purpose": "Teach a reader for meter photos."}
        id = shop.api("founder", "POST", f"/datasets/{SLUG}/requests", json=asked).json()["id"]
        granted = shop.api("steward", "POST", f"/dataset-requests/{id}/decide", json={"outcome": "grant", "reason": "Fine."})
        assert granted.json()["state"] == "granted"

        assert kernel.run(COMMONS_LINE).stdout == "1797\n"
        # The notebook's key is from before the grant: a new client asks for a new one.
        fresh = kernel.run("import boto3; s3 = boto3.session.Session().client('s3')\n" + _get("s3"))
        assert fresh.stdout == "True\n", fresh.error
        cluster = """
from dask_gateway import Gateway
cluster = Gateway().new_cluster(); cluster.scale(1); client = cluster.get_client(); client.wait_for_workers(1, timeout=120)
def on_worker(line):
    import pandas as pd, io, contextlib
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(line, {"pd": pd})
    return out.getvalue()
"""
        started = kernel.run(cluster)
        assert not started.error, (started.error, started.traceback[-2:])
        for line in (S3_LINE, COMMONS_LINE):
            assert kernel.run(f"print(client.submit(on_worker, {line!r}, pure=False).result(), end='')").stdout == "1797\n"

        ended = shop.api("steward", "POST", f"/dataset-requests/{id}/revoke", json={"reason": "The study is over."})
        assert ended.json()["state"] == "revoked"

        assert "AccessDenied" in kernel.run(_get("s3")).error
        assert "The study is over." in kernel.run(COMMONS_LINE).error
        for line, words in ((S3_LINE, "ACCESS_DENIED"), (COMMONS_LINE, "The study is over.")):
            denied = kernel.run(f"client.submit(on_worker, {line!r}, pure=False).result()").error
            assert words in denied, denied
        assert kernel.run(open_line).stdout == "2284\n"
        kernel.run("client.close(); cluster.shutdown()")

    mine = _use(shop, str(asked["allocation"]))
    assert mine["reads"] > 0, mine
    assert mine["bytes"] > 0, mine
    assert mine["denials"] > 0, mine
    assert shop.api("rival", "GET", f"/datasets/{SLUG}/use").status_code == 403
    shop.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    shop.wait_session(session["id"], "ended")


def test_a_page_downloads_from_the_store_and_nothing_lies_on_the_disk(shop: Up) -> None:
    answer = httpx.get(f"{shop.portal}/datasets/mauna-loa-co2/files/co2.csv", follow_redirects=True)
    assert answer.text.startswith("week,co2,year\n1958-03-29,316.1,1958\n")
    assert str(answer.url).startswith(os.environ["COMMONS_OBJECTS_URL"])
    assert not list((Path(shop.home) / "objects").glob("datasets/*"))


def test_an_enterprise_publishes_straight_to_the_store_and_takes_it_back(shop: Up) -> None:
    """Two parts go to the store itself, one of them again after a lost line; checked, reviewed, read by a link, withdrawn."""
    store = os.environ["COMMONS_OBJECTS_URL"]
    body = b"day,level\n" + b"2026-01-01,12.5\n" * 600_000
    organisation = shop.api("founder", "GET", "/organisations").json()["items"][0]["id"]
    facts = {"slug": "river-levels", "title": "River levels", "summary": "Levels of a river, each day.", "access_class": "open"}
    facts |= {"commercial_use": True, "licence": "CC0-1.0", "domain": "Climate", "description": "Made for this test."}
    made = shop.api("founder", "POST", "/datasets", json={"organisation": organisation, **facts})
    assert made.status_code == 201, made.text
    assert shop.api("founder", "POST", "/datasets/river-levels/versions", json={"version": "1"}).status_code == 201
    wish = {"version": "1", "path": "levels.csv", "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    upload = shop.api("founder", "POST", "/datasets/river-levels/uploads", json=wish).json()
    assert len(upload["parts"]) == 2
    for part in (upload["parts"][0], *upload["parts"]):
        assert part["url"].startswith(store)
        start = (part["number"] - 1) * upload["part_bytes"]
        answer = httpx.put(part["url"], content=body[start : start + upload["part_bytes"]], timeout=60)
        assert answer.status_code == 200, answer.text
    checked = shop.api("founder", "POST", f"/dataset-uploads/{upload['id']}/complete").json()
    end = time.monotonic() + 60
    while checked["state"] not in ("stored", "refused") and time.monotonic() < end:
        time.sleep(0.3)
        checked = shop.api("founder", "GET", f"/dataset-uploads/{upload['id']}").json()
    assert checked["state"] == "stored", checked
    version = "/datasets/river-levels/versions/1"
    assert shop.api("founder", "POST", f"{version}/submit", json={"people": "no"}).status_code == 200
    published = shop.api("steward", "POST", f"{version}/review", json={"outcome": "publish"})
    assert published.status_code == 200, published.text

    link = shop.api("rival", "GET", "/datasets/river-levels/files").json()["items"][0]["url"]
    assert link.startswith(f"{store}/datasets/river-levels/1/levels.csv?")
    assert httpx.get(link).content == body
    ended = shop.api("founder", "POST", f"{version}/withdraw", json={"reason": "The gauge was broken."})
    assert ended.status_code == 200, ended.text
    assert httpx.get(link).status_code == 403


def _get(client: str) -> str:
    return f'print({client}.get_object(Bucket="datasets", Key="{SLUG}/1/digits.parquet")["ContentLength"] > 0)'


def _use(shop: Up, allocation: str) -> dict[str, int]:
    """The steward's line about an allocation, once the store's log was read as far as its last read.

    The log is read in passes: one that falls between the first denial and the grant knows of denials only.
    """
    end = time.monotonic() + 40
    while True:
        answer = shop.api("steward", "GET", f"/datasets/{SLUG}/use")
        assert answer.status_code == 200, answer.text
        mine: dict[str, int] = next((row for row in answer.json()["items"] if row["allocation"] == allocation), {})
        if (mine.get("reads") and mine.get("denials")) or time.monotonic() > end:
            return mine
        time.sleep(0.5)
