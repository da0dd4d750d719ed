"""Where the bytes of what may be read lie, and of what may not be read any more: for stores that hand out credentials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Q

from allocations.projects.models import Allocation

from .access import readable_datasets
from .models import Access, Dataset, TermsAcceptance, Version
from .states import A, AccessClass

ENDED = (A.REVOKED, A.WITHDRAWN, A.EXPIRED)


@dataclass(frozen=True)
class Readable:
    """A dataset that may be read now, and the prefixes of its published versions. `granted`: by name, not for being open."""

    slug: str
    granted: bool
    prefixes: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """A prefix that could be read lately and cannot now: by one allocation, or (None) by anybody but `readers`."""

    prefix: str
    allocation: int | None
    readers: frozenset[int] = frozenset()


def prefix_of(slug: str, version: str = "") -> str:
    """The folder of a dataset, or of one of its versions."""
    return f"datasets/{slug}/{version}/" if version else f"datasets/{slug}/"


def readable_prefixes(*, allocation: Allocation, at: datetime, narrowed: list[str] | None = None) -> list[Readable]:
    """
    What an allocation may read today: what was granted to it first, then open datasets, each group newest first.

    Only published versions count: the draft of the next one lies beside them and is nobody's yet.
    """
    rows = readable_datasets(allocation=allocation, at=at, narrowed=narrowed).order_by("-published_at", "-pk")
    granted = set(Access.objects.filter(allocation=allocation, state=A.GRANTED).values_list("dataset_id", flat=True))
    versions: dict[int, list[str]] = {}
    published = Version.objects.filter(dataset__in=rows.order_by().values("pk"), published_at__isnull=False)
    accepted = dict(
        TermsAcceptance.objects.filter(allocation=allocation, terms__dataset__in=rows.order_by().values("pk"))
        .values_list("terms__dataset")
        .annotate(Max("terms__number"))
    )
    asks = {row.pk for row in rows if row.access_class == AccessClass.REGISTERED}  # accept terms anew with a version's
    current = published.filter(withdrawn_at__isnull=True).order_by("-number")
    for dataset_id, name, number in current.values_list("dataset_id", "name", "terms__number"):
        if dataset_id not in asks or number is None or number <= accepted.get(dataset_id, 0):
            versions.setdefault(dataset_id, []).append(name)
    found = [
        Readable(row.slug, row.pk in granted, tuple(prefix_of(row.slug, name) for name in versions[row.pk]))
        for row in rows
        if row.pk in versions
    ]
    return sorted(found, key=lambda readable: not readable.granted)


def ended_prefixes(*, since: datetime, at: datetime) -> list[Ended]:
    """What ended since a moment and is not readable again by now, for whatever reason."""
    withdrawn = Dataset.objects.filter(withdrawn_at__gte=since).values_list("slug", flat=True)
    versions = Version.objects.filter(withdrawn_at__gte=since).values_list("dataset__slug", "name")
    everybody = [prefix_of(slug) for slug in withdrawn] + [prefix_of(slug, name) for slug, name in versions]
    closed = Dataset.objects.filter(closed_at__gte=since).exclude(access_class=AccessClass.OPEN).values_list("pk", "slug")
    readers = Access.objects.filter(dataset__in=[pk for pk, _ in closed], state=A.GRANTED, granted_until__gte=at.date())
    may_read: dict[int, set[int]] = {}
    for dataset, allocation in readers.values_list("dataset", "allocation"):
        may_read.setdefault(dataset, set()).add(allocation)
    return [
        *(Ended(prefix, None) for prefix in everybody),
        *(Ended(prefix_of(slug), None, frozenset(may_read.get(pk, ()))) for pk, slug in closed),
        *_ended_accesses(since=since, at=at),
    ]


def _ended_accesses(*, since: datetime, at: datetime) -> list[Ended]:
    over = Q(state__in=ENDED, ended_at__gte=since) | Q(state=A.GRANTED, granted_until__lt=at.date())
    pairs = Access.objects.filter(over).exclude(dataset__access_class=AccessClass.OPEN).values_list("dataset", "allocation")
    readable = set(
        Access.objects.filter(state=A.GRANTED, granted_until__gte=at.date(), dataset__in=[d for d, _ in pairs]).values_list(
            "dataset", "allocation"
        )
    )
    ended = set(pairs) - readable
    slugs = dict(Dataset.objects.filter(pk__in={d for d, _ in ended}).values_list("pk", "slug"))
    return [Ended(prefix_of(slugs[dataset]), allocation) for dataset, allocation in sorted(ended)]
