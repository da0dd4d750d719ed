"""
Rules over the application itself, beside its enterprise: who leads, which activity, which data, how much aid. Plain Python.

They are told on the page before sending, and looked at again when it is sent and when a rule decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from dateutil.relativedelta import relativedelta

from . import document as d
from .afterwards import last_day
from .answers import DATA_WORDS
from .deciding import start_finding
from .eligibility import Facts
from .findings import Finding, finding, later, words_or
from .names import legal_form_words
from .pricing import aid_finding

ASK_CREDITS, ASK_MONTHS = "ask-credits", "ask-months"


def conditions(
    rules: d.CallDocument, *, facts: Facts, answers: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, Finding]:
    """
    What each rule says of an application, by the key of the answer it looks at. Answers that are missing are not looked at.

    :param asked: what is asked for, by the keys of the application room; credits in micro-credits
    """
    found: dict[str, Finding] = {}
    ends, months = answers.get("lead_contract_ends"), asked.get(ASK_MONTHS)
    if rules.lead and rules.lead.contract_months_after is not None and ends and months:
        found["lead_contract_ends"] = lead_finding(
            rules, contract_ends=date.fromisoformat(ends), months=months, today=facts.today
        )
    activity = next((one for one in rules.activities if one.key == answers.get("activity_class")), None)
    if activity is not None:
        found["activity_class"] = activity_finding(activity, size=facts.size, legal_form=facts.legal_form)
    if rules.data and answers.get("data_class"):
        found["data_class"] = data_finding(rules.data, answers["data_class"])
    received = facts.received_eur(rules.aid.years) if rules.aid else None
    if rules.aid and asked.get(ASK_CREDITS) and received is not None:
        found[ASK_CREDITS] = aid_finding(rules.aid, received_eur=received, amount=asked[ASK_CREDITS])
    return found


def conditions_against(
    rules: d.CallDocument, *, facts: Facts, answers: Mapping[str, Any], asked: Mapping[str, Any]
) -> dict[str, str]:
    """The reasons against, by key."""
    found = conditions(rules, facts=facts, answers=answers, asked=asked)
    return {key: one.reason for key, one in found.items() if one.passes is False}


def lead_finding(rules: d.CallDocument, *, contract_ends: date, months: int, today: date) -> Finding:
    """Whether the lead's contract outlasts the work, were it awarded today."""
    assert rules.lead is not None  # noqa: S101 (asked only where there is such a rule)
    margin = rules.lead.contract_months_after or 0
    first, _ = start_finding(rules.start, today=max(today, rules.start.approve_from or today))
    needed = last_day(first or today, months) + relativedelta(months=margin)
    found = f"the lead's contract ends on {contract_ends:%-d %B %Y}"
    wanted = f"leads whose contract runs until {needed:%-d %B %Y} or longer"
    return finding("lead", contract_ends >= needed, found, wanted, rules.lead.why)


def activity_finding(activity: d.Activity, *, size: str, legal_form: str | None) -> Finding:
    """Whether an organisation of this class may carry out this class of activity."""
    if activity.legal_forms and not legal_form:
        return later("activity", "your legal form, which is not entered yet")
    form_fits = not activity.legal_forms or legal_form in activity.legal_forms
    size_fits = not activity.size_classes or size in activity.size_classes
    found = f"you are {legal_form_words(legal_form) if legal_form else 'an enterprise'} of class {size}"
    forms, sizes = [legal_form_words(form) for form in activity.legal_forms], list(activity.size_classes)
    whom = [f"by {words_or(forms)}"] if forms else []
    whom += [f"of class {words_or(sizes)}"] if sizes else []
    wanted = f"“{activity.label}” {', '.join(whom)}" if whom else "anybody"
    return finding("activity", form_fits and size_fits, found, wanted, activity.why)


def data_finding(rule: d.DataRule, given: str) -> Finding:
    """Whether data of this class may be worked on."""
    wanted = f"work on data that is {words_or([DATA_WORDS[one].lower() for one in rule.allowed])}"
    return finding("data", given in rule.allowed, f"the data is {DATA_WORDS[given].lower()}", wanted, rule.why)
