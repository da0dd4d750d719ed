"""
A rule and its explanation never disagree: from the words alone one comes to the same answer as the rule.

Each explanation is read back: the fact and what is wanted stand in it, and a second, independent reading decides.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocations.calls import document as d
from allocations.calls.conditions import activity_finding
from allocations.calls.eligibility import CHECKS, Award, Facts, country_name, eligibility, legal_form_words
from allocations.calls.findings import Finding
from allocations.calls.names import years_words
from allocations.calls.pricing import aid_finding, units_credits, units_words
from portal.core.quantities import MICRO, credits_parse

# Busy machines are slow to draw; that says nothing about the rule.
UNHURRIED = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
SIZES = ["micro", "small", "medium", "large"]
FORMS = ["company", "cooperative", "sole_trader", "charity", "non_profit", "research_organisation", "public_body", "other"]
COUNTRIES = ["KE", "DK", "PT", "BE", "NG", "GB"]
SLUGS = ["starter", "build", "scale"]
KINDS = ["civil_use", "export_control"]
WHY = {"why": st.sampled_from(["Because of the law.", "So that it is fair."])}


def some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


def grown(by_year: list[int]) -> dict[int, int]:
    """What was received over the last year, the last two, and so on."""
    return {years: sum(by_year[:years]) for years in range(1, 11)}


RULES = st.one_of(
    st.builds(d.CountryRule, any_of=some(COUNTRIES), **WHY),
    st.builds(d.SizeRule, any_of=some(SIZES), **WHY),
    st.builds(d.LegalFormRule, any_of=some(FORMS), **WHY),
    st.builds(d.HeadcountRule, fewer_than=st.integers(1, 600), **WHY),
    st.builds(d.AgeRule, years_below=st.integers(1, 40), **WHY),
    st.builds(d.RegistryRule, **WHY),
    st.builds(d.PriorAwardRule, calls=some(SLUGS), wanted=st.booleans(), **WHY),
    st.builds(d.ExclusionRule, calls=some(SLUGS), **WHY),
    st.builds(d.AwardsFewerRule, calls=some(SLUGS), fewer_than=st.integers(1, 5), months=st.integers(1, 40), **WHY),
    st.builds(d.OpenApplicationsRule, fewer_than=st.integers(1, 5), **WHY),
    st.builds(d.DeclarationsRule, all_of=some(KINDS), **WHY),
    st.builds(d.AidRoomRule, below_eur=st.integers(1, 400_000), years=st.none() | st.integers(1, 10), **WHY),
    st.builds(d.ReportsRule, **WHY),
)
DAYS = st.dates(date(2020, 1, 1), date(2026, 3, 2))
AWARDS = st.lists(st.builds(Award, call=st.sampled_from(SLUGS), on=DAYS), max_size=6)
FACTS = st.builds(
    Facts,
    today=st.just(date(2026, 3, 2)),
    country=st.sampled_from(COUNTRIES),
    size=st.sampled_from(SIZES),
    legal_form=st.none() | st.sampled_from(FORMS),
    headcount=st.none() | st.integers(0, 700),
    founded_on=st.none() | st.dates(date(1980, 1, 1), date(2026, 3, 1)),
    registry_checked=st.none() | st.booleans(),
    declarations=st.none() | st.frozensets(st.sampled_from(KINDS)),
    subsidies_eur=st.none() | st.integers(0, 500_000),
    subsidies=st.none() | st.lists(st.integers(0, 50_000), min_size=10, max_size=10).map(grown),
    reports_overdue=st.none() | st.lists(st.sampled_from(["A-2001", "A-2002"]), unique=True),
    awards=st.none() | AWARDS,
    open_applications=st.none() | st.dictionaries(st.sampled_from(SLUGS), st.integers(0, 6)),
)


def numbers(words: str) -> list[int]:
    return [int(found.replace(",", "")) for found in re.findall(r"\d[\d,]*", words)]


def smaller(finding: Finding) -> bool:
    """The first number of the fact against the last of the wish."""
    found = 0 if finding.found.startswith("no ") else numbers(finding.found)[0]
    return found < numbers(finding.wanted)[-1]


def one_of(names: list[str], finding: Finding) -> bool:
    """The one name in the fact is among those in the wish; longer names first, so that none hides in another."""

    def named(words: str) -> set[str]:
        hits = set()
        for name in sorted(names, key=len, reverse=True):
            if re.search(rf"(?<![a-z]){re.escape(name)}(?![a-z])", words):
                hits.add(name)
                words = words.replace(name, "")
        return hits

    return named(finding.found) <= named(finding.wanted)


READ = {
    "country": lambda f: one_of([country_name(code) for code in COUNTRIES], f),
    "size_class": lambda f: one_of(SIZES, f),
    "legal_form": lambda f: one_of([legal_form_words(form) for form in FORMS], f),
    "headcount": smaller,
    "age": smaller,
    "registry_checked": lambda f: "was checked" in f.found,
    "prior_award": lambda f: ("you had" in f.found) == (" with an award" in f.wanted),
    "exclusion": lambda f: "take no part" in f.found,
    "awards_fewer": smaller,
    "open_applications": smaller,
    "declarations": lambda f: f.found.startswith("signed"),
    "aid_room": smaller,
    "reports": lambda f: f.found == "no report is overdue",
}


@UNHURRIED
@given(rule=RULES, facts=FACTS)
def test_from_the_words_alone_one_comes_to_the_rules_answer(rule: Any, facts: Facts) -> None:
    finding = eligibility(rules=[rule], facts=facts, call="build").findings[0]
    assert finding.kind == rule.kind
    if finding.passes is None:
        assert finding.reason.startswith("Looked at once you sign in")
        return
    assert READ[rule.kind](finding) is finding.passes
    assert finding.found.casefold() in finding.reason.casefold()
    # Only a refusal says for whom the call is, and it always says why.
    assert ("this call is for" in finding.reason) is not finding.passes
    assert (rule.why in finding.reason) is not finding.passes


@UNHURRIED
@given(rules=st.lists(RULES, max_size=6), facts=FACTS)
def test_the_whole_answer_is_that_of_its_findings(rules: list[Any], facts: Facts) -> None:
    found = eligibility(rules=rules, facts=facts, call="build")
    assert len(found.reasons) == len(rules)
    assert (found.eligible is False) == bool(found.against)
    if found.eligible is True:
        assert all("this call is for" not in reason and "Looked at" not in reason for reason in found.reasons)


@UNHURRIED
@given(rule=st.builds(d.AidRoomRule, below_eur=st.integers(1, 400_000), years=st.integers(1, 10), **WHY), facts=FACTS)
def test_the_years_in_the_words_are_those_that_were_counted(rule: d.AidRoomRule, facts: Facts) -> None:
    finding = eligibility(rules=[rule], facts=facts, call="build").findings[0]
    assert f"over {years_words(rule.years or 0)}" in f"{finding.found} {finding.wanted}"
    assert f"over {years_words(rule.years or 0)}" in rule.words
    if finding.passes is not None:
        assert numbers(finding.found)[0] == (facts.subsidies or {3: facts.subsidies_eur})[rule.years or 0]


ACTIVITIES = st.builds(
    d.Activity,
    key=st.just("test"),
    label=st.just("Testing"),
    legal_forms=st.lists(st.sampled_from(FORMS), unique=True),
    size_classes=st.lists(st.sampled_from(SIZES), unique=True),
    **WHY,
)


@UNHURRIED
@given(activity=ACTIVITIES, size=st.sampled_from(SIZES), form=st.none() | st.sampled_from(FORMS))
def test_who_may_carry_out_an_activity_is_what_the_words_say(activity: d.Activity, size: str, form: str | None) -> None:
    """“by a charity or a company, of class micro or small”: both halves hold, where both are said."""
    finding = activity_finding(activity, size=size, legal_form=form)
    if finding.passes is None:
        assert (form, bool(activity.legal_forms)) == (None, True)
        return
    by, _, of = finding.wanted.partition("of class ")
    fits = {
        "form": " by " not in by or (form is not None and named_in(legal_form_words(form), by)),
        "class": not of or named_in(size, of),
    }
    assert all(fits.values()) is finding.passes, finding
    assert f"of class {size}" in finding.found
    assert ("this call is for" in finding.reason) is not finding.passes
    assert (activity.why in finding.reason) is not finding.passes


def named_in(name: str, words: str) -> bool:
    return re.search(rf"(?:^|by |or |, ){re.escape(name)}(?: or |, |$)", words) is not None


UNITS = st.lists(
    st.builds(
        d.Unit,
        key=st.sampled_from(["gpu_hour", "node_hour", "tb_hour"]),
        words=st.sampled_from(["GPU-hours", "node-hours"]),
        credits_each=st.decimals("0.000001", "5000", places=6),
        most=st.just(10**6),
    ),
    max_size=3,
    unique_by=lambda unit: unit.key,
)
ASKED = st.none() | st.just(0) | st.integers(1, 10**6) | st.decimals("0.001", "1000000", places=3).map(str)


@UNHURRIED
@given(units=UNITS, amounts=st.lists(ASKED, min_size=3, max_size=3))
def test_the_sum_in_the_words_is_what_is_asked_for(units: list[d.Unit], amounts: list[Any]) -> None:
    """Worked out anew from the words alone, to the last millionth, rounded up once."""
    given = {unit.key: amount for unit, amount in zip(units, amounts, strict=False)}
    words, micro = units_words(units, given), units_credits(units, given)
    if words == "—":
        assert micro == 0
        return
    sum_, _, credits = words.removesuffix(" credits").partition(" = ")
    exact = sum(
        Decimal(amount.split(" ")[0].replace(",", "")) * Decimal(each.replace(",", ""))
        for amount, each in (part.split(" × ") for part in sum_.split(" + "))
    )
    assert credits_parse(credits) == micro
    assert 0 <= micro - exact * MICRO < 1


def test_every_rule_there_is_was_read_back() -> None:
    assert {rule.model_fields["kind"].default for rule in CHECKS} == set(READ)  # type: ignore[attr-defined]


@UNHURRIED
@given(received=st.integers(0, 400_000), credits=st.integers(1, 10**12), rate=st.decimals("0.01", "20", places=2))
def test_the_sum_of_aid_in_the_words_is_the_one_that_decided(received: int, credits: int, rate: Any) -> None:
    aid = d.Aid(eur_per_credit=rate)
    finding = aid_finding(aid, received_eur=received, amount=credits)
    first, _, value, total = numbers(finding.found)
    assert (first, value) == (received, total - received)
    assert (total <= aid.ceiling_eur) is finding.passes
