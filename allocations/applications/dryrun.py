"""
A dry run: changed rules held against applications of the past, to see who would be decided differently. Nothing is written.

The facts are those kept with the application when it was sent; where none were kept, today's facts of the enterprise are used
and the row says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Prefetch

from allocations.calls.answers import answers_check
from allocations.calls.conditions import conditions_against
from allocations.calls.document import CallDocument
from allocations.calls.eligibility import Award, Facts, eligibility
from allocations.calls.models import Call
from portal.core.quantities import credits_parse

from .asking import CREDITS, asked_check
from .models import Application, Snapshot
from .selectors import facts_of

LIMIT = 500


@dataclass(frozen=True)
class Verdict:
    """What the rules make of an application before any person looks: refused, decided by rule, or for people."""

    outcome: str
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Replay:
    """One application under the old and under the new rules."""

    application: Application
    before: Verdict
    after: Verdict
    facts_of_today: bool

    @property
    def differs(self) -> bool:
        return self.before.outcome != self.after.outcome


WORDS = {
    "refused": "could not be sent",
    "rule": "awarded by rule",
    "people": "decided by people",
}


def verdict(rules: CallDocument, *, facts: Facts, content: Mapping[str, Any], call: str) -> Verdict:
    """
    Hold one application as it was sent against rules.

    Answers to questions the rules do not ask are left aside, and questions that are new are no fault of the application.
    """
    found = eligibility(rules=rules.eligibility, facts=facts, call=call)
    if found.against:
        return Verdict("refused", found.against)
    asked = content["requested"]
    known = {question.key for question in rules.form}
    answers = {key: value for key, value in content["answers"].items() if value not in (None, "", [])}
    wrong = {key: words for key, words in asked_check(rules, asked).items() if asked.get(key)}
    wrong |= {key: words for key, words in answers_check(rules, answers).items() if key in known and key in answers}
    wrong |= conditions_against(rules, facts=facts, answers=answers, asked=asked)
    if wrong:
        return Verdict("refused", list(wrong.values()))
    rule = rules.automatic
    if rule is not None and asked.get(CREDITS) and asked[CREDITS] <= credits_parse(rule.credits_max):
        return Verdict("rule", [rule.words])
    return Verdict("people", [])


def dry_run(*, call: Call, rules: CallDocument) -> list[Replay]:
    """
    Replay a call's sent applications under its rules in force and under other rules, the newest first, at most 500.

    In a constant number of queries where facts were kept; one more look for each application that kept none.
    """
    sent = Snapshot.objects.order_by("number")
    rows = (
        Application.objects.filter(call=call, submitted_at__isnull=False)
        .select_related("organisation", "version")
        .prefetch_related(Prefetch("snapshots", queryset=sent), "organisation__related_firms", "organisation__accounting_years")
        .order_by("-submitted_at")[:LIMIT]
    )
    found, today = [], {}
    for application in rows:
        snapshots = list(application.snapshots.all())  # type: ignore[attr-defined]
        if not snapshots:
            continue
        content = snapshots[-1].content
        kept = content.get("facts")
        if kept is None and application.organisation_id not in today:
            day = application.submitted_at.date() if application.submitted_at else date.today()
            today[application.organisation_id] = facts_of(organisation=application.organisation, today=day, without=application)
        facts = facts_read(kept) if kept else today[application.organisation_id]
        before, after = (verdict(one, facts=facts, content=content, call=call.slug) for one in (call.rules, rules))
        found.append(Replay(application, before, after, kept is None))
    return found


def facts_kept(facts: Facts) -> dict[str, Any]:
    """Facts as a snapshot keeps them."""
    return {
        "today": facts.today.isoformat(),
        "country": facts.country,
        "size": facts.size,
        "size_reason": facts.size_reason,
        "legal_form": facts.legal_form,
        "headcount": facts.headcount,
        "founded_on": facts.founded_on.isoformat() if facts.founded_on else None,
        "registry_checked": facts.registry_checked,
        "declarations": sorted(facts.declarations or []),
        "subsidies_eur": facts.subsidies_eur,
        "reports_overdue": list(facts.reports_overdue or []),
        "awards": [[award.call, award.on.isoformat()] for award in facts.awards or []],
        "open_applications": dict(facts.open_applications or {}),
    }


def facts_read(kept: Mapping[str, Any]) -> Facts:
    """Facts out of a snapshot."""
    awards: Sequence[Award] = [Award(call, date.fromisoformat(on)) for call, on in kept["awards"]]
    founded = kept["founded_on"]
    return Facts(
        **{
            **kept,
            "today": date.fromisoformat(kept["today"]),
            "founded_on": date.fromisoformat(founded) if founded else None,
            "declarations": frozenset(kept["declarations"]),
            "awards": awards,
        }
    )
