"""Reads about datasets."""

from __future__ import annotations

from django.db.models import Case, Q, QuerySet, When

from allocations.projects import selectors as projects_read
from allocations.projects.models import Allocation
from allocations.projects.states import S as AllocationState
from portal.accounts.models import User
from portal.core.errors import NotYours, Refusal
from portal.organisations.models import Membership
from portal.organisations.policies import MAY_APPLY

from . import policies, search
from .models import Access, Agreement, Dataset, Terms, TermsAcceptance, Version
from .states import A, AccessClass, V


def dataset_choices() -> list[tuple[str, str, str]]:
    """Published datasets for a form: slug, title, access class."""
    return list(_catalogue().order_by("title").values_list("slug", "title", "access_class")[:500])


def dataset_list(*, q: str = "", facets: dict[str, str] | None = None) -> QuerySet[Dataset]:
    """
    The catalogue, which is public: by title, or with words to search for, the best matches first.

    :param facets: name of a facet → chosen value, see `search.FACETS`; unknown ones are left out
    """
    rows = _catalogue().select_related("steward")
    for name, value in (facets or {}).items():
        if name in search.FACETS and value:
            rows = rows.filter(search.FACETS[name].where(value))
    if not q.strip():
        return rows.order_by("title", "pk")
    ids = search.find(q, within=rows)
    best_first = Case(*[When(pk=pk, then=place) for place, pk in enumerate(ids)], default=len(ids))
    return rows.filter(pk__in=ids).order_by(best_first) if ids else rows.none()


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


def accepted_older(*, dataset: Dataset, terms: Terms | None, rows: list[tuple[Allocation, Access | None]]) -> list[Allocation]:
    """Of allocations that read a registered dataset, those that accepted older terms than it has now."""
    if terms is None or dataset.access_class != AccessClass.REGISTERED:
        return []
    accepted = set(TermsAcceptance.objects.filter(terms=terms).values_list("allocation_id", flat=True)) if rows else set()
    return [a for a, access in rows if access is not None and access.state == A.GRANTED and a.pk not in accepted]


def pending(*, dataset: Dataset, allocations: list[Allocation]) -> dict[int, Access]:
    """Requests that wait for the steward, by allocation key: a renewal waits while its grant holds."""
    rows = Access.objects.filter(dataset=dataset, allocation__in=allocations, state=A.REQUESTED)
    return {row.allocation_id: row for row in rows}


def access_list_for_user(*, user: User) -> QuerySet[Access]:
    """Requests and grants a person may see: of their allocations, and of the datasets they steward. Newest first."""
    mine = projects_read.allocation_list_for_user(user=user).order_by().values("pk")
    rows = Access.objects.filter(Q(allocation__in=mine) | Q(dataset__in=_stewarded(user)))
    return rows.select_related(
        "dataset__steward", "allocation__organisation", "asked_by", "decided_by", "terms", "agreement"
    ).order_by("-pk")


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
    rows = Access.objects.filter(dataset__in=_stewarded(user), state=A.REQUESTED)
    return rows.select_related("dataset", "allocation__organisation", "asked_by").order_by("due_on", "pk")


def granted_for_steward(*, user: User) -> QuerySet[Access]:
    """Grants on this steward's datasets, newest first. Open ones are left out: there is nothing to end."""
    rows = Access.objects.filter(dataset__in=_stewarded(user), state=A.GRANTED).exclude(dataset__access_class=AccessClass.OPEN)
    return rows.select_related("dataset", "allocation__organisation", "asked_by").order_by("-pk")


def stewarded_list(*, user: User) -> QuerySet[Dataset]:
    """Datasets the person decides about, by title; those not published too."""
    return _stewarded(user).select_related("delegate").order_by("title")


def own_list(*, user: User) -> QuerySet[Dataset]:
    """Datasets for which the person may name a delegate, by title."""
    return Dataset.objects.filter(policies.own(user)).select_related("steward").order_by("title")


def reviews_for(*, user: User) -> QuerySet[Version]:
    """Versions handed in that the person may review, the oldest first."""
    rows = Version.objects.filter(state=V.IN_REVIEW).select_related("dataset", "submitted_by")
    own = Membership.objects.filter(user=user, left_at__isnull=True).values("organisation")
    return rows.filter(Q(dataset__organisation__isnull=True) | ~Q(dataset__organisation__in=own)).order_by("submitted_at")


def kept_list(*, user: User) -> QuerySet[Dataset]:
    """Datasets that the person keeps: those of enterprises they lead, and those they are steward of."""
    leads = Membership.objects.filter(user=user, left_at__isnull=True, role__in=MAY_APPLY).values("organisation")
    rows = Dataset.objects.filter(Q(organisation__in=leads) | policies.own(user), withdrawn_at__isnull=True)
    return rows.order_by("title")


def agreement_list(*, organisations: list[int]) -> QuerySet[Agreement]:
    """Signed documents of enterprises, newest first."""
    return Agreement.objects.filter(organisation__in=organisations)


def _stewarded(user: User) -> QuerySet[Dataset]:
    return Dataset.objects.filter(policies.stewarded(user))


def _catalogue() -> QuerySet[Dataset]:
    """A dataset whose versions were all withdrawn has no size, and is not offered."""
    return Dataset.objects.filter(published_at__isnull=False, withdrawn_at__isnull=True, size_bytes__gt=0)
