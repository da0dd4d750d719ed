"""
Before the award: start dates, prices, steps, reviewers, pools, leads, data, thresholds. From the words alone one comes to the
rule's answer.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from dateutil.relativedelta import relativedelta
from hypothesis import assume, given
from hypothesis import strategies as st

from allocations.calls import conditions, deciding, pricing
from allocations.calls import document as d
from allocations.calls.answers import DATA_WORDS
from allocations.calls.findings import Finding
from allocations.reviews.ranking import threshold_findings
from portal.core.quantities import credits_parse
from tests.support.programme import document

DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))
SIZES = ["micro", "small", "medium", "large"]
FORMS = ["company", "charity", "public_body"]
DAY = r"(\d{1,2} [A-Z][a-z]+ \d{4})"


def days(words: str) -> list[date]:
    return [datetime.strptime(found, "%d %B %Y").date() for found in re.findall(DAY, words)]


def agree(finding: Finding, answer: bool) -> None:
    assert finding.passes is answer, finding
    assert finding.found.casefold() in finding.reason.casefold()
    assert ("this call is for" in finding.reason) is not answer


def call(**changes: Any) -> d.CallDocument:
    return d.CallDocument.model_validate(document("build", **changes))


@given(approve=st.none() | DAYS, window=st.lists(DAYS, min_size=2, max_size=2), which=st.integers(0, 3), today=DAYS)
def test_the_first_day(approve: date | None, window: list[date], which: int, today: date) -> None:
    earliest, latest = sorted(window)
    start = d.Start(approve_from=approve, earliest=earliest if which & 1 else None, latest=latest if which & 2 else None)
    first, finding = deciding.start_finding(start, today=today)
    (found,) = days(finding.found)
    if first is not None:
        agree(finding, True)
        assert found == first >= today
        assert start.earliest is None or first in (today, start.earliest)
        return
    (limit,) = days(finding.wanted)
    too_early = "awards made from" in finding.wanted
    agree(finding, found >= limit if too_early else found <= limit)
    assert limit == (approve if too_early else start.latest)


PRICES = st.lists(
    st.builds(
        lambda kind, percent, sizes, forms: d.Price(
            kind=kind,
            percent_paid={"free": 0, "pay_per_use": 100}.get(kind, percent),
            size_classes=sizes,
            legal_forms=forms,
        ),
        st.sampled_from(["free", "co_funded", "pay_per_use"]),
        st.integers(1, 99),
        st.lists(st.sampled_from(SIZES), unique=True, max_size=2),
        st.lists(st.sampled_from(FORMS), unique=True, max_size=2),
    ),
    max_size=4,
)


@given(prices=PRICES, size=st.sampled_from(SIZES), form=st.sampled_from(FORMS))
def test_the_price(prices: list[d.Price], size: str, form: str) -> None:
    found = pricing.price_of(prices, size=size, legal_form=form)
    words = found.reason
    paid = 0 if words.startswith("Free of charge") else 100 if words.startswith("Paid in full") else int(words.split(" %")[0])
    assert paid == found.percent_paid
    named = re.search(r"for (.*) enterprises\.", words)
    if named:
        whom = set(re.split(r", | or ", named.group(1)))
        # Of the sizes and of the forms that are named, one of each is the enterprise's own.
        assert not whom & set(SIZES) or size in whom
        forms = {one.replace("_", " ") for one in FORMS}
        assert not whom & forms or form.replace("_", " ") in whom
    fits = [
        price
        for price in prices
        if (not price.size_classes or size in price.size_classes) and (not price.legal_forms or form in price.legal_forms)
    ]
    assert found.percent_paid == (fits[0].percent_paid if fits else 0)


@given(amount=st.integers(1, 10**10), limits=st.lists(st.decimals("0", "2000", places=1), min_size=1, max_size=4))
def test_the_steps(amount: int, limits: list[Decimal]) -> None:
    steps = [
        {"key": f"s{n}", "title": f"Step {n}", "kind": "check", "credits_from": str(limit)} for n, limit in enumerate(limits)
    ]
    for plan in deciding.steps_of(call(steps=steps), amount):
        if "for every application" in plan.reason:
            answer = True
        else:
            found = re.search(r", ([\d.]+) credits are (at least|fewer than) the ([\d.]+) it begins at", plan.reason)
            assert found
            answer = credits_parse(found.group(1)) >= credits_parse(found.group(3))
            assert answer is (found.group(2) == "at least")
        assert plan.applies is answer
        assert (": taken," in plan.reason) is answer


@given(
    amount=st.integers(0, 10**10),
    base=st.integers(1, 5),
    rows=st.lists(st.tuples(st.integers(1, 9000), st.integers(0, 9)), max_size=4, unique_by=lambda row: row[0]),
)
def test_the_number_of_reviewers(amount: int, base: int, rows: list[tuple[int, int]]) -> None:
    by_amount = [{"credits_from": limit, "reviewers": number} for limit, number in rows]
    review = call(review={**document("build")["review"], "reviewers": base, "by_amount": by_amount}).review
    assert review is not None
    chosen = deciding.reviewers_wanted(review, amount)
    assert int(chosen.reason.split(" ")[0]) == chosen.value
    asked = Decimal(re.search(r"; ([\d.]+) were asked for", chosen.reason).group(1))  # type: ignore[union-attr]
    reached = [limit for limit, _ in rows if asked >= limit]
    if "from" in chosen.reason:
        assert re.search(r"from ([\d.]+) credits on", chosen.reason).group(1) == str(max(reached))  # type: ignore[union-attr]
    else:
        assert not reached


@given(
    budgets=st.lists(st.tuples(st.sampled_from(["idea", "prototype", "product"]), st.sampled_from("abc")), max_size=3),
    stage=st.sampled_from(["idea", "prototype", "product", None]),
)
def test_the_pool(budgets: list[tuple[str, str]], stage: str | None) -> None:
    pools = [{"pool": f"pool:{name}", "when": {"key": "stage", "any_of": [answer]}} for answer, name in budgets]
    chosen = deciding.pool_of(call(pools=pools), {"stage": stage} if stage else {})
    assert chosen.reason.split(",")[0] == chosen.value
    because = re.search(r"because stage is (\w+)", chosen.reason)
    if because:
        assert because.group(1) == stage
        assert chosen.value == next(f"pool:{name}" for answer, name in budgets if answer == stage)
    else:
        assert chosen.value == "pool:build"
        assert all(answer != stage for answer, _ in budgets)


@given(ends=DAYS, today=DAYS, months=st.integers(1, 12), margin=st.integers(0, 12))
def test_the_leads_contract(ends: date, today: date, months: int, margin: int) -> None:
    lead = {"positions": [["founder", "Founder"]], "contract_months_after": margin, "why": "They must finish."}
    finding = conditions.lead_finding(call(lead=lead), contract_ends=ends, months=months, today=today)
    (found,), (needed,) = days(finding.found), days(finding.wanted)
    agree(finding, found >= needed)
    assert found == ends
    assert needed >= today + relativedelta(months=months) - relativedelta(days=1)


def _names(wanted: str, words: str) -> bool:
    """Whether a list of words ("a, b or c") names these."""
    return re.search(rf"(^|, | or ){re.escape(words)}($|, | or )", wanted) is not None


@given(allowed=st.lists(st.sampled_from(sorted(DATA_WORDS)), min_size=1, unique=True), used=st.sampled_from(sorted(DATA_WORDS)))
def test_the_class_of_data(allowed: list[Any], used: str) -> None:
    finding = conditions.data_finding(d.DataRule(allowed=allowed, why="The law."), used)
    given_words = finding.found.removeprefix("the data is ")
    wanted = finding.wanted.removeprefix("work on data that is ")
    agree(
        finding,
        given_words in {DATA_WORDS[one].lower() for one in sorted(DATA_WORDS) if _names(wanted, DATA_WORDS[one].lower())},
    )


@given(
    scores=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3)), min_size=1, max_size=6),
    threshold=st.decimals("0.01", "7", places=2),
    weights=st.tuples(st.integers(1, 100), st.integers(1, 100)),
    percent=st.integers(1, 100),
)
def test_thresholds(scores: list[tuple[int, int]], threshold: Decimal, weights: tuple[int, int], percent: int) -> None:
    assume(threshold > 0)
    anchors = {"0": "no", "3": "yes"}
    criteria = [
        {"key": "plan", "title": "Plan", "weight": weights[0], "score_max": 7, "threshold": str(threshold), "anchors": anchors},
        {"key": "team", "title": "Team", "weight": weights[1], "score_max": 3, "anchors": anchors},
    ]
    rules = d.Review.model_validate({"reviewers": 1, "criteria": criteria, "percent_min": percent})
    handed = [{"plan": {"score": plan}, "team": {"score": team}} for plan, team in scores]
    of_plan, of_all = threshold_findings(rules, handed)
    mean = Decimal(re.search(r"scored ([\d.]+) on average", of_plan.found).group(1))  # type: ignore[union-attr]
    least = Decimal(re.search(r"at least ([\d.]+) in Plan", of_plan.wanted).group(1))  # type: ignore[union-attr]
    agree(of_plan, mean >= least)
    assert abs(mean - Decimal(sum(plan for plan, _ in scores)) / len(scores)) < Decimal("0.1")
    whole = Decimal(re.search(r"come to ([\d.]+) of 100", of_all.found).group(1))  # type: ignore[union-attr]
    agree(of_all, whole >= Decimal(re.search(r"at least (\d+) of 100", of_all.wanted).group(1)))  # type: ignore[union-attr]
