"""
Short-lived credentials of an S3 store, and their end.

A credential is a session of one role, cut down by a session policy to exactly the prefixes it is for. It is ended before its
time by a denial of its name in the policy of the bucket. Which names and prefixes is worked out upstairs; here it is only said
to the store.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from portal.core.errors import Refusal

from .s3_connection import DATASETS, S3Connection, compact, error_code, error_status

log = logging.getLogger(__name__)

SESSION_POLICY_MAX = 2048  # characters; the same at Ceph and AWS
BUCKET_POLICY_MAX = 20_000  # AWS takes 20 KiB
READ = ["s3:GetObject"]
TRIM = ["s3:GetObject", "s3:DeleteObject"]
WRITE = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
WHERE = "s3:GetBucketLocation"
OURS = "commons"  # statements of a bucket's policy whose Sid begins so are written here; others are left alone
PROBE_GOOD_S, PROBE_BAD_S, PROBE_LIFE_S = 600, 10, 900
VERSION = "2012-10-17"


@dataclass(frozen=True)
class Scope:
    """
    What a credential reaches: keys that begin with a prefix. A prefix that ends in `/` may be listed. What lies under `trims`
    is read and deleted, and nothing is added.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    trims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keys:
    """A credential as the store gave it."""

    access_key: str
    secret_key: str
    token: str
    expires: datetime
    life_s: int


@dataclass(frozen=True)
class Denial:
    """Sessions that may no longer reach a prefix. `names` may hold `*`; none means every session."""

    prefix: str
    names: tuple[str, ...] = ()


class PolicyTooLong(ValueError):
    """The scope does not fit into one credential."""


class StoreNotTrusted(Refusal):
    """The store was asked and does not keep to session policies, or could not be asked."""

    def __init__(self, message: str) -> None:
        super().__init__("store_not_trusted", message, status=503)


