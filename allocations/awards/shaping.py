"""An award as the call's rules shape it: from which pool, from which day, how much at once, and what it is worth as aid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from allocations.applications.models import Application
from allocations.calls.afterwards import last_day, release_parts
from allocations.calls.deciding import pool_of, start_finding
from allocations.calls.pricing import charged_rate
from allocations.projects import services as projects
from allocations.projects.models import Allocation
from portal.accounts.models import User
from portal.core.errors import Refusal

from .aid import aid_check, aid_record
from .rests import rest_set_aside
from .terms import Terms


@dataclass(frozen=True)
class Shape:
    """What the rules made of an award. Amounts in micro-credits; `reasons` says why, rule by rule."""

    pool: str
    starts_on: date
    ends_on: date
    at_once: int
    later: int
    reasons: list[str]


def award_shape(application: Application, *, credits: int, months: int, today: date) -> Shape:
    """
    Hold an award that is about to be made against the rules of its call.

    :raises Refusal: `outside_start_window`, `aid_ceiling`
    """
    rules = application.version.rules
    starts_on, start = start_finding(rules.start, today=today)
    if starts_on is None:
        raise Refusal("outside_start_window", f"No award can be made now: {start.reason}")
    reasons = [start.reason]
    aid = aid_check(rules=rules, organisation=application.organisation, credits=credits, today=today)
    if aid is not None:
        reasons.append(aid.reason)
    pool = pool_of(rules, application.answers)
    first, rest = release_parts(rules.release, credits)
    reasons += [pool.reason, first.reason, *([rest.reason] if rest.amount else [])]
    return Shape(pool.value, starts_on, last_day(starts_on, months), first.amount, rest.amount, reasons)


def allocation_make(application: Application, terms: Terms, *, reason: str, by: User | None, at: datetime) -> Allocation:
    """
    Make the allocation of an award, inside the caller's transaction. What follows later is set aside, out of the pool.

    :raises Refusal: `outside_start_window`, `aid_ceiling`
    :raises LedgerRefusal: `exceeds_pool`
    """
    rules = application.version.rules
    shape = award_shape(application, credits=terms.credits, months=terms.months, today=at.date())
    allocation = projects.allocation_create(
        title=application.title,
        organisation=application.organisation,
        pool=shape.pool,
        amount=shape.at_once,
        caps=dict.fromkeys(terms.resources),
        starts_on=shape.starts_on,
        ends_on=shape.ends_on,
        reason=reason,
        by=by,
        at=at,
        subject=f"application:{application.code}",
        charged=lambda rate: charged_rate(rules.charging, rate)[0],
        named_people_only=rules.membership.control == "awarding_body",
        mail_domains=rules.membership.allowed_domains,
        transfers_allowed=rules.duties.transfers_between_allocations,
    )
    if shape.later:
        rest_set_aside(allocation=allocation, amount=shape.later, by=by, at=at)
    aid_record(rules=rules, allocation=allocation, credits=terms.credits, at=at)
    return allocation
