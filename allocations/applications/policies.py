"""Who may write an application, and who may act on it as an officer."""

from __future__ import annotations

from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.core.errors import NotAllowed, Refusal
from portal.organisations.policies import MAY_APPLY, check_org_role, org_role

from .models import Application


def role_in(*, user: User, application: Application) -> str | None:
    """
    The person's role in the enterprise, asked once for an application that was read for one page.

    For showing and hiding only: what writes asks anew by `check_…`.
    """
    known: dict[int, str | None] = application.__dict__.setdefault("roles_known", {})
    if user.pk not in known:
        known[user.pk] = org_role(user=user, organisation_id=application.organisation_id)
    return known[user.pk]


def may_write(*, user: User, application: Application) -> bool:
    """Whether the person may edit, send and withdraw it (owner or manager of the enterprise)."""
    return role_in(user=user, application=application) in MAY_APPLY


def check_may_write(*, user: User, application: Application) -> None:
    """
    Let a person pass who may edit, send and withdraw.

    :raises NotYours: for outsiders
    :raises NotAllowed: for members with another role
    """
    check_org_role(user=user, organisation=application.organisation, roles=MAY_APPLY, what="apply")


def check_still_editable(*, application: Application) -> None:
    """
    Let an application pass that is in the applicant's hands.

    :raises Refusal: `not_editable`
    """
    if not application.editable:
        raise Refusal(
            "not_editable",
            f"{application.code} was sent and cannot be changed now. Write to the officer, or withdraw it and begin anew.",
        )


def may_officiate(*, user: User, application: Application) -> bool:
    """Whether the person may act on it as an officer."""
    return Role.OFFICER in user.role_set and role_in(user=user, application=application) is None


def check_may_officiate(*, user: User, application: Application) -> None:
    """
    Let an officer pass, but never for an enterprise they belong to.

    :raises NotAllowed: otherwise
    """
    check_role(user, Role.OFFICER)
    if org_role(user=user, organisation_id=application.organisation_id) is not None:
        raise NotAllowed(
            f"You belong to {application.organisation}, so another officer must act on {application.code}. Nothing was changed."
        )
