"""Makes one valid thing of each kind, for tests of what happens on the portal's side."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

from allocations.catalogue.models import Profile, Provider, Resource, Site
from allocations.ledger import services as ledger
from allocations.ledger.states import AccountKind
from allocations.projects import services as projects
from allocations.projects.models import Allocation
from portal.accounts import services as accounts
from portal.accounts.models import Role, User
from portal.core.quantities import MICRO
from portal.organisations.models import Membership, Organisation, OrgRole

_numbers = count(1)
PASSWORD = "a-long-enough-password"


def person(name: str, *roles: Role, at: datetime) -> User:
    """A verified person with portal roles."""
    user = accounts.person_create(email=f"{name}@example.org", full_name=name.title(), password=PASSWORD, verified=True, at=at)
    for role in roles:
        accounts.role_grant(user=user, role=role, by=None, at=at)
    return user


def firm(owner: User, *, at: datetime, name: str = "", **facts: Any) -> Organisation:
    """A small Kenyan enterprise with its owner."""
    number = next(_numbers)
    values = {"country": "KE", "registry_id": f"TEST-{number}", "headcount": 7, "turnover_eur": 300_000, "created_at": at}
    organisation = Organisation.objects.create(name=name or f"Firm {number}", created_by=owner, **{**values, **facts})
    member(organisation, owner, OrgRole.OWNER, at=at)
    return organisation


def member(organisation: Organisation, user: User, role: OrgRole, *, at: datetime) -> Membership:
    """A person in an enterprise."""
    return Membership.objects.create(organisation=organisation, user=user, role=role, joined_at=at)


def machine_room(*, at: datetime) -> Site:
    """A site with the resources `cpu` and `highmem`, and the usual profiles."""
    provider, _ = Provider.objects.get_or_create(slug="here", defaults={"name": "Here", "country": "KE"})
    site, _ = Site.objects.get_or_create(
        slug="room",
        defaults={
            "provider": provider,
            "hub_url": "http://127.0.0.1:1",
            "agent_url": "http://127.0.0.1:2",
            "notebooks_url": "http://localhost:8100",
            "looked_at": at,
        },
    )
    ledger.account_open(code=provider.account, kind=AccountKind.PROVIDER)
    for slug, factor in (("cpu", 1), ("highmem", 2)):
        Resource.objects.get_or_create(
            slug=slug,
            defaults={
                "name": slug,
                "site": site,
                "cores": 64,
                "memory_gib": 256,
                "core_hour": 4 * MICRO * factor,
                "gib_hour": MICRO * factor,
            },
        )
    for slug, cores, memory in (("small", 1, 2), ("medium", 2, 4)):
        Profile.objects.get_or_create(
            slug=slug, defaults={"name": slug, "cores": cores, "memory_gib": memory, "workers_max": 2}
        )
    return site


def award(
    organisation: Organisation, *, at: datetime, credits: int = 100, resources: tuple[str, ...] = ("cpu",), **changes: Any
) -> Allocation:
    """An active allocation with `credits` credits on the resources."""
    ledger.account_open(code="issuer:test", kind=AccountKind.ISSUER)
    ledger.account_open(code="pool:test", kind=AccountKind.POOL)
    number = next(_numbers)
    ledger.issue(
        id=f"issue-{number}", pool="pool:test", issuer="issuer:test", amount=credits * MICRO, reason="budget", by="x", at=at
    )
    today: date = at.date()
    values: dict[str, Any] = {
        "title": f"Award {number}",
        "organisation": organisation,
        "pool": "pool:test",
        "amount": credits * MICRO,
        "caps": dict.fromkeys(resources),
        "starts_on": today,
        "ends_on": today + timedelta(days=90),
        "reason": "award",
        "by": None,
        "at": at,
    }
    return projects.allocation_create(**{**values, **changes})
