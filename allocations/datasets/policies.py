"""Who may see, ask for and decide about a dataset."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from portal.accounts.models import Role, User
from portal.core.errors import NotAllowed, NotYours
from portal.organisations.policies import MAY_APPLY, org_role

from .models import Dataset


def may_steward(*, user: User, dataset: Dataset) -> bool:
    """Whether the person decides about the dataset: its steward, or their delegate until the day that was set."""
    if not user.is_active:
        return False
    if dataset.steward_id == user.pk:
        return True
    return dataset.delegate_id == user.pk and (
        dataset.delegate_until is None or dataset.delegate_until >= timezone.now().date()
    )


def stewarded(user: User) -> Q:
    """Datasets a person decides about, as a condition on them."""
    today = timezone.now().date()
    return Q(steward=user) | Q(delegate=user) & (Q(delegate_until__isnull=True) | Q(delegate_until__gte=today))


def check_may_steward(*, user: User, dataset: Dataset) -> None:
    """
    Let the steward pass.

    :raises NotAllowed: naming who it is
    """
    if not may_steward(user=user, dataset=dataset):
        raise NotAllowed(f"Only its steward, {dataset.steward}, decides about {dataset.slug}.")


def may_edit(*, user: User, dataset: Dataset) -> bool:
    """Whether the person changes what the dataset says and holds: owners and managers of its enterprise, its steward."""
    if not user.is_active:
        return False
    if dataset.steward_id == user.pk:
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
