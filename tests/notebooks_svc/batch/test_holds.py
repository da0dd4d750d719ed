"""Credits set aside for people's own jobs: opened, used, settled once a day, closed. A core is 4, a GiB 1 credit an hour."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from allocations.ledger import services as ledger
from allocations.ledger.models import Transfer
from allocations.projects import services as projects
from allocations.projects.statement import statement
from allocations.usage.models import UsageRecord
from notebooks_svc.batch import collecting, services
from notebooks_svc.batch.models import BatchHold
from notebooks_svc.batch.states import TRANSITIONS, Actor, S, check_transition
from notebooks_svc.sessions import outages
from notebooks_svc.sessions.doors.agent import AgentUnreachable
from notebooks_svc.sessions.doors.fake_batch import NotTaken
from notebooks_svc.sessions.models import Outage
from portal.accounts.models import Role
from portal.audit.models import Letter
from portal.core.errors import NotAllowed, NotYours, Refusal
from portal.core.ids import batch_id_new
from portal.core.quantities import MICRO, charge, credits_text
from portal.organisations.models import Membership, OrgRole
from tests.support import portal

from .conftest import Machine

RATE = 5 * MICRO  # one core and one GiB


def price(seconds: int, rate: int = RATE) -> int:
    return charge(rate_per_hour=rate, unit_seconds=seconds)


@pytest.mark.parametrize(("old", "new", "actor"), list(itertools.product(S, S, Actor)))
def test_every_move_is_allowed_or_refused(old: S, new: S, actor: Actor) -> None:
    if actor in TRANSITIONS.get((old, new), frozenset()):
        check_transition(old=old, new=new, actor=actor)
    else:
        with pytest.raises(Refusal):
            check_transition(old=old, new=new, actor=actor)


# --- opening --------------------------------------------------------------------------------------------------------------


def test_nobody_submits_without_a_batch_hold_and_with_one_its_people_do(machine: Machine) -> None:
    with pytest.raises(NotTaken):
        machine.scheduler.submit(batch_id_new(), machine.world.colleague.hub_username)
    hold = machine.open(10)
    assert machine.world.balance().held == 10 * MICRO
    assert hold.admitted_at is not None
    assert hold.people.get().account == f"c{machine.world.colleague.hub_username}"
    account = machine.scheduler.accounts[hold.pk]
    assert (account.budget_minutes, account.partition, account.team) == (600, "hpc", machine.world.allocation.code)
    machine.submit(hold)
    with pytest.raises(NotTaken):
        machine.submit(hold, machine.world.founder)


def test_a_double_click_opens_once(machine: Machine) -> None:
    id = batch_id_new()
    first, second = machine.open(10, id=id), machine.open(10, id=id)
    assert first.pk == second.pk == id
    assert machine.world.balance().held == 10 * MICRO
    with pytest.raises(NotYours):
        machine.open(10, id=id, user=machine.world.founder)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"credits": 101}, "exceeds_available"),
        ({"credits": 0.00001}, "malformed"),
        ({"id": "sneaky"}, "malformed"),
        ({"people": ["founder@example.org"]}, "not_allowed"),
        ({"people": []}, "malformed"),
    ],
)
def test_what_cannot_be_set_aside_is_refused_and_nothing_is_held(machine: Machine, asked: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        machine.open(**{"credits": 10, **asked})
    assert refused.value.code == code
    assert machine.world.balance().held == 0
    assert not BatchHold.objects.exists()
    machine.open(10)


def test_a_site_without_a_scheduler_takes_no_batch_hold(machine: Machine) -> None:
    from allocations.catalogue.models import Site

    Site.objects.update(engine="local")
    with pytest.raises(Refusal) as refused:
        machine.open(10)
    assert refused.value.code == "not_a_batch_site"


def test_owners_set_credits_aside_for_colleagues_but_for_nobody_else(machine: Machine) -> None:
    world = machine.world
    hold = machine.open(10, user=world.founder, people=["colleague@example.org", "founder@example.org"])
    for user in (world.founder, world.colleague):
        machine.submit(hold, user)
    with pytest.raises(Refusal, match="rival@example.org may not use"):
        machine.open(10, user=world.founder, people=["rival@example.org"])
    with pytest.raises(NotYours):
        machine.open(10, user=world.rival)


# --- settling -------------------------------------------------------------------------------------------------------------


def test_a_day_is_settled_once_and_its_line_says_who_which_job_how_long_and_at_what_rate(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.ran(hold, 600, name="train")
    machine.run(60)
    assert machine.world.balance().spent == 0, "it is settled once a day"
    machine.day()
    hold.refresh_from_db()
    paid = price(600)
    assert (machine.world.balance().spent, hold.charged, hold.hold_amount) == (paid, paid, 10 * MICRO - paid)
    roll, post = statement(allocation=machine.world.allocation, limit=2)
    assert (post.kind, post.who, post.seconds, post.resource) == ("post", "Colleague", 600, "cpu")
    assert post.text == f"1 job of batch hold {hold.pk[-6:]} on cpu"
    assert post.formula == f"job {job.job} “train”: 1 core × 4 + 1 GiB × 1 = 5 credits per hour × 600 s = {credits_text(paid)}"
    assert (roll.kind, roll.amount) == ("hold", 10 * MICRO - paid)
    record = UsageRecord.objects.get()
    assert (record.kind, record.source, record.user, record.unit_seconds) == (
        "batch",
        "scheduler",
        machine.world.colleague,
        600,
    )
    assert (record.charge, record.launch, record.accounting) == (paid, hold.pk, job.record)
    for _ in range(2):
        machine.day()
    assert machine.world.balance().spent == paid
    assert UsageRecord.objects.count() == 1
    machine.world.books()


def test_memory_is_charged_to_the_mib_and_a_line_of_many_jobs_stays_short(machine: Machine) -> None:
    hold = machine.open(50)
    for number in range(8):
        machine.ran(hold, 100, name=f"job {number}", cores=2, memory_mib=1536)
    machine.close(hold)
    assert hold.charged == 8 * price(100, rate=9_500_000)
    post = Transfer.objects.get(kind="post")
    assert "1.5 GiB × 1" in post.explanation["formula"]
    assert "3 more jobs = " in post.explanation["formula"]
    assert len(post.explanation["jobs"]) == 8
    machine.world.books()


def test_the_same_record_in_overlapping_windows_is_charged_once(machine: Machine) -> None:
    hold = machine.open(10)
    machine.ran(hold, 600)
    for _ in range(8):
        machine.run(60, step=60)  # each window reaches an hour back
    machine.close(hold)
    assert hold.charged == price(600)
    assert hold.jobs.count() == 1


def test_a_stretch_that_was_put_back_into_the_queue_was_used_all_the_same(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.submit(hold)
    machine.run(100, step=100)
    again = machine.scheduler.requeue(job)
    machine.run(201, step=201)
    machine.scheduler.end(again)
    machine.close(hold)
    assert hold.jobs.count() == 2
    assert hold.charged == price(100) + price(200)


@pytest.mark.parametrize("state", ["NODE_FAIL", "BOOT_FAIL", "PREEMPTED"])
def test_what_the_site_broke_is_free_and_the_fence_makes_room_for_it(machine: Machine, state: str) -> None:
    hold = machine.open(10)
    machine.ran(hold, 3600, state=state)
    machine.run(60)
    assert machine.scheduler.accounts[hold.pk].budget_minutes == 600 + 5 * 60, "the scheduler counted it, the ledger did not"
    machine.close(hold)
    assert hold.charged == 0
    assert machine.world.balance().available == 100 * MICRO
    assert UsageRecord.objects.get().reason


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED", "OUT_OF_MEMORY", "TIMEOUT", "DEADLINE", "REVOKED"])
def test_every_other_end_is_charged(machine: Machine, state: str) -> None:
    hold = machine.open(10)
    machine.ran(hold, 360, state=state)
    machine.close(hold)
    assert hold.charged == price(360)


def test_what_a_job_uses_beyond_the_hold_is_the_providers_overrun(machine: Machine) -> None:
    hold = machine.open(1)
    job = machine.ran(hold, 3600)  # five credits' worth
    machine.run(120)
    hold.refresh_from_db()
    assert (hold.state, hold.close_reason, hold.charged) == ("closed", "used_up", MICRO)
    record = UsageRecord.objects.get()
    assert (record.unit_seconds, record.overrun_seconds, record.charge) == (720, 2880, MICRO)
    assert record.overrun == price(2880)
    assert machine.job(job).overrun_seconds == 2880
    assert machine.world.balance().available == 99 * MICRO
    machine.world.books()


def test_a_hold_used_up_exactly_is_closed_and_everybody_gets_a_letter(machine: Machine) -> None:
    hold = machine.open(5, user=machine.world.founder, people=["colleague@example.org"])
    machine.ran(hold, 3600)
    machine.run(120)
    hold.refresh_from_db()
    assert (hold.state, hold.charged, hold.hold, hold.hold_amount) == ("closed", 5 * MICRO, "", 0)
    letters = Letter.objects.filter(kind="batch.used_up")
    assert {letter.to for letter in letters} == {"colleague@example.org", "founder@example.org"}
    assert "5 were charged." in letters[0].body
    with pytest.raises(NotTaken):
        machine.submit(hold)


# --- closing --------------------------------------------------------------------------------------------------------------


def test_closing_lets_what_runs_finish_inside_the_hold_and_returns_the_rest(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.submit(hold)
    machine.run(100)
    services.batch_close(hold=hold, by=machine.world.colleague, let_finish=True, at=machine.world.now)
    machine.run(300)
    hold.refresh_from_db()
    assert hold.state == "closing"
    with pytest.raises(NotTaken):
        machine.submit(hold)
    assert job.ended is None
    machine.scheduler.end(job)
    machine.run(90)
    hold.refresh_from_db()
    assert (hold.state, hold.charged) == ("closed", price(400))
    assert machine.world.balance().available == 100 * MICRO - price(400)
    letter = Letter.objects.get(kind="batch.closed")
    assert "are back on the allocation" in letter.body
    machine.world.books()


def test_closing_with_a_cancel_ends_what_runs(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.submit(hold)
    machine.run(100)
    machine.close(hold)
    assert (job.state, hold.state) == ("CANCELLED", "closed")
    assert price(100) <= hold.charged <= price(130)
    machine.world.books()


def test_who_let_finish_may_change_their_mind(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.submit(hold)
    machine.run(100)
    machine.close(hold, let_finish=True)
    assert (hold.state, job.ended) == ("closing", None)
    machine.close(hold, let_finish=True)
    assert job.ended is None
    machine.close(hold)
    assert (hold.state, job.state) == ("closed", "CANCELLED")


def test_closing_what_was_never_used_returns_everything_and_writes_no_charge(machine: Machine) -> None:
    hold = machine.close(machine.open(10))
    assert (hold.state, hold.charged) == ("closed", 0)
    assert machine.world.balance().available == 100 * MICRO
    assert Transfer.objects.get(kind="void").reason == "the batch hold was closed; nothing of it was used"
    assert hold.pk not in machine.scheduler.accounts


def test_what_an_operator_cancels_is_free(machine: Machine) -> None:
    operator = portal.person("operator", Role.OPERATOR, at=machine.world.now)
    hold = machine.open(10)
    machine.ran(hold, 100)
    machine.submit(hold)
    machine.run(100)
    machine.close(hold, by=operator)
    assert (hold.state, hold.close_reason, hold.charged) == ("closed", "operator", price(100))


def test_who_may_close_it(machine: Machine) -> None:
    world = machine.world
    hold = machine.open(10, user=world.founder, people=["colleague@example.org"])
    for user in (world.colleague, world.rival):
        with pytest.raises(Refusal) as refused:
            services.batch_close(hold=hold, by=user, let_finish=True, at=world.now)
        assert refused.value.status == 403
    own = machine.open(5)
    assert machine.close(own, by=world.founder).close_reason == "manager"


def test_nothing_is_closed_before_the_site_has_said_that_it_takes_no_more(machine: Machine) -> None:
    hold = machine.open(10)
    machine.world.site.agent_up = False
    services.batch_close(hold=hold, by=machine.world.colleague, let_finish=False, at=machine.world.now)
    machine.run(600)
    hold.refresh_from_db()
    assert (hold.state, machine.world.balance().held) == ("closing", 10 * MICRO)
    machine.world.site.agent_up = True
    machine.run(90)
    hold.refresh_from_db()
    assert hold.state == "closed"


def test_it_is_not_closed_while_a_job_that_was_seen_has_no_record(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.submit(hold)
    machine.run(100)
    machine.scheduler.end(job, late_s=3000)
    machine.close(hold)
    assert hold.state == "closing"
    machine.run(3100, step=100)
    machine.run(30)
    hold.refresh_from_db()
    assert (hold.state, hold.charged) == ("closed", price(100))


def test_a_job_without_a_trace_counts_after_a_day_until_it_was_last_seen(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.submit(hold)
    machine.run(100)
    seen = machine.job(job).seen_alive_at
    machine.scheduler.jobs.remove(job)
    machine.close(hold)
    assert hold.state == "closing"
    machine.run(86_500, step=600)
    machine.run(120)
    hold.refresh_from_db()
    known = machine.job(job)
    assert (hold.state, known.source, known.ended) == ("closed", "last_seen", seen)
    assert hold.charged == price(int((seen - known.started).total_seconds()))
    # Accounting finds it after all.
    machine.scheduler.jobs.append(job)
    machine.scheduler.end(job)
    job.ended = known.started.timestamp() + 30
    machine.run(4000, step=100)
    hold.refresh_from_db()
    assert hold.charged == price(30)
    machine.world.books()


# --- what ends it elsewhere -------------------------------------------------------------------------------------------------


def test_an_allocation_that_ends_ends_its_batch_holds(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.submit(hold)
    machine.run(100)
    projects.allocation_end(allocation=machine.world.allocation, reason="done", by=machine.world.founder, at=machine.world.now)
    machine.run(90)
    hold.refresh_from_db()
    assert (hold.state, hold.close_reason, job.state) == ("closed", "allocation_ended", "CANCELLED")
    assert 0 < hold.charged < 10 * MICRO
    assert machine.world.balance().held == 0
    machine.world.books()


def test_a_leaver_loses_their_jobs_at_once_and_the_others_go_on(machine: Machine) -> None:
    world = machine.world
    hold = machine.open(10, user=world.founder, people=["colleague@example.org", "founder@example.org"])
    own = machine.open(5)
    theirs, others = machine.submit(hold), machine.submit(hold, world.founder)
    Membership.objects.filter(user=world.colleague).update(left_at=world.now)
    machine.run(20)
    assert (theirs.state, others.ended) == ("CANCELLED", None)
    with pytest.raises(NotTaken):
        machine.submit(hold)
    machine.run(90)
    hold.refresh_from_db()
    own.refresh_from_db()
    assert (hold.state, own.state, own.close_reason) == ("open", "closed", "person_left")
    assert hold.people.get(user=world.colleague).left_at is not None


# --- what is righted later ------------------------------------------------------------------------------------------------


def test_a_record_that_says_less_later_refunds_the_difference(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.ran(hold, 600)
    job.shift = 200.0
    machine.close(hold, let_finish=True)
    assert hold.charged == price(800)
    job.shift = 0.0
    machine.run(4000, step=400)
    hold.refresh_from_db()
    assert hold.charged == price(600)
    assert machine.world.balance().available == 100 * MICRO - price(600)
    adjust = Transfer.objects.get(kind="adjust")
    assert adjust.amount == price(800) - price(600)
    first, correction = UsageRecord.objects.order_by("pk")
    assert (correction.corrects, correction.unit_seconds, correction.charge) == (first, -200, price(600) - price(800))
    machine.run(8000, step=800)
    assert Transfer.objects.filter(kind="adjust").count() == 1
    machine.world.books()


def test_a_record_that_says_more_later_charges_at_most_what_was_set_aside(machine: Machine) -> None:
    hold = machine.open(1)
    job = machine.ran(hold, 600)
    machine.close(hold, let_finish=True)
    assert hold.charged == price(600)
    job.shift = 3000.0
    machine.run(4000, step=400)
    hold.refresh_from_db()
    assert hold.charged == MICRO
    assert sum(UsageRecord.objects.values_list("overrun_seconds", flat=True)) == 3600 - 720
    assert sum(UsageRecord.objects.values_list("charge", flat=True)) == MICRO
    machine.world.books()


def test_a_record_that_says_more_later_takes_no_more_than_the_allocation_has(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.ran(hold, 600)
    machine.close(hold, let_finish=True)
    left = machine.world.balance().available
    ledger.give_back(
        id="all", allocation=machine.world.allocation.account, amount=left - 10_000, reason="x", by="x", at=machine.world.now
    )
    job.shift = 600.0
    machine.run(4000, step=400)
    hold.refresh_from_db()
    assert price(600) < hold.charged <= price(600) + 10_000
    assert machine.world.balance().available >= 0
    machine.world.books()


def test_a_declared_outage_refunds_batch_jobs_too(machine: Machine) -> None:
    world = machine.world
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    hold = machine.open(10)
    job = machine.ran(hold, 600)
    machine.close(hold)
    begin = machine.job(job).started
    asked: dict[str, Any] = {"site": hold.resource.site, "begin": begin, "end": begin + timedelta(seconds=250)}
    before = world.balance()
    shown = outages.outage_preview(**asked, by=officer, at=world.now)
    assert [(one.of.kind, one.of.id, one.amount) for one in shown.refunds] == [("batch hold", hold.pk, price(600) - price(350))]
    assert world.balance() == before  # it was only looked at
    refunded = outages.outage_declare(**asked, reason="power", by=officer, at=world.now)
    assert [one.amount for one in refunded] == [one.amount for one in shown.refunds]
    assert world.balance().available == before.available + shown.total
    machine.run(300)
    hold.refresh_from_db()
    assert hold.charged == price(350)
    assert Outage.objects.get().refunded == shown.total
    machine.world.books()


def test_an_outage_over_a_job_that_runs_is_not_charged_and_gives_nothing_back(machine: Machine) -> None:
    world = machine.world
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    hold = machine.open(10)
    machine.ran(hold, 100)
    job = machine.submit(hold)
    machine.run(300)
    begin = machine.job(job).started + timedelta(seconds=10)
    asked: dict[str, Any] = {"site": hold.resource.site, "begin": begin, "end": begin + timedelta(seconds=200)}
    assert outages.outage_declare(**asked, reason="power", by=officer, at=world.now) == []
    machine.scheduler.end(job)
    machine.close(hold)
    ran = machine.job(job)
    assert ran.seconds == int((ran.ended - ran.started).total_seconds()) - 200
    assert hold.charged == price(100) + price(ran.seconds)
    machine.world.books()


def test_nobody_declares_an_outage_that_refunds_the_jobs_of_their_own_enterprise(machine: Machine) -> None:
    world = machine.world
    hold = machine.open(10)
    job = machine.ran(hold, 600)
    machine.close(hold)
    officer = portal.person("officer", Role.OFFICER, at=world.now)
    portal.member(hold.allocation.organisation, officer, OrgRole.MEMBER, at=world.now)
    begin = machine.job(job).started
    asked: dict[str, Any] = {"site": hold.resource.site, "begin": begin, "end": begin + timedelta(seconds=250)}
    with pytest.raises(NotAllowed, match="another officer"):
        outages.outage_declare(**asked, reason="power", by=officer, at=world.now)
    assert not Outage.objects.exists()


# --- traps ----------------------------------------------------------------------------------------------------------------


def test_a_job_that_is_called_like_a_session_is_a_job_all_the_same(machine: Machine) -> None:
    session = machine.world.ready()
    hold = machine.open(10)
    machine.ran(hold, 100, name=session.pk)
    machine.close(hold)
    session.refresh_from_db()
    assert (session.state, hold.charged) == ("ready", price(100))
    assert not UsageRecord.objects.filter(kind="session").exists()


def test_a_name_of_hostile_characters_is_kept_readable(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.ran(hold, 100, name="a\x00b\n\x1b[31m<script>\u202e\ud800" + "x" * 300)
    machine.close(hold)
    assert hold.charged == price(100)
    name = machine.job(job).name
    assert "\x00" not in name
    assert "\n" not in name
    assert "\x1b" not in name
    assert len(name) <= 120


def test_an_older_answer_that_comes_later_changes_nothing(machine: Machine) -> None:
    from notebooks_svc.wire import BatchAsk

    hold = machine.open(10)
    job = machine.submit(hold)
    machine.run(30)
    old = machine.world.site.batch_look(BatchAsk(holds=[hold.pk], since=0))
    machine.scheduler.end(job)
    machine.run(30)
    ended = machine.job(job).ended
    assert ended is not None
    collecting.look_apply(site=hold.resource.site, holds=[hold], look=old, at=machine.world.now)
    assert machine.job(job).ended == ended


def test_a_site_of_another_portal_is_not_believed(machine: Machine) -> None:
    hold = machine.open(10)
    machine.world.site.instance = "anotherportal"
    with pytest.raises(AgentUnreachable, match="another portal"):
        collecting.site_collect(site=hold.resource.site, at=machine.world.now + timedelta(minutes=5))


def test_a_cap_on_the_resource_counts_what_is_set_aside(machine: Machine) -> None:
    world = machine.world
    world.allocation = portal.award(world.allocation.organisation, at=world.now, caps={"cpu": 8 * MICRO}, resources=("cpu",))
    with pytest.raises(Refusal) as refused:
        machine.open(10)
    assert refused.value.code == "exceeds_cap"
    assert OrgRole.OWNER
    machine.open(8)


def test_what_only_ever_waited_and_has_no_record_keeps_nothing_open(machine: Machine) -> None:
    hold = machine.open(10)
    job = machine.submit(hold)
    job.started, job.state = None, "PENDING"
    machine.run(60)
    machine.scheduler.jobs.remove(job)
    machine.close(hold)
    assert hold.state == "closing"
    machine.run(400, step=50)
    hold.refresh_from_db()
    assert (hold.state, hold.charged) == ("closed", 0)
    assert not UsageRecord.objects.exists()
