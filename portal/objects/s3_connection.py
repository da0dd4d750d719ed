"""How an S3 store is spoken to: one place that knows its address, keys, region, role and buckets."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from django.conf import settings

# People reach `datasets` with credentials, and each team a bucket of its own, whose name begins with `scratch-`; everything
# else lies in PRIVATE. A bucket per team, because stores keep quotas and figures by bucket.
DATASETS, SCRATCH, PRIVATE = "datasets", "scratch", "portal"
CONNECT_S, READ_S, ATTEMPTS = 5, 60, 4
POOL = 32


@dataclass(frozen=True)
class S3Connection:
    """Where the store is and who we are there."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    role: str = "commons-reader"
    bucket_prefix: str = ""
    ca: str = ""
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def client(self, service: str) -> Any:
        """A client with the portal's own keys; clients are safe to share between threads, making one is not."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service, self.access_key, self.secret_key)
            return self._clients[service]

    def client_as(self, access_key: str, secret_key: str, token: str) -> Any:
        """An S3 client with temporary keys."""
        with self._lock:
            return self._make("s3", access_key, secret_key, token)

    @property
    def is_amazon(self) -> bool:
        """Whether it is AWS itself, which has its own ways."""
        return ".amazonaws.com" in self.url

    def bucket(self, folder: str) -> str:
        """The bucket of a folder."""
        return f"{self.bucket_prefix}{folder}"

    def team_bucket(self, team: str) -> str:
        """The bucket of a team; names of buckets know no capitals."""
        return f"{self.bucket(SCRATCH)}-{team.lower()}"

    def place(self, key: str) -> tuple[str, str]:
        """Where a key lies: its bucket, and its name there."""
        folder, _, rest = key.partition("/")
        if folder == DATASETS and rest:
            return self.bucket(folder), rest
        if folder == SCRATCH and "/" in rest:
            team, _, name = rest.partition("/")
            return self.team_bucket(team), name
        return self.bucket(PRIVATE), key

    def place_of_prefix(self, prefix: str) -> tuple[str, str]:
        """Where what begins with a prefix lies: its bucket, and the prefix there ("" is the whole bucket)."""
        bucket, name = self.place(f"{prefix}x")
        return bucket, name[:-1]

    def key(self, bucket: str, name: str) -> str:
        """The key of what lies in a bucket: the other way round. A team's name comes back in small letters."""
        folder = bucket.removeprefix(self.bucket_prefix)
        return name if folder == PRIVATE else f"{folder.replace(f'{SCRATCH}-', f'{SCRATCH}/', 1)}/{name}"

    def team_buckets(self) -> list[str]:
        """The buckets of teams, by name."""
        found = self.client("s3").list_buckets()["Buckets"]
        return sorted(row["Name"] for row in found if row["Name"].startswith(f"{self.bucket(SCRATCH)}-"))

    def bucket_prepare(self, bucket: str) -> None:
        """Make a bucket unless it is there."""
        s3 = self.client("s3")
        try:
            s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error_status(error) != 404:
                raise
            s3.create_bucket(Bucket=bucket)

    def buckets_prepare(self) -> None:
        """Make the buckets that are not there; those of teams are made when they are first used."""
        s3 = self.client("s3")
        for folder in (DATASETS, PRIVATE):
            self.bucket_prepare(self.bucket(folder))
        # Browsers send the parts of an upload straight to the store, from the portal's pages and no others.
        rule = {
            "AllowedOrigins": [settings.PORTAL_URL],
            "AllowedMethods": ["PUT"],
            "AllowedHeaders": ["*"],
            "MaxAgeSeconds": 600,
        }
        s3.put_bucket_cors(Bucket=self.bucket(PRIVATE), CORSConfiguration={"CORSRules": [rule]})

    def _make(self, service: str, access_key: str, secret_key: str, token: str | None = None) -> Any:
        amazon = self.is_amazon
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=POOL,
            # Ceph answers MissingContentLength to the checksum trailers that boto3 otherwise sends over TLS.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            signature_version="s3v4" if service == "s3" else None,
            s3={"addressing_style": "auto" if amazon else "path"},
            parameter_validation=service != "sts",  # boto3 knows no session under 15 minutes; the store decides that
        )
        return boto3.session.Session().client(
            service,
            endpoint_url=None if amazon and service != "s3" else self.url,
            region_name=self.region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
            verify=self.ca or None,
            config=config,
        )


def connection_from_settings() -> S3Connection:
    """The store this installation is set to."""
    return S3Connection(
        url=settings.OBJECTS_URL,
        access_key=settings.OBJECTS_ACCESS_KEY,
        secret_key=settings.OBJECTS_SECRET_KEY,
        region=settings.OBJECTS_REGION,
        role=settings.OBJECTS_ROLE,
        bucket_prefix=settings.OBJECTS_BUCKET_PREFIX,
        ca=settings.OBJECTS_CA,
    )


def error_code(error: ClientError) -> str:
    """The store's code. Ceph's IAM and STS put it in another place than S3 does."""
    said: dict[str, Any] = error.response  # type: ignore[assignment]
    return str(said.get("Error", {}).get("Code") or said.get("Code") or "Unknown")


def error_status(error: ClientError) -> int:
    """The HTTP status of an error."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def compact(document: dict[str, Any]) -> str:
    """JSON without a space: Ceph takes the `+` of a form for itself and then refuses the policy."""
    return json.dumps(document, separators=(",", ":"))
