"""Who may see, ask for and decide about a dataset."""

from __future__ import annotations

from portal.accounts.models import User
from portal.core.errors import NotAllowed

from .models import Dataset


def may_steward(*, user: User, dataset: Dataset) -> bool:
    """Whether the person decides about the dataset: its steward, whoever holds the role for others."""
    return user.is_active and dataset.steward_id == user.pk


def check_may_steward(*, user: User, dataset: Dataset) -> None:
    """
    Let the steward pass.

    :raises NotAllowed: naming who it is
    """
    if not may_steward(user=user, dataset=dataset):
        raise NotAllowed(f"Only its steward, {dataset.steward}, decides about {dataset.slug}.")
