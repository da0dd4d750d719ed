from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.conf import LazySettings

from allocations.ledger import services as ledger
from allocations.ledger.selectors import Balance, balance
from allocations.ledger.verify import verify
from allocations.projects.models import Allocation
from portal.accounts.models import Role, User
from portal.core.quantities import MICRO
from portal.organisations.models import OrgRole
from tests.support import portal


@dataclass
class Firm:
    """An enterprise with an award of 100 credits until 31 May, its people, officers, and an outsider."""

    now: datetime
    owner: User
    manager: User
    member: User
    officer: User
    officer_of_the_firm: User
    outsider: User
    allocation: Allocation

    def balance(self, allocation: Allocation | None = None) -> Balance:
        return balance(code=(allocation or self.allocation).account)

    def spend(self, credits: float, *, id: str = "s-1", at: datetime | None = None) -> None:
        """Hold and charge."""
        amount, at = int(credits * MICRO), at or self.now
        self.hold(credits, id=id, at=at)
        ledger.post(
            id=f"{id}-post", hold=id, amount=amount, provider="provider:here", at=at, reason="it ended", explanation=WORDS
        )

    def hold(self, credits: float, *, id: str, at: datetime | None = None) -> None:
        """Set aside."""
        ledger.hold(
            id=id,
            allocation=self.allocation.account,
            amount=int(credits * MICRO),
            resource="cpu",
            subject=f"session:{id}",
            at=at or self.now,
            expires_at=None,
            explanation=WORDS,
        )

    def another(self, **changes: Any) -> Allocation:
        """Another award of the same enterprise."""
        return portal.award(self.allocation.organisation, at=self.now, **changes)

    def books(self) -> None:
        verify(chain=True)


WORDS = {"text": "session x on cpu, small", "who": "Owner", "formula": "6 credits per hour × 600 s = 1", "seconds": 600}


@pytest.fixture
def firm(db: None, now: datetime, settings: LazySettings) -> Firm:
    """See `Firm`."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # six people per test
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    portal.machine_room(at=now)
    owner, manager, member, outsider = (portal.person(name, at=now) for name in ("owner", "manager", "member", "outsider"))
    officer, inside = (portal.person(name, Role.OFFICER, at=now) for name in ("officer", "inside"))
    organisation = portal.firm(owner, at=now)
    portal.member(organisation, manager, OrgRole.MANAGER, at=now)
    portal.member(organisation, member, OrgRole.MEMBER, at=now)
    portal.member(organisation, inside, OrgRole.MEMBER, at=now)
    return Firm(now, owner, manager, member, officer, inside, outsider, portal.award(organisation, at=now))