class Vendor:
    """Hands out credentials for one store, once it has proven that it keeps to their policies."""

    def __init__(self, connection: S3Connection) -> None:
        self.connection = connection
        self._role_arn = ""
        self._probed: tuple[float, str] = (0.0, "")
        self._lock = threading.Lock()

    # --- vending ----------------------------------------------------------------------------------------------------------

    def vend(self, name: str, scope: Scope, *, life_s: int | None = None) -> Keys:
        """
        A credential for exactly this scope.

        :param name: of the session, as it will stand in the store's log
        :raises PolicyTooLong: the scope's policy exceeds what a store takes
        :raises StoreNotTrusted: the store does not enforce session policies, or does not answer
        """
        self.check_trusted()
        return self.assume(name, scope, life_s=life_s)

    def assume(self, name: str, scope: Scope, *, life_s: int | None = None) -> Keys:
        """A session that never leaves the portal: without asking whether the store keeps to its policy."""
        policy = self.session_policy(scope)
        if len(policy) > SESSION_POLICY_MAX:
            raise PolicyTooLong(f"{len(policy)} characters")
        life = life_s or settings.OBJECTS_CREDENTIAL_S
        answer = self.connection.client("sts").assume_role(
            RoleArn=self.role_arn(), RoleSessionName=name, Policy=policy, DurationSeconds=life
        )["Credentials"]
        return Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"], answer["Expiration"], life_s=life)

    def session_policy(self, scope: Scope) -> str:
        """The policy of a scope, as short as it can be written. An empty scope denies everything."""
        statements: list[dict[str, Any]] = []
        for prefixes, actions in ((scope.reads, READ), (scope.writes, WRITE), (scope.trims, TRIM)):
            places = [self.connection.place_of_prefix(prefix) for prefix in prefixes]
            for bucket in sorted({bucket for bucket, _ in places}):
                names = [name for where, name in places if where == bucket]
                objects = [f"arn:aws:s3:::{bucket}/{name}{'*' if _is_folder(name) else ''}" for name in names]
                statements.append({"Effect": "Allow", "Action": _one(actions), "Resource": _one(objects)})
                folders = [f"{name}*" for name in names if _is_folder(name)]
                if "*" in folders:
                    statements.append(_listing("Allow", bucket, {}))
                elif folders:
                    statements.append(_listing("Allow", bucket, {"s3:prefix": _one(folders)}))
        if not statements:
            statements = [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]
        elif scope.writes or scope.trims:
            # s3fs asks whether the bucket is there before it writes; where it lies is no secret.
            statements.append({"Effect": "Allow", "Action": WHERE, "Resource": "*"})
        return compact({"Version": VERSION, "Statement": statements})

    # --- ending -----------------------------------------------------------------------------------------------------------

    def deny(self, denials: list[Denial], *, teams: Collection[str] = ()) -> bool:
        """
        Make the store refuse these and no others, from its next request on. Returns whether anything had to be changed.

        When the names do not fit, a prefix is closed to every session instead: some wait who need not, nobody reads who may
        not.

        :param teams: whose buckets are looked at beside that of the datasets: those that have a denial, or had one
        """
        buckets: dict[str, list[Denial]] = {self.connection.bucket(DATASETS): []}
        buckets |= {self.connection.team_bucket(team): [] for team in teams}
        for denial in denials:
            buckets.setdefault(self.connection.place_of_prefix(denial.prefix)[0], []).append(denial)
        changed = [self._deny_in(bucket, here) for bucket, here in buckets.items()]
        return True in changed

    def _deny_in(self, bucket: str, denials: list[Denial]) -> bool:
        old = self._bucket_policy(bucket)
        foreign = [s for s in old.get("Statement", []) if not str(s.get("Sid", "")).startswith(OURS)]
        ours = self._denial_statements(bucket, denials, room=BUCKET_POLICY_MAX - len(compact({"Statement": foreign})))
        new = {"Version": VERSION, "Statement": [*foreign, *ours]} if foreign or ours else {}
        if new == old:
            return False
        if new:
            self.connection.client("s3").put_bucket_policy(Bucket=bucket, Policy=compact(new))
        else:
            self.connection.client("s3").delete_bucket_policy(Bucket=bucket)
        return True

    def _denial_statements(self, bucket: str, denials: list[Denial], *, room: int) -> list[dict[str, Any]]:
        places = [(self.connection.place_of_prefix(denial.prefix)[1], denial.names) for denial in denials]
        named = [statement for prefix, names in places for statement in _denial(bucket, prefix, names)]
        if len(compact({"Statement": named})) <= room:
            return named
        log.error("%s: the denials of %s prefixes do not fit; they are closed to all sessions", bucket, len(denials))
        closed = [statement for prefix, _ in places for statement in _denial(bucket, prefix, ())]
        return closed if len(compact({"Statement": closed})) <= room else _denial(bucket, "", ())

    def _bucket_policy(self, bucket: str) -> dict[str, Any]:
        try:
            return json.loads(self.connection.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
        except ClientError as error:
            if error_status(error) == 404:
                return {}
            raise

    # --- the role ---------------------------------------------------------------------------------------------------------

    def role_arn(self) -> str:
        """The role every credential is a session of. It reaches what people may reach; session policies cut it down."""
        if not self._role_arn:
            role = self.connection.role
            self._role_arn = role if role.startswith("arn:") else self._role_prepare(role)
        return self._role_arn

    def _role_prepare(self, role: str) -> str:
        iam = self.connection.client("iam")
        try:
            arn = iam.get_role(RoleName=role)["Role"]["Arn"]
        except ClientError as error:
            if error_status(error) != 404:
                raise
            arn = self._role_create(iam, role)
        buckets = self.connection.bucket(DATASETS), self.connection.team_bucket("*")
        resources = [f"arn:aws:s3:::{bucket}{end}" for bucket in buckets for end in ("", "/*")]
        reach = {
            "Version": VERSION,
            "Statement": [{"Effect": "Allow", "Action": [*WRITE, "s3:ListBucket", WHERE], "Resource": resources}],
        }
        iam.put_role_policy(RoleName=role, PolicyName=OURS, PolicyDocument=compact(reach))
        return arn

    def _role_create(self, iam: Any, role: str) -> str:
        owner = self.connection.client("s3").list_buckets()["Owner"]["ID"]
        trust = {
            "Version": VERSION,
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam:::user/{owner}"]}, "Action": ["sts:AssumeRole"]}
            ],
        }
        try:
            return iam.create_role(RoleName=role, AssumeRolePolicyDocument=compact(trust))["Role"]["Arn"]
        except ClientError as error:
            if error_code(error) != "EntityAlreadyExists":  # two processes that start at once
                raise
            return iam.get_role(RoleName=role)["Role"]["Arn"]

    # --- trust ------------------------------------------------------------------------------------------------------------

    def check_trusted(self) -> None:
        """
        Let pass when the store has lately proven that it enforces session policies.

        :raises StoreNotTrusted: with a sentence for the operator
        """
        with self._lock:
            until, problem = self._probed
            if time.monotonic() >= until:
                problem = self.probe()
                self._probed = (time.monotonic() + (PROBE_BAD_S if problem else PROBE_GOOD_S), problem)
        if problem:
            raise StoreNotTrusted(problem)

    def probe(self) -> str:
        """
        Try it: a session for one prefix must read there, and must not read, list or write beside it. "" when it is so,
        otherwise what the operator is to do.
        """
        where = f"The object store at {self.connection.url}"
        try:
            self.connection.buckets_prepare()
            inside, outside = f"{DATASETS}/_probe/inside/", f"{DATASETS}/_probe/outside/"
            s3 = self.connection.client("s3")
            for prefix in (inside, outside):
                bucket, name = self.connection.place(f"{prefix}object")
                s3.put_object(Bucket=bucket, Key=name, Body=b"probe")
            keys = self.assume("portal-probe", Scope(reads=(inside,)), life_s=PROBE_LIFE_S)
            session = self.connection.client_as(keys.access_key, keys.secret_key, keys.token)
            bucket, name = self.connection.place(f"{inside}object")
            session.get_object(Bucket=bucket, Key=name)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            said = error_code(error) if isinstance(error, ClientError) else error
            return (
                f"{where} could not be asked for a credential ({said}). Look whether it runs, whether "
                "COMMONS_OBJECTS_ACCESS_KEY is right, and whether that key may assume the role in "
                "COMMONS_OBJECTS_ROLE. No credentials are handed out."
            )
        passed = [what for what, ask in self._trespasses(session, outside).items() if _allowed(ask)]
        if not passed:
            return ""
        return (
            f"{where} does not enforce session policies: a credential for one prefix could {' and '.join(passed)} another. "
            "No credentials are handed out, because each would open every dataset. Use a store that enforces them (Ceph RGW, "
            "AWS), or unset COMMONS_OBJECTS_URL to serve links from this machine's disk."
        )

    def _trespasses(self, session: Any, outside: str) -> dict[str, Any]:
        bucket, name = self.connection.place(f"{outside}object")
        return {
            "read": lambda: session.get_object(Bucket=bucket, Key=name),
            "list": lambda: session.list_objects_v2(Bucket=bucket, Prefix=name),
            "write": lambda: session.put_object(Bucket=bucket, Key=name, Body=b"written"),
        }


def _allowed(ask: Any) -> bool:
    """Whether a request passed. Only a clear refusal counts as one."""
    try:
        ask()
    except ClientError as error:
        return error_status(error) != 403
    return True


def _is_folder(name: str) -> bool:
    """Whether what begins with a name is meant, not one object: the whole bucket, or a folder of it."""
    return not name or name.endswith("/")


def _listing(effect: str, bucket: str, condition: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": effect, "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
    return made | ({"Condition": {"StringLike": condition}} if condition else {})


def _denial(bucket: str, prefix: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The id of a session's user ends in `:<session name>`; the portal's own has no colon."""
    who = {"aws:userid": [f"*:{name}" for name in names] or ["*:*"]}
    listing = who | ({"s3:prefix": [f"{prefix}*"]} if prefix else {})
    return [
        {
            "Sid": OURS,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": f"arn:aws:s3:::{bucket}/{prefix}*",
            "Condition": {"StringLike": who},
        },
        {"Sid": OURS, "Principal": "*", **_listing("Deny", bucket, listing)},
    ]


def _one(values: list[str]) -> str | list[str]:
    """A list of one is written without its brackets: every character counts."""
    return values[0] if len(values) == 1 else values
