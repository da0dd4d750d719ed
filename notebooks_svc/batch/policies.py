"""Who may open, see and close a batch hold."""

from __future__ import annotations

from allocations.projects.policies import may_manage
from portal.accounts.models import Role, User

from .models import BatchHold


def may_close(*, user: User, hold: BatchHold) -> bool:
    """Whether the person may close it: who opened it, the enterprise's owners and managers, an operator."""
    if hold.opened_by_id == user.pk or Role.OPERATOR in user.role_set:
        return True
    return may_manage(user=user, allocation=hold.allocation)
