"""
A programme of a realistic size, to measure pages on: 200 people, 5,000 allocations of which 1,000 come from applications, and
500 applications waiting. Credits move through the ledger as ever; rows of applications and reviews are written in bulk.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from allocations.applications.clock import working_day_after
from allocations.applications.models import Application
from allocations.applications.states import Outcome, S
from allocations.calls.models import Call
from allocations.ledger import services as ledger
from allocations.projects import services as projects
from allocations.projects.models import Allocation
from allocations.reviews.models import Review
from allocations.reviews.scoring import total
from allocations.reviews.states import S as ReviewS
from portal.accounts.models import Role, RoleGrant, User
from portal.core.quantities import MICRO
from portal.organisations.models import Membership, Organisation, OrgRole

from .models import Decision

PEOPLE, ALLOCATIONS, DECIDED, WAITING = 200, 5_000, 1_000, 500
COUNTRIES = ("KE", "NG", "GH", "DE", "FR", "PT", "DK", "PL", "EE", "IT")
BATCH = 250
MARK = "volume-"


def seed(*, percent: int = 100) -> None:
    """Write it once; asking again changes nothing."""
    if User.objects.filter(email__startswith=MARK).exists():
        return
    now, dice = timezone.now(), random.Random(7)  # noqa: S311 (the same programme every time)
    firms, reviewers = _people(max(10, PEOPLE * percent // 100), now, dice)
    call = Call.objects.select_related("current").get(slug="build")
    count = ALLOCATIONS * percent // 100
    ledger.issue(
        id="volume-budget",
        pool=call.rules.pool,
        issuer="issuer:commons",
        amount=count * 100 * MICRO,
        reason="volume for measuring",
        by="rule",
        at=now,
    )
    made = _allocations(count, firms, call, now, dice)
    _decided(made[: DECIDED * percent // 100], call, now, dice)
    _waiting(WAITING * percent // 100, (firms, reviewers), call, now, dice)


def _people(count: int, now: datetime, dice: random.Random) -> tuple[list[Organisation], list[User]]:
    people = [User(email=f"{MARK}{n}@commons.example", full_name=f"Person {n}", joined_at=now) for n in range(count)]
    for person in people:
        person.set_unusable_password()
    User.objects.bulk_create(people)
    firms = Organisation.objects.bulk_create(
        Organisation(
            name=f"Enterprise {n}",
            country=dice.choice(COUNTRIES),
            registry_id=f"VOLUME-{n}",
            headcount=dice.choice((3, 8, 20, 45, 120)),
            turnover_eur=dice.randrange(50_000, 20_000_000),
            created_at=now,
            created_by=person,
        )
        for n, person in enumerate(people)
    )
    Membership.objects.bulk_create(
        Membership(organisation=firm, user=person, role=OrgRole.OWNER, joined_at=now)
        for firm, person in zip(firms, people, strict=True)
    )
    reviewers = people[-6:]
    RoleGrant.objects.bulk_create(RoleGrant(user=person, role=Role.REVIEWER, granted_at=now) for person in reviewers)
    return firms[:-6], reviewers


def _allocations(count: int, firms: list[Organisation], call: Call, now: datetime, dice: random.Random) -> list[Allocation]:
    made: list[Allocation] = []
    caps: dict[str, int | None] = dict.fromkeys(call.rules.amounts.resources)
    while len(made) < count:
        with transaction.atomic():
            for _ in range(min(BATCH, count - len(made))):
                made.append(
                    projects.allocation_create(
                        title=f"Project {len(made)}",
                        organisation=firms[len(made) % len(firms)],
                        pool=call.rules.pool,
                        amount=dice.randrange(10, 100) * MICRO,
                        caps=caps,
                        starts_on=now.date(),
                        ends_on=now.date() + timedelta(days=dice.randrange(30, 360)),
                        reason="volume",
                        by=None,
                        at=now,
                    )
                )
    return made


def _application(number: int, firm: Organisation, call: Call, at: datetime, **facts: Any) -> Application:
    return Application(
        code=f"P-V{number}",
        call=call,
        version=call.current,
        organisation=firm,
        title=f"Forecasts and images {number}",
        answers={"problem": "A problem. " * 20, "plan": "A plan. " * 30, "stage": "prototype"},
        requested_credits=(number % 90 + 10) * MICRO,
        requested_months=6,
        requested_resources=call.rules.amounts.resources[:1],
        created_by=firm.created_by,
        submitted_by=firm.created_by,
        created_at=at,
        changed_at=at,
        submitted_at=at,
        clock_from=at.date(),
        promised_on=working_day_after(at.date(), days=10, country="BE"),
        **facts,
    )


def _decided(allocations: list[Allocation], call: Call, now: datetime, dice: random.Random) -> None:
    rows = []
    for number, allocation in enumerate(allocations):
        sent = now - timedelta(days=dice.randrange(20, 500))
        decided = sent + timedelta(days=dice.randrange(1, 12))
        facts = {"state": S.DECIDED, "outcome": Outcome.AWARDED, "decided_at": decided, "published_at": decided}
        rows.append(_application(number, allocation.organisation, call, sent, allocation=allocation, **facts))
    kept = Application.objects.bulk_create(rows, batch_size=BATCH)
    Decision.objects.bulk_create(
        (
            Decision(
                application=row,
                outcome=Outcome.AWARDED,
                credits=row.requested_credits or MICRO,
                months=6,
                resources=row.requested_resources,
                reason="Sound.",
                at=row.decided_at or now,
                allocation=row.allocation,
            )
            for row in kept
        ),
        batch_size=BATCH,
    )


def _waiting(count: int, people: tuple[list[Organisation], list[User]], call: Call, now: datetime, dice: random.Random) -> None:
    firms, reviewers = people
    rows = [
        _application(DECIDED + n, firms[n % len(firms)], call, now - timedelta(days=dice.randrange(1, 14)), state=S.IN_REVIEW)
        for n in range(count)
    ]
    kept = Application.objects.bulk_create(rows, batch_size=BATCH)
    criteria = call.rules.review.criteria if call.rules.review else []
    found = []
    for row in kept:
        for person in dice.sample(reviewers, 2):
            scores = {c.key: {"score": dice.randrange(c.score_max + 1), "reason": "Because of the plan."} for c in criteria}
            found.append(
                Review(
                    application=row,
                    reviewer=person,
                    state=ReviewS.SUBMITTED,
                    assigned_at=now,
                    submitted_at=now,
                    due_on=now.date(),
                    scores=scores,
                    total=total(criteria, scores),
                    recommended_credits=(row.requested_credits or 0) // 2,
                )
            )
    Review.objects.bulk_create(found, batch_size=BATCH)
