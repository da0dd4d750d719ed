"""Who may review what, and what the portal itself sees standing in the way."""

from __future__ import annotations

from allocations.applications.models import Application
from portal.accounts.models import User
from portal.core.errors import NotAllowed, NotYours
from portal.organisations.models import Membership, Organisation

from .models import Review
from .states import Conflict

# Everybody has an address there; sharing one says nothing.
PUBLIC_DOMAINS = frozenset({"gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "proton.me", "gmx.de"})


def check_own(*, user: User, review: Review) -> None:
    """
    Let the reviewer pass.

    :raises NotYours: for everybody else
    """
    if review.reviewer_id != user.pk:
        raise NotYours("review")


def check_may_be_assigned(*, user: User, application: Application) -> None:
    """
    Let a person pass who can be asked to review an application.

    :raises NotAllowed: they hold no reviewer's role, or belong to the enterprise
    """
    if "reviewer" not in user.role_set:
        raise NotAllowed(f"{user.email} is not in the pool of reviewers.")
    if Membership.objects.filter(user=user, organisation_id=application.organisation_id).exists():
        raise NotAllowed(f"{user} belongs or belonged to {application.organisation} and cannot review its application.")


def conflicts_proposed(*, application: Application, reviewer: User) -> list[tuple[Conflict, str]]:
    """What the portal sees between the two: shared enterprises, shared mail domains. It proposes; the person declares."""
    team = {m.user.email for m in application.organisation.memberships.select_related("user")}
    found: list[tuple[Conflict, str]] = []
    domain = reviewer.email.rpartition("@")[2].lower()
    telling = domain not in PUBLIC_DOMAINS and not domain.endswith(".example")  # a name reserved for demonstrations
    if telling and domain in {email.rpartition("@")[2].lower() for email in team}:
        found.append((Conflict.EMPLOYER, f"somebody of {application.organisation} has an address at {domain} as well"))
    firms = Organisation.objects.filter(memberships__user=reviewer, memberships__left_at__isnull=True)
    sector = application.organisation.sector
    if sector and firms.filter(sector=sector).exclude(pk=application.organisation_id).exists():
        words = f"your enterprise works in the same sector ({application.organisation.get_sector_display()})"
        found.append((Conflict.COMPETITOR, words))
    theirs = Membership.objects.filter(user=reviewer).values_list("organisation_id", flat=True)
    shared = Membership.objects.filter(organisation_id__in=list(theirs), user__email__in=team).exclude(user=reviewer)
    if shared.exists():
        found.append((Conflict.EMPLOYER, "you and somebody of this enterprise belong or belonged to another one together"))
    return found
