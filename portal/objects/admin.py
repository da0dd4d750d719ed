"""
What a store keeps of a bucket: how much lies in it, and its quota. By Ceph's admin API where the store has one and the portal's
user holds the cap `buckets=*`; otherwise a bucket is counted by listing it, and no quota is kept by the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from .s3_connection import S3Connection, error_status

TIMEOUT_S = 20
UNFINISHED_DAYS = 7


@dataclass(frozen=True)
class Kept:
    """Bytes and objects, parts of unfinished uploads included where the store tells them."""

    bytes: int = 0
    objects: int = 0


def bucket_kept(connection: S3Connection, bucket: str) -> Kept:
    """
    How much lies in a bucket; nothing in one that is not there.

    :raises ClientError, BotoCoreError, httpx.HTTPError: when the store does not answer
    """
    if connection.is_amazon:
        return _listed(connection, bucket)
    answer = _admin(connection, "GET", {"bucket": bucket, "stats": "true", "format": "json"})
    if answer.status_code != 200:
        return _listed(connection, bucket)
    usage: dict[str, dict[str, int]] = answer.json().get("usage") or {}
    return Kept(sum(part["size"] for part in usage.values()), sum(part["num_objects"] for part in usage.values()))


def bucket_quota_set(connection: S3Connection, bucket: str, size_bytes: int) -> bool:
    """
    Have the store refuse what would make a bucket larger. Returns whether the store does that.

    :raises httpx.HTTPError: when the store does not answer
    """
    if connection.is_amazon:
        return False
    owner, kib = connection.client("s3").list_buckets()["Owner"]["ID"], max(1, size_bytes // 1024)
    asked = {"quota": "", "uid": owner, "bucket": bucket, "max-size-kb": str(kib), "max-objects": "-1", "enabled": "true"}
    if _admin(connection, "PUT", asked).status_code not in (200, 204):
        return False
    # Read back: Ceph 16 answers 200 to a size it did not understand, and then takes it for 0.
    told = _admin(connection, "GET", {"bucket": bucket, "stats": "true", "format": "json"}).json().get("bucket_quota", {})
    return bool(told.get("enabled")) and told.get("max_size_kb") == kib


def bucket_lifecycle_set(connection: S3Connection, bucket: str) -> None:
    """Have the store clear away parts of uploads that nobody finished within a week: they take room, and nobody sees them."""
    rule = {
        "ID": "unfinished",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
    }
    connection.client("s3").put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})


def bucket_remove(connection: S3Connection, bucket: str) -> None:
    """Delete a bucket with all that lies in it, unfinished uploads included; nothing there is no error."""
    s3 = connection.client("s3")
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            if found := [{"Key": row["Key"]} for row in page.get("Contents", [])]:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for row in page.get("Uploads", []):
                s3.abort_multipart_upload(Bucket=bucket, Key=row["Key"], UploadId=row["UploadId"])
        s3.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error_status(error) != 404:
            raise


def _listed(connection: S3Connection, bucket: str) -> Kept:
    size = count = 0
    try:
        for page in connection.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket):
            rows = page.get("Contents", [])
            size, count = size + sum(row["Size"] for row in rows), count + len(rows)
    except ClientError as error:
        if error_status(error) != 404:
            raise
    return Kept(size, count)


def _admin(connection: S3Connection, method: str, asked: dict[str, Any]) -> httpx.Response:
    """A signed request to `/admin/bucket`."""
    request = AWSRequest(method, f"{connection.url}/admin/bucket", params=asked)
    signer = S3SigV4Auth(Credentials(connection.access_key, connection.secret_key), "s3", connection.region)
    signer.add_auth(request)
    ready = request.prepare()
    verify: Any = connection.ca or True
    return httpx.request(method, ready.url, headers=dict(ready.headers), timeout=TIMEOUT_S, verify=verify)
