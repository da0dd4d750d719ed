"""Reads about datasets."""

from __future__ import annotations

from datetime import date

from django.db.models import Q, QuerySet

from allocations.projects import selectors as projects_read
from allocations.projects.models import Allocation
from allocations.projects.states import S as AllocationState
from portal.accounts.models import User
from portal.core.errors import NotYours, Refusal

from .models import Access, Dataset
from .states import A


def dataset_choices() -> list[tuple[str, str, str]]:
    """Published datasets for a form: slug, title, access class."""
    return list(_catalogue().order_by("title").values_list("slug", "title", "access_class")[:500])


def dataset_list(*, q: str = "", access_class: str = "") -> QuerySet[Dataset]:
    """The catalogue, which is public."""
    rows = _catalogue().select_related("steward").prefetch_related("versions")
    if access_class:
        rows = rows.filter(access_class=access_class)
    for word in q.split()[:8]:
        rows = rows.filter(
            Q(title__icontains=word)
            | Q(summary__icontains=word)
            | Q(description__icontains=word)
            | Q(slug__icontains=word)
            | Q(publisher__icontains=word)
        )
    return rows


def dataset_get(*, slug: str) -> Dataset:
    """
    A dataset that is or was published; a withdrawn one leaves its page as a tombstone.

    :raises Refusal: 404 otherwise
    """
    dataset = Dataset.objects.select_related("steward").filter(slug=slug, published_at__isnull=False).first()
    if dataset is None:
        raise Refusal("not_found", "There is no such dataset in the catalogue.", status=404)
    return dataset


def usable_allocations(*, user: User) -> list[Allocation]:
    """The person's active allocations, for which they may ask and accept."""
    return list(projects_read.allocation_list_for_user(user=user).filter(state=AllocationState.ACTIVE)[:50])


def access_map(*, dataset: Dataset, allocations: list[Allocation]) -> dict[int, Access]:
    """The newest access of each allocation to a dataset, open ones before ended ones, by allocation key."""
    rows = Access.objects.filter(dataset=dataset, allocation__in=allocations).order_by("pk")
    found: dict[int, Access] = {}
    for row in rows:
        known = found.get(row.allocation_id)
        if known is None or known.ended_at is not None or row.state == A.GRANTED:
            found[row.allocation_id] = row
    return found


def access_list_for_user(*, user: User) -> QuerySet[Access]:
    """Requests and grants a person may see: of their allocations, and of the datasets they steward. Newest first."""
    mine = projects_read.allocation_list_for_user(user=user).order_by().values("pk")
    rows = Access.objects.filter(Q(allocation__in=mine) | Q(dataset__steward=user))
    return rows.select_related("dataset__steward", "allocation__organisation", "asked_by", "decided_by", "terms").order_by(
        "-pk"
    )


def access_get_for_user(*, user: User, pk: int) -> Access:
    """
    One request or grant.

    :raises NotYours: when it is not theirs to see
    """
    access = access_list_for_user(user=user).filter(pk=pk).first()
    if access is None:
        raise NotYours("request")
    return access


def queue_for_steward(*, user: User) -> QuerySet[Access]:
    """Requests that wait for this steward, the one that is due first on top."""
    rows = Access.objects.filter(dataset__steward=user, state=A.REQUESTED)
    return rows.select_related("dataset", "allocation__organisation", "asked_by").order_by("due_on", "pk")


def granted_for_steward(*, user: User) -> QuerySet[Access]:
    """Grants on this steward's datasets, newest first."""
    rows = Access.objects.filter(dataset__steward=user, state=A.GRANTED)
    return rows.select_related("dataset", "allocation__organisation", "asked_by").order_by("-pk")


def overdue_count(*, user: User, today: date) -> int:
    """How many of the steward's requests are past their promised date."""
    return queue_for_steward(user=user).filter(due_on__lt=today).count()


def _catalogue() -> QuerySet[Dataset]:
    return Dataset.objects.filter(published_at__isnull=False, withdrawn_at__isnull=True)
