"""A programme to act in: two calls, a pool, an officer, two reviewers, two enterprises. Each step of the life is one call."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from allocations.applications import drafts
from allocations.applications import services as applications
from allocations.applications.models import Application
from allocations.awards import services as awards
from allocations.awards.models import Decision
from allocations.awards.terms import Terms
from allocations.calls import services as calls
from allocations.calls.models import Call
from allocations.calls.seeds import DEMO
from allocations.ledger import services as ledger
from allocations.ledger.selectors import balance
from allocations.ledger.states import AccountKind
from allocations.reviews import services as reviews
from allocations.reviews.models import Review
from portal.accounts.models import Role, User
from portal.core.quantities import MICRO
from portal.organisations.models import Organisation, OrgRole
from tests.support import portal

ANSWERS: dict[str, dict[str, Any]] = {
    "starter": {"goal": "Whether it works.", "activity": "test", "civil_use": True},
    "build": {
        "problem": "Fish rot on the way.",
        "plan": "Measure, model, ship.",
        "stage": "prototype",
        "compute_why": "Three hours a day.",
        "personal_data": False,
        "civil_use": True,
    },
}


def document(slug: str, **changes: Any) -> dict[str, Any]:
    """A demo call's document on the test machine room, with other top-level parts where wanted."""
    found = json.loads((DEMO / f"{slug}.json").read_text())
    found["amounts"]["resources"] = ["cpu"] if slug == "starter" else ["cpu", "highmem"]
    return {**found, **changes}


def pool(code: str, credits: int, *, at: datetime) -> None:
    """A pool with so many credits."""
    ledger.account_open(code="issuer:test", kind=AccountKind.ISSUER)
    ledger.account_open(code=code, kind=AccountKind.POOL)
    ledger.issue(
        id=f"{code}:budget", pool=code, issuer="issuer:test", amount=credits * MICRO, reason="budget", by="rule", at=at
    )


@dataclass
class Programme:
    """People, firms, calls, and one clock."""

    now: datetime
    founder: User
    colleague: User
    rival: User
    stranger: User
    officer: User
    second_officer: User
    reviewers: list[User]
    operator: User
    steward: User
    firm: Organisation
    rivals_firm: Organisation
    starter: Call
    build: Call
    log: list[str] = field(default_factory=list)

    def later(self, **delta: float) -> datetime:
        """Let time pass."""
        self.now += timedelta(**delta)
        return self.now

    def draft(self, call: str = "build", *, by: User | None = None, credits: int = 400, **changes: Any) -> Application:
        """A draft that could be sent as it is."""
        person = by or self.founder
        firm = self.rivals_firm if person == self.rival else self.firm
        row = drafts.draft_create(call=getattr(self, call), organisation=firm, by=person, at=self.now)
        asked = {
            "ask-credits": (30 if call == "starter" and credits == 400 else credits) * MICRO,
            "ask-months": 3,
            "ask-resources": ["cpu"],
        }
        written = {"title": "Cold chain", **ANSWERS[call], **asked, **changes}
        drafts.draft_save(application=row, changes=written, base=None, by=person, at=self.now)
        return row

    def sent(self, call: str = "build", *, by: User | None = None, **changes: Any) -> Application:
        """An application that was sent."""
        row = self.draft(call, by=by, **changes)
        applications.application_submit(application=row, by=by or self.founder, at=self.now)
        return row

    def in_review(self, **changes: Any) -> tuple[Application, list[Review]]:
        """One in review, with both reviewers asked."""
        row = self.sent(**changes)
        made = reviews.reviewers_assign(application=row, reviewers=self.reviewers, by=self.officer, at=self.now)
        return row, made

    def judged(self, *, score: int = 4, recommended: int = 300, **changes: Any) -> Application:
        """One whose reviews are all in."""
        row, made = self.in_review(**changes)
        for review in made:
            self.judge(review, score=score, recommended=recommended)
        return row

    def judge(self, review: Review, *, score: int = 4, recommended: int = 300) -> None:
        """A reviewer declares no conflict and hands in."""
        reviews.conflict_declare(review=review, has_conflict=False, by=review.reviewer, at=self.now)
        rules = review.application.version.rules.review
        assert rules is not None
        reviews.review_submit(
            review=review,
            scores={c.key: {"score": score, "reason": f"{c.title} is sound."} for c in rules.criteria},
            recommended=min(recommended * MICRO, review.application.requested_credits or 0),
            by=review.reviewer,
            at=self.now,
        )

    def award(self, row: Application, *, credits: int = 300, months: int = 3, by: User | None = None) -> Decision:
        """The officer awards."""
        terms = Terms(credits * MICRO, months, ["cpu"])
        return awards.application_award(
            application=row, terms=terms, reason="Less than asked: the plan needs less.", by=by or self.officer, at=self.now
        )

    def left(self, code: str = "pool:build") -> int:
        """Whole credits left in a pool."""
        return balance(code=code).available // MICRO


def programme(now: datetime) -> Programme:
    """See `Programme`."""
    names = ("founder", "colleague", "rival", "stranger")
    founder, colleague, rival, stranger = (portal.person(name, at=now) for name in names)
    firm = portal.firm(founder, at=now, name="Savanna")
    portal.member(firm, colleague, OrgRole.MEMBER, at=now)
    rivals_firm = portal.firm(rival, at=now, name="Nordlys", country="DK")
    portal.machine_room(at=now)
    pool("pool:starter", 200, at=now)
    pool("pool:build", 1000, at=now)
    return Programme(
        now=now,
        founder=founder,
        colleague=colleague,
        rival=rival,
        stranger=stranger,
        officer=portal.person("officer", Role.OFFICER, at=now),
        second_officer=portal.person("officer-two", Role.OFFICER, at=now),
        reviewers=[portal.person(f"reviewer-{letter}", Role.REVIEWER, at=now) for letter in "ab"],
        operator=portal.person("operator", Role.OPERATOR, at=now),
        steward=portal.person("steward", Role.STEWARD, at=now),
        firm=firm,
        rivals_firm=rivals_firm,
        starter=calls.call_create(slug="starter", document=document("starter"), by=None, at=now, published=True),
        build=calls.call_create(slug="build", document=document("build"), by=None, at=now, published=True),
    )
