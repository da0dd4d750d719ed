"""Every rule a call must be able to express, numbered as in the list of primitives; refusals stand beside what passes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from allocations.calls import afterwards, conditions, deciding, intake, pricing
from allocations.calls import document as d
from allocations.calls.answers import WrongAnswer, answers_check, questions
from allocations.calls.eligibility import Award, Facts, eligibility
from allocations.catalogue.rates import Rate, Size, formula, rate_per_hour
from portal.core.quantities import MICRO
from portal.organisations.size_class import Related, size_class
from tests.support.programme import document

TODAY = date(2026, 3, 2)


def call(**changes: Any) -> d.CallDocument:
    """The demo's reviewed call with other parts where wanted."""
    return d.CallDocument.model_validate(document("build", **changes))


def facts(**changes: Any) -> Facts:
    """A small Kenyan company."""
    known: dict[str, Any] = {"today": TODAY, "country": "KE", "size": "small", "legal_form": "company", "headcount": 12}
    return Facts(**{**known, **changes})


def passes(rule: dict[str, Any], **known: Any) -> bool | None:
    """What one rule answers."""
    rules = call(eligibility=[{"why": "Because.", **rule}]).eligibility
    return eligibility(rules=rules, facts=facts(**known), call="build").findings[0].passes


# --- 1 the organisation -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        ({"kind": "country", "any_of": ["KE", "UG"]}, {"country": "UG"}, {"country": "DK"}),
        ({"kind": "size_class", "any_of": ["micro", "small"]}, {"size": "micro"}, {"size": "medium"}),
        ({"kind": "legal_form", "any_of": ["company", "charity"]}, {"legal_form": "charity"}, {"legal_form": "public_body"}),
        ({"kind": "headcount", "fewer_than": 500}, {"headcount": 499}, {"headcount": 500}),
        (
            {"kind": "age", "years_below": 7},
            {"founded_on": date(2019, 3, 3)},
            {"founded_on": date(2019, 3, 2)},
        ),
        ({"kind": "registry_checked"}, {"registry_checked": True}, {"registry_checked": False}),
        (
            {"kind": "declarations", "all_of": ["civil_use"]},
            {"declarations": frozenset({"civil_use"})},
            {"declarations": frozenset({"export_control"})},
        ),
        ({"kind": "reports"}, {"reports_overdue": []}, {"reports_overdue": ["A-2001"]}),
        ({"kind": "aid_room", "below_eur": 300_000}, {"subsidies_eur": 299_999}, {"subsidies_eur": 300_000}),
    ],
)
def test_1_the_organisation(rule: dict[str, Any], yes: dict[str, Any], no: dict[str, Any]) -> None:
    assert (passes(rule, **yes), passes(rule, **no)) == (True, False)


def test_1_a_fact_that_is_not_known_is_never_a_silent_yes() -> None:
    for rule in ({"kind": "legal_form", "any_of": ["company"]}, {"kind": "age", "years_below": 7}, {"kind": "reports"}):
        assert passes(rule, legal_form=None) is None


def test_1_linked_firms_count_whole_and_partners_by_their_share() -> None:
    own: dict[str, Any] = {"headcount": 30, "turnover_eur": 4_000_000, "balance_sheet_eur": None}
    assert size_class(**own).size == "small"
    partner = Related("Partner", Decimal("33.33"), headcount=120, turnover_eur=9_000_000)
    found = size_class(**own, related=[partner])
    assert found.size == "medium"  # 30 + 39.996 people, rounded up to 70
    assert "Together: 70 people, turnover € 6,999,700" in found.working
    linked = Related("Mother", Decimal("50.01"), headcount=230, turnover_eur=1)
    assert size_class(**own, related=[linked]).size == "large"
    assert (
        size_class(**own, related=[Related("Small holder", Decimal("24.99"), headcount=9_000, turnover_eur=1)]).size == "small"
    )
    town = Related("A town", Decimal(25), headcount=0, turnover_eur=0, public_body=True)
    assert size_class(**own, related=[town]).size == "large"


