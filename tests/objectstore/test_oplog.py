"""Use from the store's own log: what was read, by whom, how much, what was refused; each line once."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from allocations.datasets import use
from allocations.datasets.models import DatasetUse
from notebooks_svc.storage import oplog
from notebooks_svc.storage.models import LogBookmark
from portal.core.errors import NotAllowed
from tests.support.objectstore import ObjectStore

from .conftest import TABLE, Ground
from .test_vending import status


def figures(slug: str) -> list[tuple[str, int, int, int]]:
    """Allocation, reads, bytes, denials of a dataset."""
    rows = DatasetUse.objects.filter(dataset__slug=slug).order_by("allocation__code")
    return [(row.allocation.code if row.allocation else "", row.reads, row.bytes, row.denials) for row in rows]


def read_all(path: Path) -> None:
    """Read a log to its end."""
    while oplog.log_read(path):
        pass


def ours(objectstore: ObjectStore, ground: Ground, tmp_path: Path, lines: int) -> Path:
    """The lines of the real log that are about this test's bucket, once all are written."""
    for _ in range(50):
        found = [line for line in objectstore.log.read_bytes().splitlines(keepends=True) if ground.bucket.encode() in line]
        found = [line for line in found if line.endswith(b"\n") and b"role_session" in line and b"portal-probe" not in line]
        if len(found) >= lines:
            break
        time.sleep(0.1)
    path = tmp_path / "ops.json"
    path.write_bytes(b"".join(found))
    return path


def test_the_real_log_becomes_figures_per_dataset_and_project(
    ground: Ground, objectstore: ObjectStore, tmp_path: Path, settings: Any
) -> None:
    air = ground.dataset("air", "open")
    secret = ground.dataset("secret", "controlled")
    session = ground.session()
    ours_s3, cluster_s3, theirs = (ground.s3(who) for who in (session, ground.cluster(session), ground.session(ground.rivals)))
    asked = {"Bucket": ground.bucket, "Key": "air/1/table.csv"}
    for client in (ours_s3, ours_s3, cluster_s3, theirs):
        client.get_object(**asked)["Body"].read()
    ours_s3.get_object(**asked, Range="bytes=0-3")["Body"].read()
    for client in (ours_s3, theirs):
        assert status(client.get_object, Bucket=ground.bucket, Key="secret/1/table.csv") == 403
    assert status(ours_s3.list_objects_v2, Bucket=ground.bucket, Prefix="secret/1/") == 403
    link = ground.store.link("datasets/air/1/table.csv", ticket="p.0-0", expires=timezone.now() + timedelta(hours=1))
    assert httpx.get(link).content == TABLE
    path = ours(objectstore, ground, tmp_path, 9)
    with path.open("ab") as log:
        log.write(b'{"half a line')

    read_all(path)
    size, mine, other = len(TABLE), ground.allocation.code, ground.rivals.code
    assert figures("air") == [("", 1, size, 0), (mine, 4, 3 * size + 4, 0), (other, 1, size, 0)]
    assert figures("secret") == [(mine, 0, 0, 2), (other, 0, 0, 1)]

    read_all(path)  # nothing is counted twice
    assert figures("air")[1] == (mine, 4, 3 * size + 4, 0)
    today = timezone.now().date()
    assert use.use_summary(dataset=air, today=today) == {"reads": 6, "projects": 2, "days": 30}
    seen = use.use_for_user(user=ground.steward, dataset=air, today=today)
    assert [(row["allocation"], row["reads"]) for row in seen] == [(mine, 4), (other, 1), ("", 1)]
    page = httpx.get(f"{ground.url}/datasets/air/").text
    assert "Read 6 times by 2 projects in the last 30 days." in page
    assert mine not in page, "who reads is for the steward and the contributor"
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    browser = Client(HTTP_HOST=ground.url.removeprefix("http://"))
    browser.force_login(ground.steward)
    page = browser.get("/datasets/air/").content.decode()
    assert f"{ground.allocation.organisation}, {mine}" in page
    assert "Visitors without a project" in page
    with pytest.raises(NotAllowed):
        use.use_for_user(user=ground.rival, dataset=air, today=today)
    secret.organisation = ground.allocation.organisation
    secret.save()
    assert use.use_for_user(user=ground.founder, dataset=secret, today=today)[0]["denials"] == 2


def line(**changes: Any) -> str:
    """A line of the log."""
    said = {
        "bucket": "datasets",
        "time": "2026-03-02T09:00:00.0Z",
        "operation": "get_obj",
        "uri": "GET /datasets/air/1/table.csv HTTP/1.1",
        "http_status": "200",
        "bytes_sent": 10,
        "sts_info": {"role_name": "x", "role_session": "p.1-0"},
    }
    return json.dumps(said | changes) + "\n"


def test_a_log_that_was_rotated_is_begun_anew_and_one_that_grows_is_read_on(
    ground: Ground, tmp_path: Path, settings: Any
) -> None:
    settings.OBJECTS_BUCKET_PREFIX = ""
    ground.dataset("air", "open")
    path = tmp_path / "log"
    path.write_text(line() * 3)
    read_all(path)
    with path.open("a") as log:
        log.write(line())
    read_all(path)
    assert figures("air") == [("", 4, 40, 0)]
    path.rename(tmp_path / "log.1")
    path.write_text(line())
    read_all(path)
    assert figures("air") == [("", 5, 50, 0)]
    assert LogBookmark.objects.get(path=str(path)).offset == len(line())


def test_lines_that_mean_nothing_here_are_passed_over(ground: Ground, tmp_path: Path, settings: Any) -> None:
    settings.OBJECTS_BUCKET_PREFIX = ""
    ground.dataset("air", "open")
    path = tmp_path / "log"
    strange = [
        "no json\n",
        "[1, 2]\n",
        line(bucket="portal"),
        line(sts_info={}),
        line(sts_info={"role_session": "somebody-else"}),
        line(sts_info={"role_session": "s" + "0" * 26}),
        line(uri="GET /datasets/unknown/1/a HTTP/1.1"),
        line(uri="nonsense"),
        line(http_status="404"),
        line(http_status="500"),
        line(operation="list_bucket"),
        line(time="yesterday"),
        line(bytes_sent="many"),
    ]
    path.write_text("".join(strange) + line())
    read_all(path)
    assert figures("air") == [("", 1, 10, 0)]
    assert list(DatasetUse.objects.values_list("dataset__slug", flat=True)) == ["air"]


def test_two_who_read_at_once_count_once(
    ground: Ground, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OBJECTS_BUCKET_PREFIX = ""
    ground.dataset("air", "open")
    path = tmp_path / "log"
    path.write_text(line())
    tally = oplog._tally

    def meanwhile(lines: Any) -> Any:
        monkeypatch.setattr(oplog, "_tally", tally)
        read_all(path)
        return tally(lines)

    monkeypatch.setattr(oplog, "_tally", meanwhile)
    oplog.log_read(path)
    assert figures("air") == [("", 1, 10, 0)]
