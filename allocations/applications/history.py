"""Everything that touched an application, as people read it and as a file. Names of officers and reviewers are for officers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from portal.accounts.models import User
from portal.audit.models import Event
from portal.audit.selectors import event_list_about
from portal.core.words import cell_plain
from portal.organisations.models import Membership

from .models import Application
from .policies import may_officiate

WORDS = {
    "application.begun": "Begun",
    "application.renewed": "Brought under the newest rules",
    "application.submitted": "Sent",
    "application.returned": "Returned for correction",
    "application.withdrawn": "Withdrawn",
    "application.expired": "Expired",
    "application.person_wanted": "A person was asked to decide",
    "application.left_to_a_person": "The rule left it to a person",
    "application.awarded": "Awarded",
    "application.rejected": "Rejected",
    "application.embargo": "Its names stay out of the public register",
    "application.taken_back": "A decision was taken back before it was published",
    "application.published": "The decision was published",
    "application.appealed": "Appealed",
    "application.appeal_accepted": "Appeal accepted",
    "application.appeal_dismissed": "Appeal dismissed",
    "application.file_added": "A file was added",
    "application.file_removed": "A file was removed",
    "application.file_stopped": "A malware scanner stopped a file",
    "review.assigned": "Reviewers were asked",
    "review.conflict": "A reviewer declared a conflict",
    "review.no_conflict": "A reviewer declared no conflict",
    "review.submitted": "A review came in",
    "review.declined": "A reviewer declined",
    "review.reopened": "A review was opened again",
    "review.released": "A reviewer was let go",
    "message.posted": "A message was written",
}
# Not to be known before they are published.
HELD = frozenset({"application.awarded", "application.rejected", "application.taken_back"})
OPEN_FACTS = frozenset({"call", "promised", "message", "credits", "allocation", "reason", "rule", "why", "answer", "version"})


@dataclass(frozen=True)
class Step:
    """One thing that happened."""

    at: datetime
    kind: str
    words: str
    who: str
    facts: dict[str, Any]


def history(*, application: Application, user: User) -> list[Step]:
    """What happened, oldest first, as far as this person may know."""
    officiates = may_officiate(user=user, application=application)
    events: Sequence[Event] = list(event_list_about(about=f"application:{application.code}"))
    if not officiates and application.published_at is None:
        events = [event for event in events if event.kind not in HELD]
    team = set(Membership.objects.filter(organisation_id=application.organisation_id).values_list("user_id", flat=True))
    return [_step(event, team, officiates) for event in events]


def _step(event: Event, team: set[int], officiates: bool) -> Step:
    facts = event.facts if officiates else {key: value for key, value in event.facts.items() if key in OPEN_FACTS}
    if not officiates and event.kind.startswith("review."):
        facts = {}
    return Step(event.at, event.kind, WORDS.get(event.kind, event.kind), _who(event, team, officiates), facts)


def _who(event: Event, team: set[int], officiates: bool) -> str:
    if event.actor is None:
        return "by rule"
    if officiates or event.actor_id in team:
        return str(event.actor)
    by_reviewer = event.kind in ("review.conflict", "review.no_conflict", "review.submitted", "review.declined")
    return "a reviewer" if by_reviewer else "an officer"


def history_csv(steps: Sequence[Step]) -> str:
    """The same as a table; cells that a spreadsheet would compute are made plain text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["at", "kind", "what", "who", "facts"])
    for step in steps:
        facts = "; ".join(f"{key}: {value}" for key, value in step.facts.items())
        writer.writerow([step.at.isoformat(), step.kind, step.words, cell_plain(step.who), cell_plain(facts)])
    return out.getvalue()


def history_rows(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [asdict(step) for step in steps]