# --- 2 the lead ---------------------------------------------------------------------------------------------------------
LEAD = {"positions": [["lecturer", "Lecturer"], ["founder", "Founder"]], "contract_months_after": 3, "why": "They must finish."}


def test_2_the_leads_contract_outlasts_the_project() -> None:
    rules = call(lead=LEAD)
    asked = {"ask-months": 6, "ask-credits": MICRO}
    assert {"lead_name", "lead_position", "lead_contract_ends"} <= {q.key for q in questions(rules)}
    # Six months from 2 March end on 1 September; three more end on 1 December.
    for ends, against in (("2026-12-01", False), ("2026-11-30", True)):
        found = conditions.conditions_against(rules, facts=facts(), answers={"lead_contract_ends": ends}, asked=asked)
        assert bool(found) is against
    assert "lead_position" in answers_check(rules, {"lead_position": "student"})


# --- 3 activities by class of organisation ------------------------------------------------------------------------------
ACTIVITIES = [
    {"key": "fundamental", "label": "Fundamental research", "legal_forms": ["research_organisation"], "why": "Subsidy law."},
    {"key": "industrial", "label": "Industrial research"},
    {"key": "experimental", "label": "Experimental development", "size_classes": ["micro", "small"]},
]


@pytest.mark.parametrize(
    ("activity", "known", "fits"),
    [
        ("fundamental", {"legal_form": "research_organisation"}, True),
        ("fundamental", {"legal_form": "company"}, False),
        ("industrial", {"legal_form": "company"}, True),
        ("experimental", {"size": "micro"}, True),
        ("experimental", {"size": "medium"}, False),
    ],
)
def test_3_an_activity_is_for_certain_organisations(activity: str, known: dict[str, Any], fits: bool) -> None:
    rules = call(activities=ACTIVITIES)
    found = conditions.conditions(rules, facts=facts(**known), answers={"activity_class": activity}, asked={})
    assert found["activity_class"].passes is fits


# --- 4 earlier awards, other schemes ------------------------------------------------------------------------------------
def test_4_an_earlier_award_is_wanted_or_a_scheme_excludes_another() -> None:
    had = [Award("build", date(2025, 1, 1))]
    assert passes({"kind": "prior_award", "calls": ["build"]}, awards=had) is True
    assert passes({"kind": "prior_award", "calls": ["build"]}, awards=[]) is False
    exclusion = {"kind": "exclusion", "calls": ["build"]}
    assert passes(exclusion, awards=[], open_applications={}) is True
    assert passes(exclusion, awards=had, open_applications={}) is False
    assert passes(exclusion, awards=[], open_applications={"build": 1}) is False


# --- 5 amounts by unit, fixed, in tiers ---------------------------------------------------------------------------------
def unit(**changes: Any) -> d.Unit:
    return d.Unit.model_validate({"key": "gpu_hour", "words": "GPU-hours", "credits_each": "2.5", "most": 10_000, **changes})


def test_5_amounts_by_unit_come_to_credits() -> None:
    units = [unit(), unit(key="tb_hour", words="TB-hours", credits_each="0.0000001")]
    assert pricing.units_credits(units, {"gpu_hour": "4000"}) == 10_000 * MICRO
    assert pricing.units_credits(units, {"gpu_hour": "0.001", "tb_hour": "1"}) == 2501  # rounded up, once
    assert pricing.units_words(units[:1], {"gpu_hour": "4000"}) == "4,000 GPU-hours × 2.5 = 10000 credits"


