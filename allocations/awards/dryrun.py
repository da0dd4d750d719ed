"""
A dry run: changed rules held against all applications of the past, to see who would be decided differently. Nothing is written.

The facts are those kept with the application when it was sent; where none were kept, today's facts of the enterprise are used
and the row says so. What reviewers scored is held against the thresholds of both rules. Where a rule decides, pools are
replayed in the order of sending: from what they hold now and what this call's awards by rule took from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Prefetch, Q, Sum

from allocations.applications.asking import CREDITS, DATASETS, asked_check
from allocations.applications.facts_kept import facts_read
from allocations.applications.models import Application, Snapshot
from allocations.applications.selectors import facts_of
from allocations.calls.answers import answers_check
from allocations.calls.conditions import conditions_against
from allocations.calls.deciding import pool_of, start_finding
from allocations.calls.document import CallDocument
from allocations.calls.eligibility import Facts, eligibility
from allocations.calls.models import Call
from allocations.ledger.selectors import pool_list
from allocations.reviews.models import Review
from allocations.reviews.ranking import threshold_findings
from allocations.reviews.states import S as ReviewS
from portal.core.quantities import credits_parse, credits_text

from .models import Decision

BATCH = 200  # so many are in memory at a time, however many there are


@dataclass(frozen=True)
class Verdict:
    """What the rules make of an application by themselves: refused, awarded by rule, below a threshold, or for people."""

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
    "below": "reviewed, below a threshold",
    "people": "decided by people",
}


@dataclass
class Pools:
    """What is left in each pool while a replay goes on, in micro-credits."""

    left: dict[str, int]

    def take(self, code: str, amount: int) -> str:
        """Take an amount; why not, where the pool does not hold it."""
        held = self.left.get(code)
        if held is None:
            return f"There is no {code}."
        if amount > held:
            return f"{credits_text(amount)} credits; {credits_text(held)} would be left in {code}."
        self.left[code] = held - amount
        return ""


def verdict(
    rules: CallDocument,
    *,
    facts: Facts,
    content: Mapping[str, Any],
    call: str,
    pools: Pools | None = None,
    handed: Sequence[Mapping[str, Any]] = (),
) -> Verdict:
    """
    Hold one application as it was sent against rules.

    Answers to questions the rules do not ask are left aside, and questions that are new are no fault of the application.

    :param pools: what is left; an award by rule takes its part. None: pools are not looked at
    :param handed: the scores of the reviews that are in
    """
    found = eligibility(rules=rules.who, facts=facts, call=call)
    if found.against:
        return Verdict("refused", found.against)
    if wrong := _wrong(rules, facts, content):
        return Verdict("refused", list(wrong.values()))
    said = _rule_against(rules, facts, content, eligible=found.eligible, pools=pools)
    if said is None and rules.automatic is not None:
        return Verdict("rule", [rules.automatic.words])
    below = [one.reason for one in threshold_findings(rules.review, handed) if not one.passes] if rules.review else []
    if below:
        return Verdict("below", below)
    return Verdict("people", [said] if said else [])


def _wrong(rules: CallDocument, facts: Facts, content: Mapping[str, Any]) -> dict[str, str]:
    asked = content["requested"]
    known = {question.key for question in rules.form}
    answers = {key: value for key, value in content["answers"].items() if value not in (None, "", [])}
    # Which datasets are published today is no rule of the call; how many may be asked for is one.
    looked_at = {key: value for key, value in asked.items() if key != DATASETS}
    wrong = {key: words for key, words in asked_check(rules, looked_at).items() if asked.get(key)}
    if (number := len(asked.get(DATASETS) or [])) > rules.amounts.datasets_max:
        wrong[DATASETS] = f"At most {rules.amounts.datasets_max} datasets; {number} were asked for."
    wrong |= {key: words for key, words in answers_check(rules, answers).items() if key in known and key in answers}
    return wrong | conditions_against(rules, facts=facts, answers=answers, asked=asked)


def _rule_against(
    rules: CallDocument, facts: Facts, content: Mapping[str, Any], *, eligible: bool | None, pools: Pools | None
) -> str | None:
    """Why the automatic rule leaves it to a person, "" where there is no such rule, None where it says yes."""
    credits = content["requested"].get(CREDITS)
    if rules.automatic is None or not credits:
        return ""
    if credits > credits_parse(rules.automatic.credits_max):
        return f"{credits_text(credits)} credits are more than the rule may give."
    if eligible is not True:
        return "One rule of eligibility cannot be told by machine."
    _, start = start_finding(rules.start, today=facts.today)
    if not start.passes:
        return start.reason
    if pools is None:
        return None
    return pools.take(pool_of(rules, content["answers"]).value, credits) or None


def dry_run(*, call: Call, rules: CallDocument) -> Iterator[Replay]:
    """
    Replay all of a call's sent applications under its rules in force and under other rules, in the order of sending.

    In three queries for each two hundred where facts were kept; one more look for each enterprise that kept none. Memory does
    not grow with the number of applications.
    """
    start = pools_at_start(call)
    before, after = Pools(dict(start)), Pools(dict(start))
    for application, content, facts, of_today in _sent(call):
        handed = [review.scores for review in application.handed]  # type: ignore[attr-defined]
        one: dict[str, Any] = {"facts": facts, "content": content, "call": call.slug, "handed": handed}
        old, new = verdict(call.rules, pools=before, **one), verdict(rules, pools=after, **one)
        yield Replay(application, old, new, of_today)


def pools_at_start(call: Call) -> dict[str, int]:
    """What each pool would hold had this call's rule awarded nothing, in micro-credits."""
    left = {account.code: account.available for account in pool_list()}
    taken = Decision.objects.filter(automatic=True, application__call=call, allocation__isnull=False)
    for code, credits in taken.values_list("allocation__programme").annotate(sum=Sum("credits")):
        left[code] = left.get(code, 0) + credits
    return left


def _sent(call: Call) -> Iterator[tuple[Application, Mapping[str, Any], Facts, bool]]:
    handed = Review.objects.filter(state=ReviewS.SUBMITTED, round=F("application__round")).order_by("pk")
    rows = (
        Application.objects.filter(call=call, submitted_at__isnull=False)
        .select_related("organisation")
        .prefetch_related(
            Prefetch("snapshots", queryset=Snapshot.objects.order_by("number")),
            Prefetch("reviews", queryset=handed, to_attr="handed"),
        )
        .order_by("submitted_at", "pk")
    )
    last: Application | None = None
    while True:
        found = rows if last is None else rows.filter(_after(last))
        batch = list(found[:BATCH])
        if not batch:
            return
        last = batch[-1]
        yield from _with_facts(batch)


def _after(last: Application) -> Q:
    return Q(submitted_at__gt=last.submitted_at) | Q(submitted_at=last.submitted_at, pk__gt=last.pk)


def _with_facts(batch: Sequence[Application]) -> Iterator[tuple[Application, Mapping[str, Any], Facts, bool]]:
    """Those that have a snapshot, each with the facts it kept, or else today's."""
    of_today: dict[int, Facts] = {}
    for application in batch:
        snapshots = list(application.snapshots.all())  # type: ignore[attr-defined]
        if not snapshots or application.submitted_at is None:
            continue
        content = snapshots[-1].content
        if content.get("facts"):
            yield application, content, facts_read(content["facts"]), False
            continue
        firm = application.organisation_id
        if firm not in of_today:
            day = application.submitted_at.date()
            of_today[firm] = facts_of(organisation=application.organisation, today=day, without=application)
        yield application, content, of_today[firm], True
