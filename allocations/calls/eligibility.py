"""
Whether an enterprise may apply, rule by rule, each with its reason. Plain Python: facts in, findings out.

A rule whose fact is not known yet answers None: "told once you sign in", never a silent yes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pycountry
from dateutil.relativedelta import relativedelta

from . import document as d


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
    """

    today: date
    country: str
    size: str
    size_reason: str = ""
    registry_checked: bool | None = None
    awards: Sequence[Award] | None = None
    open_applications: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Finding:
    """One rule's answer: True, False, or None when it cannot be told yet; and why, in words."""

    kind: str
    passes: bool | None
    reason: str


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


CHECKS: dict[type, Callable[[Any, Facts, str], Finding]] = {
    d.CountryRule: _country,
    d.SizeRule: _size,
    d.RegistryRule: _registry,
    d.PriorAwardRule: _prior,
    d.AwardsFewerRule: _awards_fewer,
    d.OpenApplicationsRule: _open,
}


def _finding(rule: Any, passes: bool, found: str, wanted: str) -> Finding:
    first = found[:1].upper() + found[1:]
    if passes:
        return Finding(rule.kind, True, f"{first}.")
    return Finding(rule.kind, False, f"{first}; this call is for {wanted}. {rule.why}".rstrip())


def _later(rule: Any, what: str) -> Finding:
    return Finding(rule.kind, None, f"Looked at once you sign in: {what}.")


def country_name(code: str) -> str:
    """A country's name by its two letters."""
    country = pycountry.countries.get(alpha_2=code)
    return getattr(country, "common_name", country.name) if country else code


def words_or(words: Sequence[str]) -> str:
    """ "a", "a or b", "a, b or c"."""
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
