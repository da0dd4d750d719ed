"""A team's bucket on a real store: its quota, what it costs, taking it along, and its end."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from django.utils import timezone

from allocations.projects import services as projects
from allocations.projects.statement import statement
from notebooks_svc.storage import ending, keeping, taking
from notebooks_svc.storage.models import Keeping, KeptDay
from portal.api.tokens import token_create
from portal.core.quantities import MICRO
from portal.objects import admin

from .conftest import Ground
from .test_vending import status

MIB = 2**20
sys.path.insert(0, str(Path(__file__).parents[2] / "portal" / "client"))


@pytest.fixture
def small(ground: Ground, settings: Any) -> Ground:
    """A quota of 4 MiB of which 1 MiB is free; a GiB-hour costs 1024 credits, a MiB-hour one."""
    settings.STORAGE_QUOTA_BYTES, settings.STORAGE_FREE_BYTES, settings.STORAGE_GIB_HOUR = 4 * MIB, MIB, 1024 * MICRO
    settings.OWN_HOST = ground.url.removeprefix("http://")
    return ground


def kept(ground: Ground) -> Keeping:
    """The founders' row."""
    return Keeping.objects.select_related("allocation").get(allocation=ground.allocation)


def code_of(ask: Any, **asked: Any) -> str:
    """The store's code for a refusal, "" when it passed."""
    try:
        ask(**asked)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_the_store_itself_refuses_what_would_pass_the_quota(small: Ground) -> None:
    s3 = small.s3(small.session())
    assert kept(small).quota_kept_bytes == 4 * MIB, "the store keeps it"
    for number in range(3):
        assert code_of(s3.put_object, Bucket=small.scratch, Key=f"{number}", Body=b"x" * MIB) == ""
    assert code_of(s3.put_object, Bucket=small.scratch, Key="large", Body=b"x" * 2 * MIB) == "QuotaExceeded"
    begun = s3.create_multipart_upload(Bucket=small.scratch, Key="parts")["UploadId"]
    part = {"Bucket": small.scratch, "Key": "parts", "UploadId": begun, "PartNumber": 1}
    assert code_of(s3.upload_part, Body=b"x" * 5 * MIB, **part) == "QuotaExceeded"
    copied = {"Bucket": small.scratch, "Key": "0"}
    assert code_of(s3.copy_object, Bucket=small.scratch, Key="a", CopySource=copied) == ""
    assert code_of(s3.copy_object, Bucket=small.scratch, Key="b", CopySource=copied) == "QuotaExceeded"
    rivals = small.vendor.connection.team_bucket(small.rivals.code)
    theirs = small.s3(small.session(small.rivals))
    assert code_of(theirs.put_object, Bucket=rivals, Key="x", Body=b"x" * 3 * MIB) == "", "a quota of their own"
    assert code_of(s3.delete_object, Bucket=small.scratch, Key="a") == ""
    assert code_of(s3.put_object, Bucket=small.scratch, Key="again", Body=b"x" * MIB) == ""


def test_beyond_the_quota_a_new_credential_reads_and_tidies_and_adds_nothing(small: Ground) -> None:
    session = small.session()
    s3 = small.s3(session)
    for number in range(3):
        s3.put_object(Bucket=small.scratch, Key=f"{number}", Body=b"x" * MIB)
    Keeping.objects.filter(allocation=small.allocation).update(quota_bytes=2 * MIB)  # an officer lowered it
    keeping.measure(kept(small), folders=None, at=timezone.now())
    assert kept(small).over_since is not None
    assert small.keys(session).json()["scratch_full"] is True
    tidy = small.s3(session)
    assert status(tidy.get_object, Bucket=small.scratch, Key="0") == 200
    assert status(tidy.put_object, Bucket=small.scratch, Key="new", Body=b"x") == 403
    assert status(tidy.list_objects_v2, Bucket=small.scratch) == 200
    assert status(tidy.delete_object, Bucket=small.scratch, Key="0") == 200
    assert status(tidy.delete_object, Bucket=small.scratch, Key="1") == 200
    # Tidied up: the next credential writes at once, without waiting for the hourly look.
    assert small.keys(session).json()["scratch_full"] is False
    assert status(small.s3(session).put_object, Bucket=small.scratch, Key="new", Body=b"x") == 200


def test_a_larger_quota_is_told_to_the_store(small: Ground) -> None:
    session = small.session()
    s3 = small.s3(session)
    s3.put_object(Bucket=small.scratch, Key="a", Body=b"x" * 3 * MIB)
    assert code_of(s3.put_object, Bucket=small.scratch, Key="b", Body=b"x" * 3 * MIB) == "QuotaExceeded"
    Keeping.objects.filter(allocation=small.allocation).update(quota_bytes=8 * MIB)
    keeping.keepings_due(at=timezone.now() + timedelta(hours=2))
    assert kept(small).quota_kept_bytes == 8 * MIB
    assert code_of(s3.put_object, Bucket=small.scratch, Key="b", Body=b"x" * 3 * MIB) == ""


