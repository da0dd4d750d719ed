"""
After the award, too, a rule and its explanation never disagree: from the words alone one comes to the rule's answer.

Each sentence is read back by patterns that know nothing of the rule, and what they find decides a second time.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from dateutil.relativedelta import relativedelta
from hypothesis import assume, given
from hypothesis import strategies as st

from allocations.calls import afterwards
from allocations.calls import document as d
from allocations.calls.findings import Finding
from portal.core.quantities import credits_parse

AMOUNT = st.integers(1, 10**12)
CREDITS = st.decimals("0.5", "5000", places=1)
TODAY = date(2026, 3, 2)
DUTIES = st.builds(
    d.Duties,
    supplement_at_percent=st.none() | st.integers(1, 100),
    topup=st.builds(d.TopUp, credits_max=st.none() | CREDITS, times_max=st.integers(1, 5)),
    burst=st.none() | st.builds(d.Burst, credits_max=CREDITS, days=st.integers(1, 60)),
    extension_months_max=st.integers(0, 14),
    extension_times_max=st.none() | st.integers(1, 4),
    extension_asked_days_before=st.none() | st.integers(1, 90),
)


def read(pattern: str, words: str) -> tuple[Decimal, ...]:
    """The numbers a pattern finds in a sentence."""
    found = re.search(pattern, words)
    assert found, f"{pattern!r} is not in {words!r}"
    return tuple(Decimal(group.replace(",", "")) for group in found.groups() if group is not None)


def agree(finding: Finding, answer: bool) -> None:
    """The rule says what its words say, and a refusal names what the call is for."""
    assert finding.passes is answer, finding
    assert finding.found.casefold() in finding.reason.casefold()
    assert ("this call is for" in finding.reason) is not answer
    assert answer or finding.wanted in finding.reason


def refused_for_all(finding: Finding) -> bool:
    """Where a call knows no such rule its words say so, and nobody passes."""
    if "this call gives no" not in finding.found:
        return False
    agree(finding, False)
    return True


@given(duties=DUTIES, granted=st.integers(0, 10**12), share=st.fractions(0, 1), times=st.integers(0, 6))
def test_a_top_up(duties: d.Duties, granted: int, share: Any, times: int) -> None:
    finding = afterwards.topup_finding(duties, granted=granted, used=int(granted * share), times=times)
    if refused_for_all(finding):
        assert duties.supplement_at_percent is None
        return
    percent, had = read(r"^(\d+) % of .* credits are used, (\d+) top-up", finding.found)
    needed, most = read(r"of which (\d+) % are used, at most (\d+) time", finding.wanted)
    agree(finding, percent >= needed and had < most)


@given(duties=DUTIES, amount=AMOUNT, awarded=AMOUNT, times=st.integers(0, 6))
def test_the_limits_of_a_top_up(duties: d.Duties, amount: int, awarded: int, times: int) -> None:
    finding = afterwards.topup_limit_finding(duties, amount=amount, awarded=awarded, times=times)
    if refused_for_all(finding):
        return
    asked, had = read(r"^([\d.]+) credits, (\d+) top-up", finding.found)
    most, often = read(r"at most ([\d.]+) credits, at most (\d+) time", finding.wanted)
    agree(finding, asked <= most and had < often)


@given(duties=DUTIES, amount=AMOUNT, awarded=AMOUNT, had=st.integers(0, 10**12))
def test_what_officers_give_of_their_own_accord(duties: d.Duties, amount: int, awarded: int, had: int) -> None:
    finding = afterwards.supplement_finding(duties, amount=amount, awarded=awarded, had=had)
    if refused_for_all(finding):
        return
    (together,) = read(r"^([\d.]+) credits of officers' own", finding.found)
    times, each, most = read(r"at most (\d+) × ([\d.]+) = ([\d.]+) credits", finding.wanted)
    assert times * each == most
    agree(finding, together <= most)


@given(duties=DUTIES, amount=AMOUNT, had=st.integers(0, 2))
def test_a_burst(duties: d.Duties, amount: int, had: int) -> None:
    finding = afterwards.burst_finding(duties, amount=amount, had=had)
    if refused_for_all(finding):
        assert duties.burst is None
        return
    asked, before = read(r"^([\d.]+) credits asked for, (\d+) burst", finding.found)
    (most,) = read(r"at most ([\d.]+) credits, once", finding.wanted)
    agree(finding, asked <= most and before == 0)


@given(
    duties=DUTIES,
    left=st.integers(-40, 200),
    facts=st.fixed_dictionaries({"had_months": st.integers(0, 12), "months": st.integers(1, 6), "times": st.integers(0, 4)}),
    asked=st.booleans(),
)
def test_more_time(duties: d.Duties, left: int, facts: dict[str, int], asked: bool) -> None:
    known: dict[str, Any] = {"ends_on": TODAY + timedelta(days=left), "today": TODAY, **facts}
    finding = afterwards.extension_finding(duties, **known, asked=asked)
    if refused_for_all(finding):
        assert not duties.extension_months_max
        return
    together, number, days = read(r"^(\d+) months? of .*, extension number (\d+), (-?\d+) days before", finding.found)
    (most,) = read(r"extended by at most (\d+) month", finding.wanted)
    within = together <= most and days >= 0
    if "time" in finding.wanted:
        within = within and number <= read(r", at most (\d+) time", finding.wanted)[0]
    if "asked for in" in finding.wanted:
        within = within and days <= read(r"in the last (\d+) days", finding.wanted)[0]
    agree(finding, within)
    # What binds officers binds teams: who is refused by the limits alone is refused when the team asks.
    if asked and finding.passes:
        assert afterwards.extension_finding(duties, **known, asked=False).passes


@given(
    reclaim=st.builds(
        d.Reclaim, after_days=st.integers(7, 200), used_below_percent=st.integers(1, 100), take_percent=st.integers(1, 100)
    ),
    days=st.integers(0, 300),
    granted=st.integers(0, 10**12),
    shares=st.tuples(st.fractions(0, 1), st.fractions(0, 1)),
)
def test_idle_credits(reclaim: d.Reclaim, days: int, granted: int, shares: Any) -> None:
    used = int(granted * shares[0])
    held = int((granted - used) * shares[1])
    left = granted - used - held
    take, finding = afterwards.reclaim_finding(
        reclaim, starts_on=TODAY - timedelta(days=days), today=TODAY, granted=granted, used=used, held=held, left=left
    )
    percent, passed = read(r"^(\d+) % used after (\d+) days", finding.found)
    below, after = read(r"used below (\d+) % after (\d+) days", finding.wanted)
    agree(finding, passed >= after and percent < below)
    assert take == (left * reclaim.take_percent // 100 if finding.passes else 0)
    assert 0 <= take <= left


@given(percent=st.integers(1, 99), amount=AMOUNT)
def test_the_parts_of_an_award_are_those_in_the_words(percent: int, amount: int) -> None:
    first, rest = afterwards.release_parts(d.Release(at_award_percent=percent), amount)
    if "All of it" in first.reason:
        assert (first.amount, rest.amount, rest.reason) == (amount, 0, "")
        return
    said, whole = read(r"^(\d+) % of ([\d.]+) credits", first.reason)
    (later,) = read(r"other ([\d.]+) credits follow", rest.reason)
    assert first.amount + rest.amount == amount == credits_parse(whole)
    assert (said, credits_parse(later)) == (percent, rest.amount)
    assert 0 <= first.amount * 100 - percent * amount < 100  # rounded up, by less than one of the smallest unit


@given(
    percent=st.integers(1, 100),
    left=AMOUNT,
    idle=st.integers(0, 400),
    notice=st.integers(7, 14),
    start=st.dates(date(2020, 1, 31)),
)
def test_what_lapses_and_when_is_in_the_words(percent: int, left: int, idle: int, notice: int, start: date) -> None:
    assume(start < date(2090, 1, 1))
    today = start + timedelta(days=idle)
    lapse = afterwards.decay_next(
        d.Leftover(decay_percent_a_month=percent), left=left, last_used=start, today=today, notice_days=notice
    )
    assert lapse is not None
    share, credits = read(r"^(\d+) % of the ([\d.]+) credits left", lapse.reason)
    (months,) = read(r"it is (\d+) month", lapse.reason)
    assert (share, credits_parse(credits), lapse.amount) == (percent, left, left * percent // 100)
    assert lapse.on == start + relativedelta(months=int(months))
    assert f"on {lapse.on:%-d %B %Y}" in lapse.reason
    # Notice can be given in time, and no earlier month would have done.
    assert lapse.on >= today + timedelta(days=notice)
    assert months == 1 or start + relativedelta(months=int(months) - 1) < today + timedelta(days=notice)


@given(percent=st.integers(0, 100), left=st.integers(0, 10**12))
def test_what_a_renewal_takes_along_is_in_the_words(percent: int, left: int) -> None:
    part = afterwards.carried(d.Leftover(carry_percent=percent), left)
    share, credits = read(r"^(\d+) % of the ([\d.]+) credits left", part.reason)
    assert part.amount == left * percent // 100
    assert (share, credits) == (percent, Decimal(left) / 10**6)


DOMAINS = ["example.org", "uni.example.org", "firm.example", "org"]


@given(
    allowed=st.lists(st.sampled_from(DOMAINS[:3]), unique=True),
    name=st.sampled_from(["a", "b.c"]),
    host=st.sampled_from(["example.org", "lab.uni.example.org", "notexample.org", "firm.example", "org", "Example.ORG"]),
)
def test_who_may_join(allowed: list[str], name: str, host: str) -> None:
    finding = afterwards.membership_finding(d.Membership(allowed_domains=allowed), email=f"{name}@{host}")
    if not allowed:
        agree(finding, True)
        return
    is_at = finding.found.removeprefix("the address is at ")
    wanted = re.split(r", | or ", finding.wanted.removeprefix("people with an address at "))
    agree(finding, any(("." + is_at).endswith("." + one) for one in wanted))


@given(start=st.dates(date(2020, 1, 1), date(2030, 1, 1)), months=st.integers(1, 24), beyond=st.integers(-40, 400))
def test_months_beyond_are_counted_as_they_are_given(start: date, months: int, beyond: int) -> None:
    ends_on = afterwards.last_day(start, months) + timedelta(days=beyond)
    more = afterwards.extended_months(starts_on=start, months=months, ends_on=ends_on)
    assert afterwards.last_day(start, months + more) >= ends_on
    assert more == 0 or afterwards.last_day(start, months + more - 1) < ends_on
