"""Who may do what for an enterprise."""

from __future__ import annotations

from portal.accounts.models import User
from portal.core.errors import NotAllowed, NotYours
from portal.core.remembering import remembered

from .models import Membership, Organisation, OrgRole

MAY_INVITE = (OrgRole.OWNER, OrgRole.MANAGER)
MAY_APPLY = (OrgRole.OWNER, OrgRole.MANAGER)


@remembered
def org_role(*, user: User, organisation_id: int) -> str | None:
    """The person's role in the enterprise, or None."""
    return (
        Membership.objects.filter(user=user, organisation_id=organisation_id, left_at__isnull=True, user__is_active=True)
        .values_list("role", flat=True)
        .first()
    )


def check_org_role(*, user: User, organisation: Organisation, roles: tuple[OrgRole, ...], what: str) -> None:
    """
    Let a person pass who holds one of the roles in the enterprise.

    :param what: the deed, for the refusal: "invite people"
    :raises NotYours: for outsiders, who learn nothing
    :raises NotAllowed: for members with another role
    """
    role = org_role(user=user, organisation_id=organisation.pk)
    if role is None:
        raise NotYours("enterprise")
    if role not in roles:
        names = " or ".join(r.label.lower() for r in roles)
        raise NotAllowed(f"Only an {names} of {organisation.name} may {what}; you are a {role}. Ask one of them.")