@pytest.mark.parametrize(
    ("limits", "right", "wrong"),
    [
        ({}, ["1", "10000", "0.5"], ["10001", "-1", "NaN", "many", "1e999", True, "0.0001"]),
        ({"least": 5000, "most": 5000}, ["5000"], ["4999", "5001"]),  # a fixed amount
        ({"tiers": [2000, 5000]}, ["2000", "5000"], ["3000"]),
    ],
)
def test_5_amounts_outside_of_the_limits_are_refused(limits: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    for given in right:
        assert pricing.unit_read(unit(**limits), given) == Decimal(given)
    for given in wrong:
        with pytest.raises(WrongAnswer):
            pricing.unit_read(unit(**limits), given)


# --- 6 how use is charged -----------------------------------------------------------------------------------------------
def test_6_the_formula_is_the_machines_or_the_calls() -> None:
    node = Size(cores=128, memory_gib=512, gpus=8)
    rate = Rate(core_hour=MICRO, gib_hour=MICRO, gpu_hour=10 * MICRO, node_hour=800 * MICRO, node=node)
    size = Size(cores=8, memory_gib=64, gpus=2)
    prices = {
        "provider": 92,  # 8 + 64 + 2 × 10
        "sum": 92,
        "max_share": 200,  # two of eight GPUs
        "whole_node": 800,
    }
    for name, credits in prices.items():
        charged, why = pricing.charged_rate(d.Charging(formula=name), rate)  # type: ignore[arg-type]
        assert rate_per_hour(charged, size) == credits * MICRO, name
        assert str(credits) in formula(charged, size)
        assert why
    two = pricing.charged_rate(d.Charging(formula="whole_node"), rate)[0]
    assert rate_per_hour(two, Size(129, 1)) == 1600 * MICRO
    bare = Rate(core_hour=MICRO, gib_hour=0)
    assert pricing.charged_rate(d.Charging(formula="whole_node"), bare) == (
        bare,
        "charged by the machine's own formula: its node is not described",
    )


# --- 7 durations (see test_life), 8 the start window --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("today", "first"),
    [
        (date(2026, 1, 31), None),  # not approved before
        (date(2026, 2, 1), date(2026, 2, 16)),
        (date(2026, 3, 1), date(2026, 3, 1)),
        (date(2026, 3, 14), None),
    ],
)
def test_8_awards_begin_in_their_window(today: date, first: date | None) -> None:
    start = d.Start(approve_from=date(2026, 2, 1), earliest=date(2026, 2, 16), latest=date(2026, 3, 13))
    day, finding = deciding.start_finding(start, today=today)
    assert day == first
    assert finding.passes is (first is not None)


# --- 9 intake -----------------------------------------------------------------------------------------------------------
def test_9_cutoffs_come_on_named_days_or_every_month() -> None:
    monthly = d.Intake(kind="cutoffs", cutoff_days=[1, 15], clock_from="cutoff")
    assert intake.cutoff_next(monthly, date(2026, 1, 16)) == date(2026, 2, 1)
    assert intake.cutoff_next(monthly, date(2026, 12, 20)) == date(2027, 1, 1)
    assert intake.clock_starts_on(monthly, date(2026, 1, 10)) == date(2026, 1, 15)
    named = d.Intake(kind="cutoffs", cutoffs=[date(2026, 5, 1)])
    assert intake.clock_starts_on(named, date(2026, 4, 1)) == date(2026, 4, 1)
    at = datetime(2026, 5, 2, tzinfo=UTC)
    assert intake.intake_state(intake=named, at=at, submitted=0).open is False
    assert intake.intake_state(intake=monthly, at=at, submitted=0).words == "Open; next cut-off 15 May 2026"
    capped = d.Intake(applications_max=250)
    assert intake.intake_state(intake=capped, at=at, submitted=249).open is True
    assert intake.intake_state(intake=capped, at=at, submitted=250).open is False


# --- 11 steps -----------------------------------------------------------------------------------------------------------
STEPS = [
    {"key": "admin", "title": "Administrative check", "kind": "check"},
    {"key": "technical", "title": "Technical assessment", "kind": "technical", "credits_from": 500},
]


def test_11_steps_and_reviewers_depend_on_the_amount() -> None:
    rules = call(steps=STEPS)
    for credits, taken in ((499, ["admin"]), (500, ["admin", "technical"])):
        plans = deciding.steps_of(rules, credits * MICRO)
        assert [plan.step.key for plan in plans if plan.applies] == taken
        assert all(("taken" in plan.reason) is plan.applies for plan in plans)
    review = call(review={**document("build")["review"], "by_amount": [{"credits_from": 600, "reviewers": 3}]}).review
    assert review is not None
    wanted = [deciding.reviewers_wanted(review, credits * MICRO).value for credits in (599, 600)]
    assert wanted == [2, 3]


