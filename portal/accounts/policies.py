"""Who holds which portal role."""

from __future__ import annotations

from portal.core.errors import NotAllowed

from .models import Role, User


def check_role(user: User, *roles: Role) -> None:
    """
    Let the person pass who holds one of the roles.

    :raises NotAllowed: otherwise
    """
    if not user.role_set.intersection(roles):
        names = " or ".join(Role(role).label.lower() for role in roles)
        raise NotAllowed(f"This is for an {names}; you are signed in as {user.email}.")
