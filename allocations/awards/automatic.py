"""
The automatic rule of a starter call. It can only say yes, within a minute; when it cannot, it says why and a person decides.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from allocations.applications.drafts import draft_problems
from allocations.applications.models import Application
from allocations.applications.selectors import eligibility_of
from allocations.applications.states import Actor, S
from allocations.ledger.refusals import LedgerRefusal
from portal.audit import services as audit
from portal.core.errors import Refusal
from portal.core.quantities import credits_parse, credits_text

from .services import award_write
from .terms import asked_terms

log = logging.getLogger(__name__)
REASON = "Decided by rule: every condition of the call is met."


def decide_due(*, at: datetime) -> None:
    """Look at everything that was sent to a call with a rule and not looked at yet; safe to run twice at once."""
    waiting = (
        Application.objects.filter(state=S.SUBMITTED, person_wanted_at__isnull=True, rule_said="")
        .exclude(version__document__automatic=None)
        .select_related("version", "call__current", "organisation", "submitted_by", "allocation")
        .order_by("pk")[:50]
    )
    for application in waiting:
        try:
            decide(application=application, at=at)
        except Refusal as refusal:
            log.info("the rule did not decide %s: %s", application.code, refusal.message)


def decide(*, application: Application, at: datetime) -> None:
    """
    Let the rule say yes, or say why it does not.

    :raises Refusal: `changed_meanwhile` when somebody acted at the same moment; the next look finds out
    """
    said = why_not(application=application, at=at)
    rule = application.version.rules.automatic
    if not said and rule is not None:
        try:
            with transaction.atomic():
                award_write(
                    application=application,
                    terms=asked_terms(application),
                    reason=REASON,
                    by=None,
                    at=at,
                    actor=Actor.RULE,
                    rule_words=rule.words,
                )
                return
        except LedgerRefusal as refusal:
            said = f"the pool does not hold it ({refusal.code})"
        except Refusal as refusal:
            if refusal.code == "changed_meanwhile":
                raise
            said = refusal.message
    with transaction.atomic():
        if Application.objects.filter(pk=application.pk, state=S.SUBMITTED, rule_said="").update(rule_said=said):
            audit.event_record(
                kind="application.left_to_a_person", actor=None, about=f"application:{application.code}", at=at, why=said
            )


def why_not(*, application: Application, at: datetime) -> str:
    """Why the rule cannot say yes, or "" when it can, the pool aside."""
    rule = application.version.rules.automatic
    if rule is None:
        return "this call has no rule"
    if application.round > 1 or application.allocation_id is not None:
        return "a person looks again after an appeal"
    if (application.requested_credits or 0) > credits_parse(rule.credits_max):
        return f"{credits_text(application.requested_credits or 0)} credits are more than the rule may give"
    if draft_problems(application):
        return "an answer is missing"
    found = eligibility_of(call=application.call, organisation=application.organisation, today=at.date(), without=application)
    if found.eligible is not True:
        return " ".join(found.against) or "one rule of eligibility cannot be told by machine"
    return ""