# --- 12 pools (criteria, tiers, lottery and duty: tests of reviews) -----------------------------------------------------
def test_12_a_pool_of_its_own_for_those_who_answered_so() -> None:
    budget = {"pool": "pool:health", "when": {"key": "stage", "any_of": ["product"]}}
    rules = call(pools=[budget])
    assert deciding.pool_of(rules, {"stage": "product"}).value == "pool:health"
    assert deciding.pool_of(rules, {"stage": "idea"}).value == "pool:build"
    with pytest.raises(ValidationError, match="which is not asked"):
        call(pools=[{**budget, "when": {"key": "weather", "any_of": ["x"]}}])


# --- 13 prices ----------------------------------------------------------------------------------------------------------
PRICES = [
    {"kind": "free", "size_classes": ["micro", "small"]},
    {"kind": "co_funded", "size_classes": ["medium"], "percent_paid": 50},
    {"kind": "pay_per_use", "percent_paid": 100},
]


def test_13_what_is_paid_depends_on_the_class() -> None:
    prices = call(prices=PRICES).prices
    found = {size: pricing.price_of(prices, size=size, legal_form="company") for size in ("micro", "medium", "large")}
    assert {size: price.percent_paid for size, price in found.items()} == {"micro": 0, "medium": 50, "large": 100}
    assert "50 %" in found["medium"].reason
    with pytest.raises(ValidationError, match="everybody else"):
        call(prices=PRICES[:2])


# --- 14 aid -------------------------------------------------------------------------------------------------------------
def test_14_an_award_stays_below_the_ceiling_of_aid() -> None:
    aid = d.Aid(eur_per_credit=Decimal("1.5"))
    fits = pricing.aid_finding(aid, received_eur=298_500, amount=1000 * MICRO)
    beyond = pricing.aid_finding(aid, received_eur=298_501, amount=1000 * MICRO)
    assert (fits.passes, beyond.passes) == (True, False)
    assert "€ 298,501 received in 3 years + € 1,500 for this award = € 300,001" in beyond.reason
    assert pricing.aid_room_credits(aid, received_eur=298_500) == 1000 * MICRO
    assert pricing.aid_room_credits(aid, received_eur=400_000) == 0


# --- 15 more, once, longer ----------------------------------------------------------------------------------------------
def test_15_top_ups_bursts_and_extensions() -> None:
    duties = d.Duties.model_validate(
        {
            "supplement_at_percent": 80,
            "topup": {"credits_max": 1000, "times_max": 3},
            "burst": {"credits_max": 5000, "days": 30},
            "extension_months_max": 12,
            "extension_asked_days_before": 30,
        }
    )
    grown: dict[str, Any] = {"granted": 1000 * MICRO, "times": 0}
    assert afterwards.topup_finding(duties, used=800 * MICRO, **grown).passes is True
    assert afterwards.topup_finding(duties, used=800 * MICRO - 1, **grown).passes is False
    assert afterwards.topup_finding(duties, granted=1000 * MICRO, used=900 * MICRO, times=3).passes is False
    assert afterwards.topup_most(duties, awarded=MICRO) == 1000 * MICRO
    assert afterwards.burst_finding(duties, amount=5000 * MICRO, had=0).passes is True
    assert afterwards.burst_finding(duties, amount=5001 * MICRO, had=0).passes is False
    assert afterwards.burst_finding(duties, amount=1, had=1).passes is False
    asks: dict[str, Any] = {"today": TODAY, "had_months": 0}
    assert afterwards.extension_finding(duties, ends_on=date(2026, 4, 1), months=12, **asks).passes is True
    assert afterwards.extension_finding(duties, ends_on=date(2026, 4, 2), months=12, **asks).passes is False
    assert afterwards.extension_finding(duties, ends_on=date(2026, 4, 1), months=13, **asks).passes is False


