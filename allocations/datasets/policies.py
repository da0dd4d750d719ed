"""Who may see, ask for and decide about a dataset."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from portal.accounts.models import User
from portal.core.errors import NotAllowed

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
