"""Who may spend an allocation, and who may stop others' work on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from allocations.ledger.states import RefusalCode
from portal.accounts.models import Role, User
from portal.core.errors import NotAllowed, NotYours, Refusal
from portal.core.remembering import remembered
from portal.organisations.models import Membership, OrgRole
from portal.organisations.policies import org_role

from .models import Allocation, AllocationMember
from .states import S

LEADERS = (OrgRole.OWNER, OrgRole.MANAGER)


def may_use(*, user: User, allocation: Allocation) -> bool:
    """Whether the person is one of the allocation's people today."""
    if not user.is_active:
        return False
    role = org_role(user=user, organisation_id=allocation.organisation_id)
    if role is None or not address_fits(user=user, allocation=allocation):
        return False
    if role in LEADERS or not allocation.named_people_only:
        return True
    return is_named(user=user, allocation=allocation)


@remembered
def is_named(*, user: User, allocation: Allocation) -> bool:
    """Whether an allocation that names its own people names the person."""
    return allocation.members.filter(user=user).exists()


def address_fits(*, user: User, allocation: Allocation) -> bool:
    """Whether the person's address is at one of the domains the award names; an award that names none takes any."""
    return _fits(user.email, allocation.mail_domains)


def _fits(email: str, allowed: list[str]) -> bool:
    domain = email.rpartition("@")[2].lower()
    return not allowed or any(domain == one or domain.endswith("." + one) for one in allowed)


def may_use_among(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """
    Of many (person, allocation) pairs, those where the person may use the allocation: three queries, however many there are.

    The same rule as `may_use`.
    """
    asked = set(pairs)
    people, wanted = {person for person, _ in asked}, {allocation for _, allocation in asked}
    allocations = Allocation.objects.only("organisation_id", "named_people_only", "mail_domains").in_bulk(wanted)
    members = {
        (person, organisation): (role, email)
        for person, organisation, role, email in Membership.objects.filter(
            user__in=people,
            user__is_active=True,
            left_at=None,
            organisation__in={allocation.organisation_id for allocation in allocations.values()},
        ).values_list("user_id", "organisation_id", "role", "user__email")
    }
    closed = [pk for pk, allocation in allocations.items() if allocation.named_people_only]
    named = set(AllocationMember.objects.filter(allocation__in=closed).values_list("user_id", "allocation_id"))
    found = set()
    for person, pk in asked:
        allocation = allocations[pk]
        role, email = members.get((person, allocation.organisation_id), (None, ""))
        if role is None or not _fits(email, allocation.mail_domains):
            continue
        if role in LEADERS or not allocation.named_people_only or (person, pk) in named:
            found.add((person, pk))
    return found


def may_manage(*, user: User, allocation: Allocation) -> bool:
    """Whether the person may stop anybody's session and ask for more (owner or manager)."""
    return org_role(user=user, organisation_id=allocation.organisation_id) in (OrgRole.OWNER, OrgRole.MANAGER)


def check_may_spend(*, user: User, allocation: Allocation, at: datetime) -> None:
    """
    Let a person pass who may start something on the allocation now.

    :raises NotYours: for people outside the enterprise
    :raises NotAllowed: for members who are not named on it
    :raises Refusal: `allocation_not_active`, with the dates
    """
    if not may_use(user=user, allocation=allocation):
        if org_role(user=user, organisation_id=allocation.organisation_id) is None:
            raise NotYours("allocation")
        if not address_fits(user=user, allocation=allocation):
            allowed = " or ".join(allocation.mail_domains)
            raise NotAllowed(f"{allocation.code} is for people with an address at {allowed}; you are {user.email}.")
        raise NotAllowed(f"{allocation.code} names its own people and you are not one of them. Ask its owner to add you.")
    if allocation.state != S.ACTIVE or not allocation.starts_on <= at.date() <= allocation.ends_on:
        words = {
            S.SCHEDULED: f"starts on {allocation.starts_on}",
            S.SUSPENDED: "is suspended; ask the officer",
        }.get(S(allocation.state), f"ended on {min(allocation.ends_on, at.date())}; apply for a new one")
        raise Refusal(
            RefusalCode.ALLOCATION_NOT_ACTIVE,
            f"{allocation.code} {words}.",
            starts_on=str(allocation.starts_on),
            ends_on=str(allocation.ends_on),
        )


def may_officiate(*, user: User, allocation: Allocation) -> bool:
    """Whether the person is an officer who may change it: never for an enterprise they belong to."""
    return Role.OFFICER in user.role_set and org_role(user=user, organisation_id=allocation.organisation_id) is None


def may_end(*, user: User, allocation: Allocation) -> bool:
    """Whether the person may end it early: its officer, or an owner of the enterprise."""
    owner = org_role(user=user, organisation_id=allocation.organisation_id) == OrgRole.OWNER
    return owner or may_officiate(user=user, allocation=allocation)


def check_officiates(*, user: User, allocation: Allocation, what: str) -> None:
    """
    Let an officer pass.

    :param what: the deed, for the refusal: "extend it"
    :raises NotAllowed: for everybody else, and for officers of the enterprise itself
    """
    if may_officiate(user=user, allocation=allocation):
        return
    if Role.OFFICER in user.role_set:
        raise NotAllowed(f"You belong to {allocation.organisation}, so another officer must {what}.")
    raise NotAllowed(f"Only an officer may {what}. Ask for it on the page of {allocation.code}.")


def check_manages(*, user: User, allocation: Allocation, what: str) -> None:
    """
    Let an owner or manager of the enterprise pass.

    :raises NotAllowed: for everybody else
    """
    if not may_manage(user=user, allocation=allocation):
        raise NotAllowed(f"Only an owner or manager of {allocation.organisation} may {what}. Ask one of them.")


def may_move_credits(*, user: User, allocation: Allocation) -> bool:
    """Whether the person may move its credits to another allocation of the enterprise: its call must allow it."""
    return allocation.transfers_allowed and may_manage(user=user, allocation=allocation)