# --- 16 duties ----------------------------------------------------------------------------------------------------------
def test_16_reports_are_owed_on_their_days() -> None:
    duties = d.Duties(midterm_report_days=30, final_report_days=180, acknowledgement="Made with Compute Commons.")
    owed = afterwards.reports_due(duties, starts_on=date(2026, 1, 1), ends_on=date(2026, 6, 30))
    assert [(due.kind, due.on) for due in owed] == [("midterm", date(2026, 1, 31)), ("final", date(2026, 12, 27))]
    short = afterwards.reports_due(duties, starts_on=date(2026, 1, 1), ends_on=date(2026, 1, 20))
    assert [due.kind for due in short] == ["final"]


# --- 17 data ------------------------------------------------------------------------------------------------------------
def test_17_data_of_a_class_that_is_not_allowed_is_refused() -> None:
    rules = call(data={"allowed": ["public", "internal"], "why": "There is no enclave here."})
    for given, fits in (("public", True), ("special", False)):
        found = conditions.conditions(rules, facts=facts(), answers={"data_class": given}, asked={})["data_class"]
        assert found.passes is fits


# --- 18 use it or lose it -----------------------------------------------------------------------------------------------
def test_18_what_lies_idle_returns_and_what_is_left_is_carried_or_lapses() -> None:
    reclaim = d.Reclaim(after_days=60, used_below_percent=20, take_percent=50)
    idle: dict[str, Any] = {"starts_on": date(2026, 1, 1), "granted": 1000, "held": 50}
    take, finding = afterwards.reclaim_finding(reclaim, today=TODAY, used=100, left=850, **idle)
    assert (take, finding.passes) == (425, True)
    assert afterwards.reclaim_finding(reclaim, today=TODAY, used=150, left=800, **idle)[0] == 0  # 20 % used
    assert afterwards.reclaim_finding(reclaim, today=date(2026, 3, 1), used=0, left=950, **idle)[0] == 0  # 59 days
    assert afterwards.carried(d.Leftover(carry_percent=25), 1000).amount == 250
    assert afterwards.decayed(d.Leftover(decay_percent_a_month=10), 1000, months_idle=2).amount == 810
    first, rest = afterwards.release_parts(d.Release(at_award_percent=50), 401)
    assert (first.amount, rest.amount) == (201, 200)


# --- 19 who belongs -----------------------------------------------------------------------------------------------------
def test_19_people_of_certain_addresses_only() -> None:
    rule = d.Membership(control="awarding_body", allowed_domains=["example.org"])
    for email, fits in (("a@example.org", True), ("a@lab.example.org", True), ("a@notexample.org", False)):
        assert afterwards.membership_finding(rule, email=email).passes is fits


# --- the document itself ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eligibility": [{"kind": "moon_phase", "why": ""}]}, "moon_phase"),
        ({"steps": [STEPS[0], STEPS[0]]}, "own key"),
        ({"form": [{"key": "data_class", "label": "x"}]}, "asked by the portal itself"),
        ({"intake": {"kind": "rolling", "clock_from": "cutoff"}}, "only in a call with cut-offs"),
        ({"start": {"earliest": "2026-03-02", "latest": "2026-03-01"}}, "latest is before earliest"),
        ({"prices": [{"kind": "free", "percent_paid": 5}]}, "does not go with"),
        ({"a_word_with_a_typing_errror": 1}, "Extra inputs"),
    ],
)
def test_a_document_that_is_wrong_is_refused_with_the_part_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        call(**changes)


def test_every_part_is_in_the_schema_and_survives_json() -> None:
    rules = call(lead=LEAD, activities=ACTIVITIES, steps=STEPS, prices=PRICES, aid={"eur_per_credit": "0.5"})
    assert d.CallDocument.model_validate(rules.model_dump(mode="json")) == rules
    schema = d.CallDocument.model_json_schema()
    assert {"lead", "activities", "start", "aid", "release", "reclaim", "membership", "charging"} <= set(schema["properties"])
