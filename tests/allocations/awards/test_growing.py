"""More, longer, back: what an award is given or loses after its decision, by the rules of its call."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from allocations.awards import lapsing, rests, wishes
from allocations.awards.growing import award_of
from allocations.awards.models import Grown, Rest
from allocations.calls import services as calls
from allocations.ledger import services as ledger
from allocations.ledger.models import Transfer
from allocations.ledger.selectors import Balance, balance
from allocations.ledger.verify import verify
from allocations.projects import reclaim
from allocations.projects import services as projects
from allocations.projects.giving import Kind
from allocations.projects.models import Allocation, MoreAsked, ReclaimNotice
from portal.accounts.models import User
from portal.api.tokens import token_create
from portal.audit.models import Event, Letter
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.core.quantities import MICRO
from portal.organisations.models import FactChange, Subsidy
from portal.organisations.subsidies import aid_total
from tests.support import portal
from tests.support.programme import Programme, document

pytestmark = pytest.mark.django_db(databases="__all__")
NUMBER = count(1)
AID = {"eur_per_credit": "10", "ceiling_eur": 6000}


def awarded(programme: Programme, *, duties: dict[str, Any] | None = None, **rules: Any) -> Allocation:
    """An award of 300 credits for three months under rules of its own; 700 credits stay in the pool."""
    known = {**document("build")["duties"], **(duties or {})}
    calls.version_add(
        call=programme.build, document=document("build", duties=known, **rules), reason="r", by=None, at=programme.now
    )
    programme.build.refresh_from_db()
    allocation = programme.award(programme.judged()).allocation
    assert allocation is not None
    return allocation


def spend(programme: Programme, allocation: Allocation, credits: float, *, back: float = 0) -> None:
    """Use credits, of which some are refunded."""
    id = f"use-{next(NUMBER)}"
    ledger.hold(
        id=id, allocation=allocation.account, amount=int(credits * MICRO), resource="cpu", subject=f"session:{id}",
        at=programme.now, expires_at=None, explanation={"text": "use"},
    )  # fmt: skip
    ledger.post(id=f"{id}-post", hold=id, amount=int(credits * MICRO), provider="provider:here", at=programme.now)
    if back:
        ledger.adjust(
            id=f"{id}-back",
            corrects=f"{id}-post",
            amount=int(back * MICRO),
            reason="an outage",
            by="person:1",
            at=programme.now,
        )


def money(allocation: Allocation) -> Balance:
    return balance(code=allocation.account)


def says(allocation: Allocation) -> str:
    award = award_of(allocation)
    assert award is not None
    return wishes.topup(award).found


def topup(programme: Programme, allocation: Allocation, credits: float = 100, **changes: Any) -> wishes.Answer:
    asked: dict[str, Any] = {"kind": Kind.TOPUP, "once": "a" * 20, "by": programme.founder, "at": programme.now}
    return wishes.credits_ask(allocation=allocation, amount=int(credits * MICRO), **{**asked, **changes})


def supplement(programme: Programme, allocation: Allocation, credits: float, **changes: Any) -> None:
    asked = {"id": f"{allocation.code.lower()}-s-{next(NUMBER)}", "reason": "Good use.", "by": programme.officer}
    projects.allocation_supplement(allocation=allocation, amount=int(credits * MICRO), at=programme.now, **{**asked, **changes})


BY_RULE = {"topup": {"credits_max": "100", "times_max": 2, "decided_by": "rule"}}


# --- what counts as a top-up ----------------------------------------------------------------------------------------------
def test_rests_and_officers_own_supplements_are_no_top_ups(programme: Programme) -> None:
    allocation = awarded(programme, release={"at_award_percent": 60})
    rests.rest_grant(rest=Rest.objects.get(), reason="Good.", by=programme.officer, at=programme.now)
    supplement(programme, allocation, 50)
    spend(programme, allocation, 280)
    assert says(allocation) == "80 % of 350 credits are used, 0 top-ups so far"
    supplement(programme, allocation, 60, kind=Kind.TOPUP)
    assert says(allocation) == "68 % of 410 credits are used, 1 top-up so far"


def test_refunds_are_not_used_and_what_was_reclaimed_brings_nobody_nearer(programme: Programme) -> None:
    allocation = awarded(programme, duties=BY_RULE)
    spend(programme, allocation, 240, back=40)
    assert says(allocation) == "66 % of 300 credits are used, 0 top-ups so far"
    reclaim.reclaim_announce(allocation=allocation, amount=60 * MICRO, reason="idle", by=programme.officer, at=programme.now)
    reclaim.reclaims_due(at=programme.later(days=15))
    assert money(allocation).returned == 60 * MICRO  # 200 of the 240 that are left to it: 83 %
    assert says(allocation) == "66 % of 300 credits are used, 0 top-ups so far"
    assert topup(programme, allocation).given is False


# --- the team asks --------------------------------------------------------------------------------------------------------
def test_the_rule_gives_a_top_up_at_once_labelled_and_a_double_click_asks_once(programme: Programme) -> None:
    allocation = awarded(programme, duties=BY_RULE)
    spend(programme, allocation, 240)
    for _ in range(2):
        assert topup(programme, allocation).given is True
    assert (money(allocation).available, programme.left()) == (160 * MICRO, 600)
    row = Grown.objects.get()
    assert (row.kind, row.number, row.amount, row.by) == ("topup", 1, 100 * MICRO, None)
    assert row.rule_words == "80 % of 300 credits are used, 0 top-ups so far."
    assert Transfer.objects.get(pk=row.transfer).by == "rule"
    letter = Letter.objects.filter(kind="allocation.supplemented").first()
    assert letter is not None
    assert "decided by a rule of its call, not by a person" in letter.body
    assert Event.objects.get(kind="allocation.rule_asked").actor == programme.founder
    assert not MoreAsked.objects.exists()
    verify(chain=True)


@pytest.mark.parametrize(
    ("duties", "spent", "pool", "said"),
    [
        ({}, 240, None, "80 % of 300 credits are used"),  # the call leaves it to officers
        (BY_RULE, 239, None, "79 % of 300 credits are used"),
        (BY_RULE, 240, 50, "50 are left in pool:build"),
    ],
)
def test_what_the_rule_does_not_give_an_officer_is_asked_with_its_words(
    programme: Programme, duties: dict[str, Any], spent: int, pool: int | None, said: str
) -> None:
    allocation = awarded(programme, duties={"topup": {"credits_max": "100"}, **duties})
    spend(programme, allocation, spent)
    if pool is not None:
        ledger.account_open(code="allocation:other", kind="allocation", pool="pool:build")
        ledger.grant(id="other", allocation="allocation:other", amount=650 * MICRO, reason="x", by="rule", at=programme.now)
    for _ in range(2):
        answer = topup(programme, allocation, message="Two more models.")
        assert (answer.given, said in answer.reason) == (False, True)
    asked = MoreAsked.objects.get()
    assert (asked.wish, asked.amount, "Two more models." in asked.message) == ("topup", 100 * MICRO, True)
    assert said in asked.message
    assert not Grown.objects.exists()
    supplement(programme, allocation, 40, kind=Kind.TOPUP)
    asked.refresh_from_db()
    assert asked.answered_at == programme.now


def test_an_officer_says_no_with_a_reason_and_is_asked_anew_afterwards(programme: Programme) -> None:
    allocation = awarded(programme)
    topup(programme, allocation)
    decline: dict[str, Any] = {"allocation": allocation, "at": programme.now}
    from allocations.projects import asking

    with pytest.raises(NotAllowed):
        asking.more_decline(**decline, reason="No.", by=programme.founder)
    with pytest.raises(Malformed):
        asking.more_decline(**decline, reason=" ", by=programme.officer)
    for _ in range(2):
        asking.more_decline(**decline, reason="The pool is for new teams until June.", by=programme.officer)
    assert "for new teams" in Letter.objects.get(kind="allocation.more_declined").body
    topup(programme, allocation)
    assert MoreAsked.objects.filter(answered_at=None).count() == 1


def test_members_and_outsiders_ask_for_nothing_and_what_ended_gets_nothing(programme: Programme) -> None:
    allocation = awarded(programme, duties=BY_RULE)
    spend(programme, allocation, 250)
    for person in (programme.colleague, programme.rival, programme.officer):
        with pytest.raises(NotAllowed):
            topup(programme, allocation, by=person)
    for credits in (0, 100.000001):
        with pytest.raises(Malformed, match="at most 100 credits"):
            topup(programme, allocation, credits)
    projects.allocation_end(allocation=allocation, reason="Done.", by=programme.founder, at=programme.now)
    with pytest.raises(Refusal, match="has ended"):
        topup(programme, allocation)
    assert not Grown.objects.exists()


def test_more_time_comes_by_the_rule_in_its_days_and_within_its_months(programme: Programme) -> None:
    duties = {"extension_months_max": 2, "extension_asked_days_before": 30, "extension_decided_by": "rule"}
    allocation = awarded(programme, duties=duties)
    assert allocation.ends_on == date(2026, 6, 1)
    asked: dict[str, Any] = {"allocation": allocation, "by": programme.founder}
    early = wishes.time_ask(**asked, months=1, ends_on=None, at=programme.now)
    assert (early.given, "in the last 30 days" in early.reason) == (False, True)
    programme.later(days=80)
    given = wishes.time_ask(**asked, months=1, ends_on=date(2026, 6, 1), at=programme.now)
    assert (given.given, Allocation.objects.get(pk=allocation.pk).ends_on) == (True, date(2026, 7, 1))
    assert not MoreAsked.objects.filter(answered_at=None).exists()  # the extension answers what was asked before
    with pytest.raises(Refusal, match="runs until 1 July 2026 by now"):
        wishes.time_ask(**asked, months=1, ends_on=date(2026, 6, 1), at=programme.now)
    with pytest.raises(Malformed, match="1 to 1 months"):
        wishes.time_ask(**asked, months=2, ends_on=None, at=programme.now)
    assert Grown.objects.get().ends_on == date(2026, 7, 1)


def test_a_burst_is_given_once_is_used_first_and_lapses(programme: Programme) -> None:
    allocation = awarded(programme, duties={"burst": {"credits_max": "200", "days": 30, "decided_by": "rule"}})
    spend(programme, allocation, 30)
    assert topup(programme, allocation, 200, kind=Kind.BURST).given
    with pytest.raises(Refusal, check=lambda refused: refused.code == "burst_limit"):
        topup(programme, allocation, 10, kind=Kind.BURST, once="b" * 20)
    spend(programme, allocation, 80)
    lapsing.bursts_lapse(at=programme.later(days=30))
    assert money(allocation).returned == 0  # its last day
    for _ in range(2):
        lapsing.bursts_lapse(at=programme.later(days=1))
    assert (money(allocation).returned, money(allocation).available) == (120 * MICRO, 270 * MICRO)
    assert Grown.objects.get().returned == 120 * MICRO
    assert "120 of them were not used" in Letter.objects.filter(kind="allocation.burst_lapsed")[0].body
    # What lapsed does not stand in the way of a top-up: 110 of the 380 it really had.
    assert says(allocation) == "28 % of 380 credits are used, 0 top-ups so far"
    verify(chain=True)


# --- limits bind everybody ------------------------------------------------------------------------------------------------
def test_officers_cannot_extend_beyond_months_and_times(programme: Programme) -> None:
    allocation = awarded(programme, duties={"extension_months_max": 2, "extension_times_max": 2})
    extend: dict[str, Any] = {"allocation": allocation, "reason": "Late data.", "by": programme.officer, "at": programme.now}
    with pytest.raises(Refusal) as refused:
        projects.allocation_extend(**extend, ends_on=date(2026, 8, 2))
    assert (refused.value.code, "at most 2 months" in refused.value.message) == ("extension_limit", True)
    projects.allocation_extend(**extend, ends_on=date(2026, 6, 10))
    projects.allocation_extend(**extend, ends_on=date(2026, 7, 20))
    with pytest.raises(Refusal, match="at most 2 times"):
        projects.allocation_extend(**extend, ends_on=date(2026, 8, 1))
    assert Allocation.objects.get(pk=allocation.pk).ends_on == date(2026, 7, 20)
    assert [row.number for row in Grown.objects.filter(kind="extension")] == [1, 2]


def test_a_call_that_gives_none_binds_officers_too(programme: Programme) -> None:
    allocation = awarded(programme, duties={"supplement_at_percent": None, "extension_months_max": 0})
    for kind in (Kind.SUPPLEMENT, Kind.TOPUP):
        with pytest.raises(Refusal, match="gives no top-up"):
            supplement(programme, allocation, 10, kind=kind)
    with pytest.raises(Refusal, match="gives no burst"):
        supplement(programme, allocation, 10, kind=Kind.BURST)
    with pytest.raises(Refusal, match="gives no extension"):
        projects.allocation_extend(
            allocation=allocation, ends_on=date(2026, 7, 1), reason="x", by=programme.officer, at=programme.now
        )
    assert money(allocation).granted == 300 * MICRO


def test_top_ups_by_officers_keep_number_and_size_and_their_own_grants_a_sum(programme: Programme) -> None:
    allocation = awarded(programme, duties=BY_RULE)
    with pytest.raises(Refusal, match="at most 100 credits"):
        supplement(programme, allocation, 101, kind=Kind.TOPUP)
    for _ in range(2):
        supplement(programme, allocation, 100, kind=Kind.TOPUP)
    with pytest.raises(Refusal, match="at most 2 times"):
        supplement(programme, allocation, 1, kind=Kind.TOPUP)
    supplement(programme, allocation, 150)
    with pytest.raises(Refusal, match="2 × 100 = 200 credits"):
        supplement(programme, allocation, 51)
    supplement(programme, allocation, 50)
    assert money(allocation).granted == 700 * MICRO


def test_an_allocation_without_a_call_has_no_such_limits(programme: Programme) -> None:
    allocation = portal.award(programme.firm, at=programme.now)
    projects.allocation_extend(
        allocation=allocation, ends_on=date(2030, 1, 1), reason="x", by=programme.officer, at=programme.now
    )
    assert award_of(allocation) is None
    assert not Grown.objects.exists()


# --- aid ------------------------------------------------------------------------------------------------------------------
def aid(programme: Programme) -> int:
    return aid_total(organisation=programme.firm, today=programme.now.date()).total_eur


def test_what_is_given_later_counts_as_aid_and_stays_below_the_ceiling(programme: Programme) -> None:
    allocation = awarded(programme, aid=AID, duties={"topup": {"credits_max": "300", "decided_by": "rule"}})
    assert aid(programme) == 3000
    supplement(programme, allocation, 200)
    assert aid(programme) == 5000
    with pytest.raises(Refusal) as refused:
        supplement(programme, allocation, 100.1)
    assert refused.value.code in ("aid_ceiling", "supplement_limit")
    spend(programme, allocation, 450)
    answer = topup(programme, allocation, 101)
    assert (answer.given, "ceiling of aid" in answer.reason) == (False, True)
    assert topup(programme, allocation, 100, once="c" * 20).given
    assert (aid(programme), money(allocation).granted) == (6000, 600 * MICRO)


def test_when_the_books_are_closed_aid_is_what_was_used_with_its_history(programme: Programme) -> None:
    allocation = awarded(programme, aid=AID, release={"at_award_percent": 60})
    supplement(programme, allocation, 100)
    spend(programme, allocation, 200, back=50)
    assert aid(programme) == 4000
    projects.allocation_end(allocation=allocation, reason="The product is out.", by=programme.founder, at=programme.now)
    assert aid(programme) == 4000  # until its books are closed
    for _ in range(2):
        projects.allocations_by_date(at=programme.now)
    assert aid(programme) == 1500
    kept, gone = Subsidy.objects.order_by("pk")
    assert (kept.amount_eur, kept.withdrawn_at, gone.withdrawn_at) == (1500, None, programme.now)
    changes = list(FactChange.objects.filter(organisation=programme.firm, field="subsidy").order_by("pk"))
    assert [change.evidence for change in changes] == [f"{allocation.code} ended; 150 of 280 credits were used"] * 2
    assert ("€ 3,000" in changes[0].before, "€ 1,500" in changes[0].after, changes[1].after) == (True, True, "")


def test_an_award_that_was_never_used_leaves_no_aid(programme: Programme) -> None:
    allocation = awarded(programme, aid=AID)
    projects.allocation_end(allocation=allocation, reason="Withdrawn.", by=programme.officer, at=programme.now)
    projects.allocations_by_date(at=programme.now)
    assert (aid(programme), Subsidy.objects.count()) == (0, 1)


# --- idle credits ---------------------------------------------------------------------------------------------------------
IDLE = {"after_days": 45, "used_below_percent": 10, "take_percent": 50}


def test_idle_credits_return_by_rule_after_a_notice_and_not_twice_at_once(programme: Programme) -> None:
    allocation = awarded(programme, reclaim=IDLE)
    lapsing.idle_notices(at=programme.later(days=44))
    assert not ReclaimNotice.objects.exists()
    for _ in range(2):
        lapsing.idle_notices(at=programme.later(days=1))
    notice = ReclaimNotice.objects.get()
    assert (notice.given_by, notice.amount, notice.due_on) == (None, 150 * MICRO, programme.now.date() + timedelta(days=13))
    assert "0 % used after 45 days" in notice.reason
    letter = Letter.objects.filter(kind="allocation.reclaim_announced").first()
    assert letter is not None
    assert "decided by a rule" in letter.body
    reclaim.reclaims_due(at=programme.later(days=14))
    assert (money(allocation).available, Transfer.objects.get(kind="return").by) == (150 * MICRO, "rule")
    lapsing.idle_notices(at=programme.later(days=20))
    assert ReclaimNotice.objects.count() == 1  # the rule waits as long again
    lapsing.idle_notices(at=programme.later(days=12))
    assert ReclaimNotice.objects.count() == 2
    verify(chain=True)


@pytest.mark.parametrize("spent", [30, 0])
def test_who_uses_an_award_keeps_it(programme: Programme, spent: int) -> None:
    allocation = awarded(programme, reclaim=IDLE)
    if spent:
        spend(programme, allocation, spent)
    lapsing.idle_notices(at=programme.later(days=50))
    assert ReclaimNotice.objects.exists() is not bool(spent)
    spend(programme, allocation, 1)
    reclaim.reclaims_due(at=programme.later(days=20))
    assert money(allocation).returned == 0


def test_what_is_left_lapses_with_each_month_without_use(programme: Programme) -> None:
    allocation = awarded(programme, leftover={"decay_percent_a_month": 20})
    spend(programme, allocation, 50)
    first = programme.now.date()
    lapsing.idle_notices(at=programme.later(days=10))
    assert not ReclaimNotice.objects.exists()  # more than two weeks ahead
    for month, left in ((1, 200), (2, 160)):
        due = first + relativedelta(months=month)
        programme.now = programme.now.replace(year=due.year, month=due.month, day=due.day) - timedelta(days=10)
        for _ in range(2):
            lapsing.idle_notices(at=programme.now)
        notice = ReclaimNotice.objects.get(state="given")
        assert (notice.due_on, "20 %" in notice.reason) == (due, True)
        reclaim.reclaims_due(at=programme.later(days=10))
        lapsing.idle_notices(at=programme.now)
        assert money(allocation).available == left * MICRO
    spend(programme, allocation, 1)
    lapsing.idle_notices(at=programme.later(days=12))
    assert not ReclaimNotice.objects.filter(state="given").exists()  # a new month began with the use


def test_a_renewal_takes_along_its_part_of_what_was_left_once(programme: Programme) -> None:
    first = awarded(programme, leftover={"carry_percent": 40}, aid={**AID, "ceiling_eur": 60_000})
    spend(programme, first, 200)
    renewal = programme.judged()
    type(renewal).objects.filter(pk=renewal.pk).update(follows=first.application)
    renewal.refresh_from_db()
    second = programme.award(renewal).allocation
    assert second is not None
    Allocation.objects.filter(pk=second.pk).update(ends_on=date(2026, 12, 1))
    lapsing.leftovers_carry(at=programme.now)
    assert money(second).granted == 300 * MICRO  # the first one goes on
    programme.now = programme.now.replace(month=6, day=2)
    for _ in range(2):
        projects.allocations_by_date(at=programme.now)
    assert aid(programme) == 2000 + 3000
    for _ in range(2):
        lapsing.leftovers_carry(at=programme.now)
    row = Grown.objects.get()
    assert (row.kind, row.amount, row.source, row.automatic) == ("carried", 40 * MICRO, first, True)
    assert f"40 % of the 100 credits left are carried over, from {first.code}." in row.reason
    assert (money(second).granted, aid(programme)) == (340 * MICRO, 5400)


# --- pages and programs ---------------------------------------------------------------------------------------------------
def signed_in(user: User) -> Client:
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def test_the_page_offers_one_click_to_the_team_and_shows_what_was_given(programme: Programme) -> None:
    allocation = awarded(programme, duties={**BY_RULE, "burst": {"credits_max": "50"}}, leftover={"carry_percent": 40})
    spend(programme, allocation, 240)
    address = f"/allocations/{allocation.code}/"
    team = signed_in(programme.founder)
    page = team.get(address).content.decode()
    for words in ("Get 100 credits now", "Ask an officer for 50 credits", "takes 40 % of what is left"):
        assert words in page
    once = next(part.split('"')[0] for part in page.split('name="once" value="')[1:])
    for _ in range(2):
        assert team.post(f"{address}ask/topup/", {"amount": "100", "once": once}).status_code == 302
    page = team.get(address).content.decode()
    assert ("Decided by rule" in page, "60 % of 400 credits are used, 1 top-up so far" in page) == (True, True)
    assert money(allocation).granted == 400 * MICRO
    wrong = team.post(f"{address}ask/topup/", {"amount": "101", "once": "d" * 20})
    assert (wrong.status_code, "at most 100 credits" in wrong.content.decode()) == (422, True)
    assert team.get(f"{address}ask/extension/").status_code == 200
    assert team.get(f"{address}ask/nothing/").status_code == 404
    assert "Get 100" not in signed_in(programme.officer).get(address).content.decode()
    for person, status in ((programme.colleague, 403), (programme.officer, 403), (programme.rival, 404)):
        assert signed_in(person).post(f"{address}ask/topup/", {"amount": "1", "once": "e" * 20}).status_code == status
    assert money(allocation).granted == 400 * MICRO


def test_its_page_asks_no_more_however_much_was_given(programme: Programme) -> None:
    allocation = awarded(programme, duties={**BY_RULE, "burst": {"credits_max": "50"}}, reclaim=IDLE, aid=AID)
    spend(programme, allocation, 240)
    topup(programme, allocation)
    for person in (programme.founder, programme.officer):
        client = signed_in(person)
        client.get(f"/allocations/{allocation.code}/")
        with CaptureQueriesContext(connection) as few:
            assert client.get(f"/allocations/{allocation.code}/").status_code == 200
        for _ in range(3):
            supplement(programme, allocation, 1)
        with CaptureQueriesContext(connection) as many:
            client.get(f"/allocations/{allocation.code}/")
        assert len(many) == len(few) <= 15


def test_the_calls_page_says_beforehand_what_comes_after(programme: Programme) -> None:
    awarded(programme, duties={**BY_RULE, "burst": {"credits_max": "50"}}, reclaim=IDLE, leftover={"carry_percent": 40})
    page = Client(headers={"host": settings.PORTAL_HOST}).get("/calls/build/").content.decode()
    for words in (
        "A top-up of up to 100 credits once 80 % are used, at most 2 times. The rule decides at once.",
        "Up to 50 credits more once, which lapse after 30 days. An officer decides.",
        "50 % of what is left returns from awards used below 10 %",
        "A renewal takes 40 % of what was left on the last day along.",
    ):
        assert words in page
    rules = Client(headers={"host": settings.PORTAL_HOST}).get("/awards/rules/").content.decode()
    assert ("A top-up of up to 100 credits" in rules, "Up to 50 credits more" in rules) == (True, False)


def test_officers_see_the_limits_on_their_page(programme: Programme) -> None:
    allocation = awarded(programme, duties={"extension_months_max": 1})
    topup(programme, allocation)
    officer, address = signed_in(programme.officer), f"/allocations/{allocation.code}/change"
    assert 'value="100"' in officer.get(f"{address}/supplement/").content.decode()
    refused = officer.post(f"{address}/extend/", {"ends_on": "2027-06-01", "reason": "x"})
    assert (refused.status_code, "rules bind officers too" in refused.content.decode()) == (422, True)
    assert officer.post(f"{address}/decline/", {"reason": "Not now."}).status_code == 302
    assert officer.get(f"{address}/decline/").status_code == 403  # nothing is asked any more


def test_programs_read_the_rules_and_ask(programme: Programme) -> None:
    allocation = awarded(programme, duties=BY_RULE)
    spend(programme, allocation, 240)

    def call(user: User, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        token = token_create(user=user, name="t", at=programme.now)
        answer = Client(headers={"host": settings.PORTAL_HOST}).generic(
            method,
            f"/api/v1/allocations/{allocation.code}{path}",
            json.dumps(body) if body else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer.status_code, answer.json()

    status, rules = call(programme.founder, "GET", "/rules")
    topup_row = rules["rules"][0]
    assert (status, topup_row["what"], topup_row["allowed"], topup_row["decided_by"]) == (200, "topup", True, "rule")
    assert call(programme.founder, "POST", "/ask", {"what": "topup"})[0] == 422
    assert call(programme.colleague, "POST", "/ask", {"what": "topup", "credits": "5"})[0] == 403
    assert call(programme.rival, "GET", "/rules")[0] == 404
    status, answer = call(programme.founder, "POST", "/ask", {"what": "topup", "credits": "5"})
    assert (status, answer["given"], answer["by"]) == (200, True, "rule")
    assert call(programme.founder, "GET", "/rules")[1]["given"][0]["credits"] == "5"
    status, answer = call(programme.founder, "POST", "/ask", {"what": "extension", "months": 1})
    assert (status, answer["by"]) == (200, "officer")
    assert call(programme.officer, "POST", "/decline", {"reason": "No."})[0] == 200
    refused = call(programme.officer, "POST", "/supplement", {"credits": "101", "reason": "x", "kind": "topup"})
    assert (refused[0], refused[1]["code"]) == (409, "topup_limit")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("awards_what_grew_is_credits_or_time", {"amount": 0}),
        ("awards_a_burst_lapses_and_nothing_else", {"lapses_on": date(2026, 1, 1)}),
        ("awards_what_grew_is_numbered_once", {"number": 2}),
        ("awards_a_rest_is_carried_once", {"source": True}),
    ],
)
def test_the_database_keeps_the_promise_too(programme: Programme, name: str, values: dict[str, Any]) -> None:
    allocation = awarded(programme, duties=BY_RULE)
    for _ in range(2):
        supplement(programme, allocation, 10, kind=Kind.TOPUP)
    first, second = Grown.objects.order_by("pk")
    changes = {key: allocation if value is True else value for key, value in values.items()}
    if "source" in values:
        Grown.objects.filter(pk=second.pk).update(source=allocation)
    with pytest.raises(IntegrityError), transaction.atomic():
        Grown.objects.filter(pk=first.pk).update(**changes)
    assert name in {constraint.name for constraint in Grown._meta.constraints}
