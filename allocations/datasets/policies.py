"""Who may see, ask for and decide about a dataset."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portal.accounts.models import Role, RoleGrant, User
from portal.core.errors import NotAllowed, NotYours
from portal.organisations.models import Membership
from portal.organisations.policies import MAY_APPLY, org_role

from .models import Access, Dataset


def is_steward(*, user: User, dataset: Dataset) -> bool:
    """
    Whether the person is the dataset's steward, or stands in for one who is gone.

    Who offered it for an enterprise is its steward while they belong there; afterwards its owners and managers are. For a
    steward of the portal's own who is active no more, or has lost the role, every data steward is.
    """
    if not user.is_active:
        return False
    if dataset.steward_id == user.pk:
        return _belongs(user, dataset)
    return _stands_in(user, dataset) and _gone(dataset)


def may_steward(*, user: User, dataset: Dataset) -> bool:
    """Whether the person decides about the dataset: its steward, or their delegate until the day that was set."""
    if is_steward(user=user, dataset=dataset):
        return True
    return (
        user.is_active
        and dataset.delegate_id == user.pk
        and Role.STEWARD in user.role_set
        and (dataset.delegate_until is None or dataset.delegate_until >= timezone.now().date())
    )


def stewarded(user: User) -> Q:
    """Datasets a person decides about, as a condition on them."""
    today = timezone.now().date()
    if Role.STEWARD not in user.role_set:
        return own(user)
    return own(user) | Q(delegate=user) & (Q(delegate_until__isnull=True) | Q(delegate_until__gte=today))


def own(user: User) -> Q:
    """Datasets a person is steward of, or stands in for their steward (`is_steward`), as a condition on them."""
    here = Membership.objects.filter(user=OuterRef("steward"), organisation=OuterRef("organisation"), left_at__isnull=True)
    appointed = RoleGrant.objects.filter(user=OuterRef("steward"), role=Role.STEWARD)
    gone = Q(steward__is_active=False) | ~Exists(here) & ~Exists(appointed)
    leads = Membership.objects.filter(user=user, left_at__isnull=True, role__in=MAY_APPLY).values("organisation")
    stands_in = Q(organisation__in=leads)
    if Role.STEWARD in user.role_set:
        stands_in |= Q(organisation__isnull=True)
    return Q(steward=user) & ~gone | gone & stands_in


def deciders(dataset: Dataset) -> list[User]:
    """Who is written to about requests: the steward, or those who stand in, at most twenty."""
    if not _gone(dataset):
        return [dataset.steward]
    if dataset.organisation is None:
        return list(User.objects.filter(roles__role=Role.STEWARD, is_active=True).order_by("pk")[:20])
    leads = dataset.organisation.memberships.filter(left_at__isnull=True, role__in=MAY_APPLY, user__is_active=True)
    return [membership.user for membership in leads.select_related("user").order_by("pk")[:20]]


def _gone(dataset: Dataset) -> bool:
    return not dataset.steward.is_active or not _belongs(dataset.steward, dataset)


def _belongs(steward: User, dataset: Dataset) -> bool:
    if Role.STEWARD in steward.role_set:
        return True
    firm = dataset.organisation_id
    return firm is not None and org_role(user=steward, organisation_id=firm) is not None


def _stands_in(user: User, dataset: Dataset) -> bool:
    if dataset.organisation_id is None:
        return Role.STEWARD in user.role_set
    return org_role(user=user, organisation_id=dataset.organisation_id) in MAY_APPLY


def check_may_steward(*, user: User, dataset: Dataset) -> None:
    """
    Let the steward pass.

    :raises NotAllowed: naming who it is
    """
    if not may_steward(user=user, dataset=dataset):
        raise NotAllowed(f"Only its steward, {dataset.steward}, decides about {dataset.slug}.")


def check_may_grant(*, user: User, access: Access) -> None:
    """
    Let a steward grant a request: not one of an enterprise they belong to, but for that enterprise's own data.

    :raises NotAllowed: otherwise
    """
    check_may_steward(user=user, dataset=access.dataset)
    asks = access.allocation.organisation_id
    if asks != access.dataset.organisation_id and org_role(user=user, organisation_id=asks) is not None:
        raise NotAllowed(
            f"You belong to {access.allocation.organisation}, which asks. Somebody else decides: name a delegate on the page "
            "of requests."
        )


def may_edit(*, user: User, dataset: Dataset) -> bool:
    """Whether the person changes what the dataset says and holds: owners and managers of its enterprise, its steward."""
    if not user.is_active:
        return False
    if is_steward(user=user, dataset=dataset):
        return True
    return dataset.organisation_id is not None and org_role(user=user, organisation_id=dataset.organisation_id) in MAY_APPLY


def check_may_edit(*, user: User, dataset: Dataset) -> None:
    """
    Let those pass who keep the dataset.

    :raises NotYours: for others, who learn nothing of what is not published
    """
    if not may_edit(user=user, dataset=dataset):
        raise NotYours("dataset")


def may_review(*, user: User, dataset: Dataset) -> bool:
    """Whether the person publishes what others contribute: data stewards, never for an enterprise they belong to."""
    if not user.is_active or Role.STEWARD not in user.role_set:
        return False
    own = dataset.organisation_id is not None and org_role(user=user, organisation_id=dataset.organisation_id) is not None
    return not own


def check_may_review(*, user: User, dataset: Dataset) -> None:
    """
    Let a reviewer pass.

    :raises NotAllowed: for those who keep the dataset, and for stewards of its enterprise
    :raises NotYours: for others, where nothing of it is published: they learn nothing
    """
    if not may_review(user=user, dataset=dataset):
        knows = dataset.published_at is not None or Role.STEWARD in user.role_set or may_edit(user=user, dataset=dataset)
        if not knows:
            raise NotYours("dataset")
        raise NotAllowed("A data steward who does not belong to the enterprise reviews what it contributes.")
