"""
Data for what runs: a session, or a worker of its cluster, asks for a dataset and gets links that hold while the access does.

The link's ticket names who asked. The file store has it checked here at every request: the session must live, its
person must be
active, the dataset must still be granted, and the session must not have been narrowed to others.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from allocations.datasets import access
from allocations.datasets.models import Dataset
from portal.core.errors import Malformed, Refusal
from portal.objects.door import store

from .models import Session
from .tokens import Bearer, bearer_alive

LINK_LIFE = timedelta(hours=1)


class SessionOver(Refusal):
    """Whoever shows the token or the link has ended."""

    def __init__(self) -> None:
        super().__init__("session_over", "This session is over, so it reads no data any more. Launch a new one.", status=401)


def dataset_for_bearer(*, bearer: Bearer, slug: str, version: str, at: datetime) -> dict[str, Any]:
    """
    A dataset's files with links, for a session or a cluster.

    :raises Refusal: with the words a person meets in the notebook
    """
    session = bearer.session
    found = access.manifest(allocation=session.allocation, slug=slug, version=version, at=at, narrowed=session.datasets)
    expires, ticket = at + LINK_LIFE, f"s.{bearer.ref}"
    return {
        "slug": slug,
        "title": found.dataset.title,
        "version": found.version.name,
        "licence": found.dataset.licence,
        "citation": found.dataset.citation,
        "page": access.page_url(slug),
        "notice": _newer(found),
        "expires_s": int(LINK_LIFE.total_seconds()),
        "files": [
            {
                "path": file.path,
                "size": file.size_bytes,
                "sha256": file.sha256,
                "media_type": file.media_type,
                "rows": file.rows,
                "url": store().link(file.key, ticket=ticket, expires=expires),
            }
            for file in found.files
        ],
    }


def _newer(found: access.Manifest) -> str:
    """What a person should know of the version they get; "" when it is the newest."""
    if found.newer is None:
        return ""
    slug = found.dataset.slug
    return (
        f"{slug}: you read version {found.version.name}. Version {found.newer.name} came with new terms; accept them once, on "
        f"its page: {access.page_url(slug)}"
    )


def datasets_for_session(session: Session, *, at: datetime) -> list[Dataset]:
    """What the session may read, by title."""
    return list(access.readable_datasets(allocation=session.allocation, at=at, narrowed=session.datasets)[:200])


def ticket_check(words: str, *, key: str, at: datetime) -> None:
    """
    Whether the session or cluster a link was made for may still read this object.

    :raises Refusal: with the words a person meets in the notebook
    """
    bearer = bearer_alive(words)
    if bearer is None:
        raise SessionOver
    _, slug, version, *_ = key.split("/")
    session = bearer.session
    access.manifest_check(allocation=session.allocation, slug=slug, version=version, at=at, narrowed=session.datasets)


def check_choice(*, chosen: list[str] | None, allocation: Any, at: datetime) -> None:
    """
    Let a narrowed choice of datasets pass that the allocation may read.

    :raises Refusal: with the reason for the first that it may not
    """
    if chosen is None:
        return
    if len(chosen) > 100 or not all(isinstance(slug, str) for slug in chosen):
        raise Malformed("Name at most 100 datasets by their slugs.", field="datasets")
    for slug in chosen:
        access.access_check(allocation=allocation, dataset=access.dataset_published(slug=slug), at=at)
