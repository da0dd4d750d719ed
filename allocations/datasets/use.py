"""How much datasets are read and by whom. Written from the store's log; contributors see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from portal.accounts.models import User

from .models import Dataset, DatasetUse
from .policies import check_may_steward, may_steward

PERIOD_DAYS = 30


@dataclass
class Tally:
    """Requests answered, bytes sent, requests refused."""

    reads: int = 0
    bytes: int = 0
    denials: int = 0


def use_add(tallies: dict[tuple[str, int | None, date], Tally]) -> None:
    """
    Add to what was counted, by slug, allocation and day; names of datasets that never were are left out.

    The caller sees to it that no line of the log is added twice: this runs in the transaction that moves its bookmark.
    """
    known = dict(Dataset.objects.filter(slug__in={slug for slug, _, _ in tallies}).values_list("slug", "pk"))
    for (slug, allocation, day), tally in tallies.items():
        if slug in known:
            row = DatasetUse.objects.filter(dataset=known[slug], allocation=allocation, day=day).first()
            row = row or DatasetUse.objects.create(dataset_id=known[slug], allocation_id=allocation, day=day)
            DatasetUse.objects.filter(pk=row.pk).update(
                reads=F("reads") + tally.reads, bytes=F("bytes") + tally.bytes, denials=F("denials") + tally.denials
            )


def use_summary(*, dataset: Dataset, today: date) -> dict[str, int]:
    """For everybody: reads and the number of projects of the last 30 days."""
    found = _period(dataset, today).aggregate(
        projects=Count("allocation", distinct=True, filter=Q(reads__gt=0)), reads=Sum("reads", default=0)
    )
    return {"reads": found["reads"], "projects": found["projects"], "days": PERIOD_DAYS}


def use_for_user(*, user: User, dataset: Dataset, today: date) -> list[dict[str, Any]]:
    """
    For the steward and the people of the enterprise that contributed it: by project, the last 30 days, most bytes first.

    :raises NotAllowed: for everybody else
    """
    check_may_see_use(user=user, dataset=dataset)
    rows = (
        _period(dataset, today)
        .values("allocation__code", "allocation__title", "allocation__organisation__name")
        .annotate(reads=Sum("reads"), bytes=Sum("bytes"), denials=Sum("denials"))
        .order_by("-bytes", F("allocation__code").asc(nulls_last=True))
    )
    return [
        {
            "allocation": row["allocation__code"] or "",
            "title": row["allocation__title"] or "Visitors without a project",
            "organisation": row["allocation__organisation__name"] or "",
            "reads": row["reads"],
            "bytes": row["bytes"],
            "denials": row["denials"],
        }
        for row in rows[:100]
    ]


def may_see_use(*, user: Any, dataset: Dataset) -> bool:
    """Whether the person stewards the dataset or belongs to the enterprise that contributed it."""
    if not user.is_authenticated:
        return False
    if may_steward(user=user, dataset=dataset):
        return True
    return dataset.organisation is not None and dataset.organisation.memberships.filter(user=user).exists()


def check_may_see_use(*, user: User, dataset: Dataset) -> None:
    """
    :raises NotAllowed: unless the person may see it
    """
    if not may_see_use(user=user, dataset=dataset):
        check_may_steward(user=user, dataset=dataset)


def _period(dataset: Dataset, today: date) -> QuerySet[DatasetUse]:
    return DatasetUse.objects.filter(dataset=dataset, day__gt=today - timedelta(days=PERIOD_DAYS))
