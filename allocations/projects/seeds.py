"""The demo's pools, the founder's award with credits left, and the rival's nearly spent one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from allocations.catalogue.seeds import first_resource
from allocations.ledger import services as ledger
from allocations.ledger.states import AccountKind
from portal.core.quantities import MICRO
from portal.organisations.models import Organisation
from portal.organisations.seeds import FOUNDERS_FIRM, RIVALS_FIRM

from . import services
from .models import Allocation

ISSUER = "issuer:commons"
POOLS = {"pool:starter": 10_000, "pool:build": 50_000}
RESOURCES_OF_THE_DEMO = {"local": ["commons-cpu"], "slurm": ["slurm-hpc", "slurm-burst"]}
FOUNDERS_CREDITS, RIVALS_CREDITS, RIVALS_SPENT = 500, 50, 48


def seed(*, demo: bool) -> None:
    """Open the programme's accounts; in the demo, award the first two allocations. Safe to repeat."""
    now = timezone.now()
    ledger.account_open(code=ISSUER, kind=AccountKind.ISSUER)
    ledger.account_open(code="provider:this-machine", kind=AccountKind.PROVIDER)
    if not demo:
        return
    for pool, amount in POOLS.items():
        ledger.account_open(code=pool, kind=AccountKind.POOL)
        ledger.issue(
            id=f"{pool}:first-issue",
            pool=pool,
            issuer=ISSUER,
            amount=amount * MICRO,
            reason="budget of the programme for this year",
            by="rule",
            at=now,
        )
    if Allocation.objects.exists():
        return
    today = now.date()
    common: dict[str, Any] = {
        "caps": dict.fromkeys(RESOURCES_OF_THE_DEMO[settings.SITE]),
        "starts_on": today,
        "ends_on": today + timedelta(days=180),
        "by": None,
        "at": now,
    }
    services.allocation_create(
        title="Load forecasts for village mini-grids",
        organisation=Organisation.objects.get(name=FOUNDERS_FIRM["name"]),
        pool="pool:build",
        amount=FOUNDERS_CREDITS * MICRO,
        reason="awarded in the demo",
        **common,
    )
    rivals = services.allocation_create(
        title="Sorting fish by image",
        organisation=Organisation.objects.get(name=RIVALS_FIRM["name"]),
        pool="pool:starter",
        amount=RIVALS_CREDITS * MICRO,
        reason="awarded in the demo",
        **common,
    )
    _spend(rivals, RIVALS_SPENT * MICRO)


def _spend(allocation: Allocation, amount: int) -> None:
    now = timezone.now()
    hold = f"{allocation.code.lower()}-demo"
    words = {"text": "sessions before today (demo)", "formula": "6 credits per hour × 8 h = 48"}
    ledger.hold(
        id=hold,
        allocation=allocation.account,
        amount=amount,
        resource=first_resource(),
        subject="demo",
        at=now,
        expires_at=None,
        explanation=words,
    )
    ledger.post(id=f"{hold}-post", hold=hold, amount=amount, provider="provider:this-machine", at=now, explanation=words)
