"""
The allocations as a batch scheduler is to have them: a second fence behind the ledger, never the balance.

Billing units at a site are credits per hour at today's rate, so that minutes of billing are sixty to a credit.
"""

from __future__ import annotations

import logging
import math
import time
from datetime import datetime

from allocations.catalogue.models import Resource, Site
from allocations.catalogue.rates import Rate, Size
from allocations.ledger.selectors import Balance, balance, balance_map
from allocations.projects.models import Allocation, AllocationResource
from allocations.projects.policies import may_use
from allocations.projects.states import S as AllocationState
from notebooks_svc.wire import BatchWish, MirrorAccount
from portal.accounts.models import User
from portal.core.enqueue import enqueue
from portal.core.quantities import MICRO
from portal.web.registry import registry

from .doors.agent import AgentRefused, AgentUnreachable, agent_door
from .models import Session

log = logging.getLogger(__name__)
MINUTES_PER_CREDIT = 60
# A job's own limit lies a boot and two minutes behind what was bought; the fence must not stand before that.
BEYOND_MINUTES = 5
OPEN_AT_ONCE = 8
SLACK = 1.05


def batch_wish(session: Session, size: Size) -> BatchWish | None:
    """What a batch scheduler is told of a launch; None where there is none."""
    if session.resource.site.engine == "local":
        return None
    covered = AllocationResource.objects.filter(allocation=session.allocation, resource=session.resource).first()
    return BatchWish(
        hub_username=session.user.hub_username,
        account=session.allocation.code.lower(),
        partition=session.resource.partition,
        cores=size.cores,
        memory_gib=size.memory_gib,
        gpus=size.gpus,
        budget_minutes=budget_minutes(
            balance(code=session.allocation.account), session.resource, covered.rate if covered else session.resource.rate
        ),
    )


def budget_minutes(left: Balance, resource: Resource, frozen: Rate) -> int:
    """Billing minutes that an allocation may still use: what is available or held, and the margins of the jobs' own limits."""
    credits = (left.available + left.held) / MICRO
    if credits <= 0:
        return 0
    dearer = max([1.0] + [now / then for now, then in _rate_pairs(resource, frozen) if then])
    margin = OPEN_AT_ONCE * BEYOND_MINUTES * (resource.core_hour + 2 * resource.gib_hour + resource.gpu_hour) / MICRO
    return math.ceil(credits * MINUTES_PER_CREDIT * dearer * SLACK + margin)


def _rate_pairs(resource: Resource, frozen: Rate) -> list[tuple[int, int]]:
    return [
        (resource.core_hour, frozen.core_hour),
        (resource.gib_hour, frozen.gib_hour),
        (resource.gpu_hour, frozen.gpu_hour),
    ]


def mirror_wanted(*, site: Site) -> list[MirrorAccount]:
    """Every allocation that covers something at the site, with the people who may use it today."""
    rows = (
        AllocationResource.objects.filter(resource__site=site, allocation__state=AllocationState.ACTIVE)
        .select_related("allocation__organisation", "resource")
        .order_by("allocation_id", "resource__slug")
    )
    found: dict[str, tuple[Allocation, list[AllocationResource]]] = {}
    for row in rows:
        found.setdefault(row.allocation.code, (row.allocation, []))[1].append(row)
    balances = balance_map(codes=[allocation.account for allocation, _ in found.values()])
    people = _people([allocation for allocation, _ in found.values()])
    return [
        MirrorAccount(
            account=code.lower(),
            people=people[code],
            budget_minutes=max(budget_minutes(balances[allocation.account], row.resource, row.rate) for row in covered),
        )
        for code, (allocation, covered) in found.items()
    ]


def _people(allocations: list[Allocation]) -> dict[str, list[str]]:
    """Allocation → site names of those who may use it: the enterprise's people today, checked by the policy itself."""
    found = {}
    for allocation in allocations:
        inside = User.objects.filter(
            memberships__organisation=allocation.organisation_id, memberships__left_at__isnull=True, is_active=True
        )
        found[allocation.code] = sorted(
            user.hub_username for user in inside.distinct() if may_use(user=user, allocation=allocation)
        )
    return found


_upstairs: list[tuple[str, str]] = []


def mirror_more(wanted: str, heard: str) -> None:
    """
    Have a room upstairs add accounts of its own.

    :param wanted: dotted path of a function (site) → list of `MirrorAccount`
    :param heard: and of one (site, wanted, answer, at) → None, called when the site has done what it was asked
    """
    if (wanted, heard) not in _upstairs:
        _upstairs.append((wanted, heard))


def sites_mirror_now() -> None:
    """Have it done at once instead of at the next turn, after the commit."""
    enqueue("notebooks_svc.sessions.tasks.sites_mirror")


def sites_mirror_soon(*, at: datetime) -> None:  # noqa: ARG001 (a sweep is told the time)
    """Have it done beside the reconciler's loop: writing accounts takes a third of a second each."""
    if Site.objects.filter(enabled=True).exclude(engine="local").exists():
        enqueue("notebooks_svc.sessions.tasks.sites_mirror")


def sites_mirror(*, at: datetime) -> int:
    """Have every batch site corrected where it differs. Returns how many changes there were."""
    changed = 0
    for site in Site.objects.filter(enabled=True).exclude(engine="local"):
        asked = time.time()
        # Should one of these fail, nothing is asked: what is not named loses its people.
        wanted = [*mirror_wanted(site=site), *(one for more, _ in _upstairs for one in registry.call(more, site=site))]
        try:
            answer = agent_door(site.agent_url).accounts_sync(wanted, asked=asked)
        except (AgentUnreachable, AgentRefused) as error:
            log.warning("accounts of %s: %s", site, error)
            continue
        for change in answer.changes:
            log.info("accounts of %s: %s", site, change)
        changed += len(answer.changes)
        for _, heard in _upstairs:
            registry.call(heard, site=site, wanted=wanted, answer=answer, at=at)
    return changed
