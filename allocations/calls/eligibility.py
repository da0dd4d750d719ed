"""
Whether an enterprise may apply, rule by rule, each with its reason. Plain Python: facts in, findings out.

A rule whose fact is not known yet answers None: "told once you sign in", never a silent yes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dateutil.relativedelta import relativedelta

from . import document as d
from .findings import Finding, later, words_or
from .findings import finding as _answer
from .names import country_name, legal_form_words, years_words

AID_YEARS = 3  # where a call does not say over how many years it counts subsidies


@dataclass(frozen=True)
class Award:
    """An award an enterprise had: under which call, decided on which day."""

    call: str
    on: date


@dataclass(frozen=True)
class Facts:
    """
    What is known about an enterprise. None means not known yet.

    :param open_applications: call slug → how many are open
    :param declarations: kinds of declarations signed and in force
    :param subsidies_eur: received over the last three years, where that is all that is known
    :param subsidies: received over so many years, in euro, for one to ten years
    :param reports_overdue: codes of allocations whose report is overdue
    """

    today: date
    country: str
    size: str
    size_reason: str = ""
    legal_form: str | None = None
    headcount: int | None = None
    founded_on: date | None = None
    registry_checked: bool | None = None
    declarations: frozenset[str] | None = None
    subsidies_eur: int | None = None
    subsidies: Mapping[int, int] | None = None
    reports_overdue: Sequence[str] | None = None
    awards: Sequence[Award] | None = None
    open_applications: Mapping[str, int] | None = None

    def received_eur(self, years: int) -> int | None:
        """Subsidies received over so many years."""
        if self.subsidies is not None:
            return self.subsidies[years]
        return self.subsidies_eur if years == AID_YEARS else None


@dataclass(frozen=True)
class Eligibility:
    """All findings of a call for one enterprise."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def eligible(self) -> bool | None:
        """False when any rule fails, None when none fails but some cannot be told, else True."""
        answers = [finding.passes for finding in self.findings]
        if False in answers:
            return False
        return None if None in answers else True

    @property
    def reasons(self) -> list[str]:
        """Every reason, those against first."""
        order = {False: 0, None: 1, True: 2}
        return [finding.reason for finding in sorted(self.findings, key=lambda finding: order[finding.passes])]

    @property
    def against(self) -> list[str]:
        """The reasons against."""
        return [finding.reason for finding in self.findings if finding.passes is False]


def eligibility(*, rules: Sequence[d.Part], facts: Facts, call: str) -> Eligibility:
    """
    Hold an enterprise's facts against a call's rules.

    :param call: the call's slug, for rules that count this call's own applications
    """
    return Eligibility([CHECKS[type(rule)](rule, facts, call) for rule in rules])


def _country(rule: d.CountryRule, facts: Facts, _: str) -> Finding:
    found = f"registered in {country_name(facts.country)}"
    wanted = words_or([country_name(code) for code in rule.any_of])
    return _finding(rule, facts.country in rule.any_of, found, f"enterprises registered in {wanted}")


def _size(rule: d.SizeRule, facts: Facts, _: str) -> Finding:
    found = f"{facts.size} enterprise" + (f": {facts.size_reason}" if facts.size_reason else "")
    return _finding(rule, facts.size in rule.any_of, found, f"{words_or(rule.any_of)} enterprises")


def _registry(rule: d.RegistryRule, facts: Facts, _: str) -> Finding:
    if facts.registry_checked is None:
        return _later(rule, "whether your registry number is valid")
    found = "the registry number was checked" if facts.registry_checked else "a person has yet to check the registry number"
    return _finding(rule, facts.registry_checked, found, "enterprises whose registry number was checked")


def _prior(rule: d.PriorAwardRule, facts: Facts, _: str) -> Finding:
    if facts.awards is None:
        return _later(rule, f"earlier awards under {words_or(rule.calls)}")
    had = sorted({award.call for award in facts.awards if award.call in rule.calls})
    found = f"you had an award under {' and '.join(had)}" if had else f"no award yet under {words_or(rule.calls)}"
    wanted = f"enterprises {'with' if rule.wanted else 'without'} an award under {words_or(rule.calls)}"
    return _finding(rule, bool(had) == rule.wanted, found, wanted)


def _awards_fewer(rule: d.AwardsFewerRule, facts: Facts, call: str) -> Finding:
    if facts.awards is None:
        return _later(rule, "how many awards you had")
    calls, since = rule.calls or [call], facts.today - relativedelta(months=rule.months)
    had = sum(1 for award in facts.awards if award.call in calls and award.on > since)
    found = f"{had} award{'s' * (had != 1)} in {rule.months} months under {words_or(calls)}"
    return _finding(rule, had < rule.fewer_than, found, f"enterprises with fewer than {rule.fewer_than}")


