"""Credentials for what runs: scoped to what its allocation may read at this moment, and to its scratch."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from allocations.datasets import access, prefixes
from notebooks_svc.sessions.models import Session
from notebooks_svc.sessions.tokens import Bearer
from portal.core.errors import Malformed, Refusal
from portal.objects.credentials import SESSION_POLICY_MAX, Scope, StoreNotTrusted, Vendor
from portal.objects.door import vendor

from .keeping import STORE_ERRORS, bucket_ready, is_over

log = logging.getLogger(__name__)
WANTED_MAX = 100


@dataclass
class Reach:
    """What one credential reaches, and which open datasets found no room in it."""

    scope: Scope
    datasets: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def credentials_for_bearer(*, bearer: Bearer, wanted: list[str], at: datetime) -> dict[str, Any]:
    """
    A credential for a session or a cluster, in the words both of AWS's formats use (process and container endpoint).

    Its session at the store is named after the launch or the cluster.

    :param wanted: slugs; none means all that may be read
    :raises Refusal: `links_only`, `choose_datasets`, `store_not_trusted`, or the words of a dataset that may not be read
    """
    hands_out = vendor()
    if hands_out is None:
        raise Refusal(
            "links_only",
            'This installation keeps data on a disk and hands out links, not keys. Read with "commons://<slug>/<file>".',
        )
    name = bearer.cluster.pk if bearer.cluster else bearer.session.pk
    try:
        full = is_over(bucket_ready(allocation=bearer.session.allocation, at=at), at=at)
        found = reach(hands_out, session=bearer.session, wanted=wanted, at=at, full=full)
        keys = hands_out.vend(name, found.scope)
    except STORE_ERRORS as error:
        raise Refusal(
            "store_unreachable", f"The object store gives no credential just now ({error}). Try again in a minute.", status=503
        ) from None
    return {
        "Version": 1,
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret_key,
        "SessionToken": keys.token,
        "Token": keys.token,
        "Expiration": _told_expiry(keys.expires, keys.life_s),
        "datasets": found.datasets,
        "left_out": found.left_out,
        "scratch_full": full,
    }


def reach(hands_out: Vendor, *, session: Session, wanted: list[str], at: datetime, full: bool = False) -> Reach:
    """
    The scope of a session now: granted datasets, the project's scratch, and as many open datasets as find room.

    :param full: the project's quota is passed: its scratch is read and tidied, and nothing is added
    :raises Refusal: `choose_datasets` when what was granted, or asked for by name, does not fit into one credential
    """
    allocation = session.allocation
    if len(wanted) > WANTED_MAX:
        raise Malformed(f"Name at most {WANTED_MAX} datasets.", field="dataset")
    for slug in wanted:
        dataset = access.dataset_published(slug=slug)
        access.access_check(allocation=allocation, dataset=dataset, at=at, narrowed=session.datasets)
    narrowed = wanted or session.datasets
    rows = prefixes.readable_prefixes(allocation=allocation, at=at, narrowed=narrowed)
    scratch = (f"scratch/{allocation.code}/",)
    made = Reach(Scope(trims=scratch) if full else Scope(writes=scratch))
    for row in rows:
        scope = replace(made.scope, reads=(*made.scope.reads, *row.prefixes))
        if len(hands_out.session_policy(scope)) > SESSION_POLICY_MAX:
            if row.granted or narrowed is not None:
                raise _too_many(len(rows))
            made.left_out.append(row.slug)
            continue
        made.scope = scope
        made.datasets.append(row.slug)
    return made


def check_store() -> None:
    """For readiness: the store keeps to session policies. Installations without one have nothing to prove."""
    hands_out = vendor()
    if hands_out is not None:
        hands_out.check_trusted()


def store_watch(*, at: datetime) -> None:  # noqa: ARG001 (sweeps are told the time)
    """Try the store when the worker starts and each minute: the operator reads in the log what is wrong, not people."""
    try:
        check_store()
    except StoreNotTrusted as problem:
        log.error(problem.message)


def _too_many(count: int) -> Refusal:
    return Refusal(
        "choose_datasets",
        f"This project may read {count} datasets, more than one S3 credential can name. Say which: set COMMONS_DATASET=<slug> "
        '(several with commas) before the first read, or read with "commons://<slug>/<file>", which has no such limit.',
    )


def _told_expiry(expires: datetime, life_s: int) -> str:
    """Earlier than the truth, so that a request signed in the last moment still arrives in time."""
    margin = timedelta(seconds=min(300, life_s * 0.25))
    return (expires - margin).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