def test_what_the_store_says_is_what_lies_there_and_is_charged(small: Ground) -> None:
    s3 = small.s3(small.session())
    s3.put_object(Bucket=small.scratch, Key="a", Body=b"x" * 3 * MIB)
    s3.put_object(Bucket=small.scratch, Key="b/c", Body=b"x" * 100)
    connection = small.vendor.connection
    assert (
        admin.bucket_kept(connection, small.scratch) == admin._listed(connection, small.scratch) == admin.Kept(3 * MIB + 100, 2)
    )
    assert admin.bucket_kept(connection, f"{small.scratch}-none") == admin.Kept()
    # Tomorrow: whatever the hour is now, nothing is measured before it is due.
    begin = timezone.now().replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=1)
    for hour in range(17):
        keeping.keepings_due(at=begin + timedelta(hours=hour))
    day = KeptDay.objects.get(keeping=kept(small), day=begin.date())
    assert day.byte_seconds == (3 * MIB + 100) * 16 * 3600
    line = statement(allocation=small.allocation, limit=1)[0]
    # 2 MiB and 100 bytes above the free part, 16 hours: in whole GiB-seconds, rounded down
    assert day.charge == 1024 * MICRO * (((2 * MIB + 100) * 16 * 3600) // 2**30) // 3600 + 1
    assert line.resource == "storage"
    assert "GiB-hours above the free part × 1024" in line.formula


def test_what_nobody_finished_is_cleared_away_by_the_store(small: Ground) -> None:
    small.s3(small.session())
    rules = small.vendor.connection.client("s3").get_bucket_lifecycle_configuration(Bucket=small.scratch)["Rules"]
    assert [rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for rule in rules] == [7]
    assert rules[0]["Status"] == "Enabled"


def test_a_store_without_quotas_is_told_apart_and_counted_by_listing(small: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal whose user lacks the cap, as on other products: the portal's own door closes, hourly instead of at once."""
    refuse = httpx.Response(403)
    monkeypatch.setattr(admin, "_admin", lambda *_: refuse)
    s3 = small.s3(small.session())
    assert kept(small).quota_kept_bytes == -1
    assert code_of(s3.put_object, Bucket=small.scratch, Key="large", Body=b"x" * 5 * MIB) == ""
    keeping.measure(kept(small), folders=None, at=timezone.now())
    assert kept(small).bucket_bytes == 5 * MIB
    assert status(small.s3(small.session()).put_object, Bucket=small.scratch, Key="more", Body=b"x") == 403


def test_everything_is_taken_along_by_the_command_and_gone_on_with_after_a_cut(
    small: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commons.export import export_all

    names = ["plain.csv", "deep/er/with space.csv", "ümlaut+plus&amp.txt", "empty"]
    s3 = small.s3(small.session())
    for name in names:
        s3.put_object(Bucket=small.scratch, Key=name, Body=b"" if name == "empty" else name.encode() * 1000)
    s3.put_object(Bucket=small.scratch, Key="big.bin", Body=os.urandom(2 * MIB))
    monkeypatch.setattr(taking, "_folders", lambda *_: iter(()))  # no site in this test
    token = token_create(user=small.founder, name="laptop", at=timezone.now())
    monkeypatch.setenv("COMMONS_API_TOKEN", token)
    monkeypatch.setenv("COMMONS_URL", small.url)
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "big.bin.part").write_bytes(s3.get_object(Bucket=small.scratch, Key="big.bin")["Body"].read(MIB))
    said: list[str] = []
    files, _ = export_all(small.allocation.code, tmp_path, tell=said.append)
    assert files == len(said) == len(names) + 3
    for name in [*names, "big.bin"]:
        there = s3.get_object(Bucket=small.scratch, Key=name)["Body"].read()
        assert (tmp_path / "bucket" / name).read_bytes() == there, name
    assert (tmp_path / "statement.csv").read_text().startswith("number,at,kind")
    assert not list(tmp_path.rglob("*.part"))
    # The addresses of the list end with their hour, and open nothing of others.
    rows = list(taking.items_for_user(user=small.founder, allocation=small.allocation, at=timezone.now()))
    link = next(row.link for row in rows if row.path == "bucket/plain.csv")
    assert link is not None
    url = link()
    assert httpx.get(url).status_code == 200
    assert httpx.get(url.replace("plain.csv", "big.bin")).status_code == 403


def test_after_the_kept_days_the_bucket_is_gone_and_the_rivals_stays(small: Ground) -> None:
    mine, theirs = small.s3(small.session()), small.s3(small.session(small.rivals))
    other = small.vendor.connection.team_bucket(small.rivals.code)
    mine.put_object(Bucket=small.scratch, Key="a", Body=b"x")
    mine.create_multipart_upload(Bucket=small.scratch, Key="never finished")
    theirs.put_object(Bucket=other, Key="a", Body=b"theirs")
    now = timezone.now()
    type(small.session()).objects.all().update(state="ended", target_state="ended", ended_at=now, settled_at=now)
    projects.allocation_end(allocation=small.allocation, reason="Over.", by=small.founder, at=now)
    for days in (0, 23, 29, 30):
        small.allocation.refresh_from_db()
        projects.allocations_by_date(at=now + timedelta(days=days))
        assert (small.scratch in small.vendor.connection.team_buckets()) is True
        _ending_without_a_site(now + timedelta(days=days))
    assert small.scratch not in small.vendor.connection.team_buckets()
    assert small.store.open(f"scratch/{small.rivals.code}/a").read() == b"theirs"
    assert kept(small).deleted_at is not None


def _ending_without_a_site(at: Any) -> None:
    from allocations.catalogue.models import Site

    Site.objects.update(enabled=False)
    ending.endings_due(at=at)
    Site.objects.update(enabled=True)


def test_denials_of_ended_sessions_leave_a_teams_bucket_when_no_credential_can_live(small: Ground) -> None:
    session = small.session()
    s3 = small.s3(session)
    assert status(s3.put_object, Bucket=small.scratch, Key="a", Body=b"x") == 200
    small.end(session)
    assert status(s3.put_object, Bucket=small.scratch, Key="a", Body=b"x") == 403
    assert small.vendor._bucket_policy(small.scratch)
    assert not small.vendor._bucket_policy(small.vendor.connection.team_bucket(small.rivals.code))
    from notebooks_svc.storage import denials

    denials.denials_sync(at=timezone.now() + timedelta(hours=1, minutes=6))
    assert not small.vendor._bucket_policy(small.scratch)
    assert kept(small).has_denials is False