def _open(rule: d.OpenApplicationsRule, facts: Facts, call: str) -> Finding:
    if facts.open_applications is None:
        return _later(rule, "your applications under this call")
    count = facts.open_applications.get(call, 0)
    found = f"{count or 'no'} application{'s' * (count != 1)} open under this call"
    return _finding(rule, count < rule.fewer_than, found, f"enterprises with fewer than {rule.fewer_than} open")


def _legal_form(rule: d.LegalFormRule, facts: Facts, _: str) -> Finding:
    wanted = words_or([legal_form_words(form) for form in rule.any_of])
    if not facts.legal_form:
        return _later(rule, f"whether you are {wanted}")
    return _finding(rule, facts.legal_form in rule.any_of, f"you are {legal_form_words(facts.legal_form)}", wanted)


def _headcount(rule: d.HeadcountRule, facts: Facts, _: str) -> Finding:
    if facts.headcount is None:
        return _later(rule, "how many people you employ")
    found = f"{facts.headcount} people employed"
    return _finding(rule, facts.headcount < rule.fewer_than, found, f"enterprises with fewer than {rule.fewer_than} people")


def _age(rule: d.AgeRule, facts: Facts, _: str) -> Finding:
    if facts.founded_on is None:
        return _later(rule, "when your enterprise was founded")
    years = relativedelta(facts.today, facts.founded_on).years
    found = f"founded {years} full year{'s' * (years != 1)} ago"
    return _finding(rule, years < rule.years_below, found, f"enterprises founded less than {rule.years_below} years ago")


def _exclusion(rule: d.ExclusionRule, facts: Facts, _: str) -> Finding:
    if facts.awards is None or facts.open_applications is None:
        return _later(rule, f"whether you take part in {words_or(rule.calls)}")
    awarded = {award.call for award in facts.awards}
    parts = sorted(slug for slug in set(rule.calls) if slug in awarded or facts.open_applications.get(slug, 0))
    found = f"you take part in {' and '.join(parts)}" if parts else f"you take no part in {words_or(rule.calls)}"
    return _finding(rule, not parts, found, f"enterprises that take no part in {words_or(rule.calls)}")


def _declarations(rule: d.DeclarationsRule, facts: Facts, _: str) -> Finding:
    names = [key.replace("_", " ") for key in rule.all_of]
    if facts.declarations is None:
        return _later(rule, f"the declarations {', '.join(names)}")
    missing = [key.replace("_", " ") for key in rule.all_of if key not in facts.declarations]
    found = f"not signed yet: {', '.join(missing)}" if missing else f"signed: {', '.join(names)}"
    return _finding(rule, not missing, found, f"enterprises that signed {', '.join(names)}")


def _aid_room(rule: d.AidRoomRule, facts: Facts, _: str) -> Finding:
    over = f"over {years_words(rule.years or AID_YEARS)}"
    received = facts.received_eur(rule.years or AID_YEARS)
    if received is None:
        return _later(rule, f"subsidies received {over}")
    found = f"subsidies of € {received:,} {over}"
    return _finding(rule, received < rule.below_eur, found, f"enterprises with less than € {rule.below_eur:,}")


def _reports(rule: d.ReportsRule, facts: Facts, _: str) -> Finding:
    if facts.reports_overdue is None:
        return _later(rule, "whether a report of yours is overdue")
    overdue = list(facts.reports_overdue)
    found = f"report overdue on {' and '.join(overdue)}" if overdue else "no report is overdue"
    return _finding(rule, not overdue, found, "enterprises whose reports are in")


CHECKS: dict[type, Callable[[Any, Facts, str], Finding]] = {
    d.CountryRule: _country,
    d.SizeRule: _size,
    d.LegalFormRule: _legal_form,
    d.HeadcountRule: _headcount,
    d.AgeRule: _age,
    d.RegistryRule: _registry,
    d.PriorAwardRule: _prior,
    d.ExclusionRule: _exclusion,
    d.AwardsFewerRule: _awards_fewer,
    d.OpenApplicationsRule: _open,
    d.DeclarationsRule: _declarations,
    d.AidRoomRule: _aid_room,
    d.ReportsRule: _reports,
}


def _finding(rule: Any, passes: bool, found: str, wanted: str) -> Finding:
    return _answer(rule.kind, passes, found, wanted, rule.why)


def _later(rule: Any, what: str) -> Finding:
    return later(rule.kind, what)
