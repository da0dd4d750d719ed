"""Who may see, open and stop a session."""

from __future__ import annotations

from allocations.projects.policies import may_manage, may_use
from portal.accounts.models import Role, User
from portal.core.errors import NotAllowed

from .models import Session


def may_open(*, user: User, session: Session) -> bool:
    """Whether the person may enter the notebook: its owner alone."""
    return session.user_id == user.pk and user.is_active and may_use(user=user, allocation=session.allocation)


def may_stop(*, user: User, session: Session) -> bool:
    """Whether the person may stop it: its owner, the enterprise's owners and managers, an operator."""
    if session.user_id == user.pk or Role.OPERATOR in user.role_set:
        return True
    return may_manage(user=user, allocation=session.allocation)


def check_owner(*, user: User, session: Session, what: str) -> None:
    """
    Let the owner pass.

    :raises NotAllowed: for others who may see the session
    """
    if session.user_id != user.pk:
        raise NotAllowed(f"Only {session.user} may {what}: nobody opens another person's notebook.")
