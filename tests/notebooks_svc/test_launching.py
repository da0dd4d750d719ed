"""A launch from hold to settlement, and everything that refuses one. Amounts in credits: `small` costs 6 per hour."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from allocations.catalogue.models import Resource
from allocations.projects import services as projects
from allocations.usage.models import UsageRecord
from notebooks_svc.metering.counting import STOP_GRACE_S
from notebooks_svc.sessions import quotes, services, states, watch
from notebooks_svc.sessions.models import Session
from notebooks_svc.sessions.states import TRANSITIONS, Actor, S, check_transition
from portal.accounts import services as accounts
from portal.core.errors import Refusal
from portal.core.ids import launch_id_new
from portal.organisations import services as organisations
from tests.support import portal

from .conftest import World

HOUR = 3600


@pytest.mark.parametrize(("old", "new", "actor"), list(itertools.product(S, S, Actor)))
def test_every_move_is_allowed_or_refused(old: S, new: S, actor: Actor) -> None:
    if actor in TRANSITIONS.get((old, new), frozenset()):
        check_transition(old=old, new=new, actor=actor)
    else:
        with pytest.raises(Refusal, match="cannot become"):
            check_transition(old=old, new=new, actor=actor)


def test_what_is_over_moves_no_more() -> None:
    assert not [move for move in TRANSITIONS if move[0] in states.OVER]


# --- the way through ----------------------------------------------------------------------------------------------------


def test_a_session_is_held_charged_to_the_second_and_the_rest_returns(world: World) -> None:
    session = world.launch(minutes=60)
    assert (world.balance().held, world.balance().available) == (6_000_000, 94_000_000)
    world.run(10)
    session.refresh_from_db()
    assert session.state == S.READY
    assert session.deadline == session.ready_at + timedelta(hours=1)
    world.run(600 - (world.now - session.ready_at).total_seconds())
    world.stop(session, by=world.colleague)
    world.run(20)
    session.refresh_from_db()
    # Stopped ten minutes after it was ready; the server took two seconds to end (the step and the stop).
    ran = int((session.ended_at - session.ready_at).total_seconds())
    assert (session.state, ran in range(600, 605)) == (S.ENDED, True)
    assert world.balance().spent == -(-6_000_000 * ran // HOUR)
    assert world.balance().held == 0
    record = UsageRecord.objects.get()
    assert (record.source, record.unit_seconds, record.charge) == ("journal", ran, world.balance().spent)
    assert record.gco2e > 0
    world.books()


def test_a_session_ends_at_its_deadline_and_costs_exactly_its_hold(world: World) -> None:
    session = world.ready(minutes=5)
    world.run(320, step=5)
    session.refresh_from_db()
    assert (session.state, session.stop_reason) == (S.ENDED, "deadline")
    assert world.spent() == "0.5"
    world.books()


def test_nothing_is_charged_before_it_is_ready(world: World) -> None:
    world.site.boot_takes_s = 50
    session = world.launch()
    world.run(30)
    session.refresh_from_db()
    assert session.state == S.STARTING
    world.stop(session, by=world.colleague)
    world.run(40)
    session.refresh_from_db()
    assert session.state == S.ENDED
    assert (world.spent(), world.balance().held) == ("0", 0)
    assert "0 credits charged" in session.notes.last().text
    world.books()


def test_a_boot_that_takes_too_long_fails_with_its_cause_and_costs_nothing(world: World) -> None:
    world.site.boot_takes_s = None
    session = world.launch()
    world.run(200, step=5)
    session.refresh_from_db()
    assert (session.state, session.failure) == (S.FAILED, "boot_timeout")
    assert (world.spent(), world.balance().held) == ("0", 0)


def test_a_launch_stopped_before_it_was_sent_returns_everything(world: World) -> None:
    session = world.launch()
    world.stop(session, by=world.colleague)
    world.run(2)
    session.refresh_from_db()
    assert (session.state, world.site.starts) == (S.ENDED, 0)
    assert world.balance().available == 100_000_000


def test_a_launch_that_cannot_be_sent_for_five_minutes_is_withdrawn(world: World) -> None:
    session = world.launch()
    Session.objects.filter(pk=session.pk).update(due_at=world.now + timedelta(minutes=6))  # the portal was away
    world.run(300, step=30)
    assert world.balance().held == 0
    world.run(90, step=10)
    session.refresh_from_db()
    assert (session.state, session.failure, world.site.starts) == (S.FAILED, "not_sent", 0)
    world.books()


def test_a_hub_that_is_down_is_asked_again_and_the_hold_stays(world: World) -> None:
    world.site.hub_up = False
    session = world.launch()
    world.run(400, step=10)
    session.refresh_from_db()
    assert (session.state, world.balance().held) == (S.QUEUED, 6_000_000)
    world.site.hub_up = True
    world.run(40)
    session.refresh_from_db()
    assert session.state == S.READY


# --- what gets lost on the way ------------------------------------------------------------------------------------------


def test_all_is_the_same_when_every_event_is_lost(world: World) -> None:
    session = world.launch(minutes=5)
    world.run(400, deliver=False)
    session.refresh_from_db()
    assert (session.state, world.spent()) == (S.ENDED, "0.5")
    world.books()


def test_events_that_come_twice_or_late_change_nothing(world: World) -> None:
    session = world.ready(minutes=5)
    ready_at = session.ready_at
    world.delivered = 0
    world.run(60)
    session.refresh_from_db()
    assert session.ready_at == ready_at
    world.run(300)
    world.delivered = 0
    world.run(30)
    session.refresh_from_db()
    assert (session.state, world.spent()) == (S.ENDED, "0.5")


def test_a_hub_that_forgot_a_starting_server_is_asked_again_and_it_runs_once(world: World) -> None:
    world.site.boot_takes_s = 8
    session = world.launch()
    world.run(3)
    world.site.restart_hub()
    world.run(40)
    session.refresh_from_db()
    assert session.state == S.READY
    assert len(world.site.servers) == 1
    assert world.site.starts == 2


def test_the_portal_was_away_while_it_was_ready_and_ended(world: World) -> None:
    session = world.launch(minutes=5)
    world.run(1)
    world.site.advance(1000)
    world.now += timedelta(seconds=1000)
    world.run(30)
    session.refresh_from_db()
    assert (session.state, world.spent()) == (S.ENDED, "0.5")
    world.books()


def test_an_unreadable_journal_ends_nothing(world: World) -> None:
    session = world.ready()
    world.site.unreadable.add(session.pk)
    world.run(300, step=5)
    session.refresh_from_db()
    assert session.state == S.READY
    world.site.unreadable.clear()
    world.stop(session, by=world.colleague)
    world.run(30)
    session.refresh_from_db()
    assert session.state == S.ENDED


def test_a_silent_agent_ends_nothing_and_is_written_down(world: World) -> None:
    session = world.ready()
    world.site.agent_up = False
    world.run(200, step=5)
    session.refresh_from_db()
    session.resource.site.refresh_from_db()
    assert session.state == S.READY
    assert "down" in session.resource.site.last_error
    assert session.resource.site.silent_since is not None


def test_a_hub_that_does_not_stop_it_is_helped_by_the_agent(world: World) -> None:
    session = world.ready()
    world.site.hub_up = False
    world.stop(session, by=world.colleague)
    world.run(30)
    session.refresh_from_db()
    assert session.state == S.ENDED


def test_lateness_of_the_site_is_not_paid(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.ready()
    monkeypatch.setattr("notebooks_svc.sessions.doors.fake.STOP_TAKES_S", 500.0)
    world.run(100)
    world.stop(session, by=world.colleague)
    asked = world.now
    world.run(600, step=5)
    session.refresh_from_db()
    assert session.state == S.ENDED
    paid = int((asked - session.ready_at).total_seconds()) + STOP_GRACE_S
    assert world.balance().spent == -(-6_000_000 * paid // HOUR)


# --- what is free -------------------------------------------------------------------------------------------------------


def test_a_lost_runner_is_free(world: World) -> None:
    session = world.ready()
    world.run(300, step=5)
    world.site.lose_runner(session.pk, seen_alive=world.site.now - 3)
    world.run(30)
    session.refresh_from_db()
    assert (session.state, session.failure, world.spent()) == (S.FAILED, "runner_lost", "0")


def test_what_an_operator_ends_is_free(world: World) -> None:
    from portal.accounts.models import Role

    operator = portal.person("operator", Role.OPERATOR, at=world.now)
    session = world.ready()
    world.run(300, step=5)
    world.stop(session, by=operator)
    world.run(30)
    session.refresh_from_db()
    assert (session.state, session.stop_reason, world.spent()) == (S.ENDED, "operator", "0")


def test_what_a_manager_ends_is_charged(world: World) -> None:
    session = world.ready()
    world.run(300, step=5)
    world.stop(session, by=world.founder)
    world.run(30)
    session.refresh_from_db()
    assert (session.stop_reason, world.balance().spent > 0) == ("manager", True)


# --- extending ----------------------------------------------------------------------------------------------------------


def test_an_extension_buys_minutes_and_each_hold_is_settled_once(world: World) -> None:
    session = world.ready(minutes=5)
    services.session_extend(session=session, by=world.colleague, minutes=10, at=world.now)
    assert world.balance().held == 1_500_000
    world.run(960, step=5)
    session.refresh_from_db()
    assert (session.state, world.spent()) == (S.ENDED, "1.5")
    world.books()


def test_an_extension_beyond_the_balance_is_refused(world: World) -> None:
    session = world.ready(minutes=60)
    with pytest.raises(Refusal, match=r"needs 96|94 are left"):
        services.session_extend(session=session, by=world.colleague, minutes=960, at=world.now)
    assert world.balance().held == 6_000_000


def test_an_extension_that_comes_too_late_is_voided(world: World) -> None:
    session = world.ready(minutes=5)
    world.site.advance(400)
    with pytest.raises(Refusal, match="ended already"):
        services.session_extend(session=session, by=world.colleague, minutes=10, at=world.now)
    assert world.balance().held == 500_000
    world.run(20)
    assert world.balance().held == 0
    world.books()


def test_an_extension_while_the_site_is_silent_is_confirmed_later(world: World) -> None:
    session = world.ready(minutes=30)
    world.site.agent_up = False
    with pytest.raises(Refusal, match="tried again by itself"):
        services.session_extend(session=session, by=world.colleague, minutes=10, at=world.now)
    world.site.agent_up = True
    world.run(130, step=5)
    session.refresh_from_db()
    assert session.minutes == 40
    assert world.site.servers[session.pk].deadline == session.deadline.timestamp()


# --- refusals beside the success ------------------------------------------------------------------------------------------


def test_a_launch_above_the_balance_is_refused_and_one_below_it_goes(world: World) -> None:
    with pytest.raises(Refusal) as refused:
        world.launch(minutes=1001)
    assert refused.value.code == "exceeds_available"
    assert "100 are left" in refused.value.message
    assert not Session.objects.exists()
    assert world.launch(minutes=1000).state == S.REQUESTED


def test_an_expired_allocation_is_refused(world: World) -> None:
    world.now += timedelta(days=100)
    with pytest.raises(Refusal) as refused:
        world.launch()
    assert refused.value.code == "allocation_not_active"


def test_an_ended_allocation_is_refused(world: World) -> None:
    projects.allocation_end(allocation=world.allocation, reason="early", by=world.founder, at=world.now)
    with pytest.raises(Refusal) as refused:
        world.launch()
    assert refused.value.code == "allocation_not_active"


def test_a_foreign_allocation_is_not_yours_to_know(world: World) -> None:
    with pytest.raises(Refusal) as refused:
        world.launch(user=world.rival)
    assert (refused.value.status, refused.value.code) == (404, "not_found")


def test_a_resource_the_award_does_not_cover_is_refused(world: World) -> None:
    with pytest.raises(Refusal) as refused:
        world.launch(resource="highmem")
    assert refused.value.code == "resource_not_covered"
    with pytest.raises(Refusal) as refused:
        world.launch(resource="moon")
    assert refused.value.code == "resource_unknown"


@pytest.mark.parametrize("minutes", [0, -5, 1441, 2.5, True, "60"])
def test_minutes_that_are_none_are_refused(world: World, minutes: object) -> None:
    with pytest.raises(Refusal) as refused:
        world.launch(minutes=minutes)
    assert (refused.value.status, world.balance().held) == (422, 0)


def test_a_launch_beyond_the_last_day_is_refused_with_the_minutes_that_fit(world: World) -> None:
    world.now = world.now.replace(hour=23, minute=0) + timedelta(days=90)
    with pytest.raises(Refusal, match="at most 60 minutes"):
        world.launch(minutes=61)
    assert world.launch(minutes=60).state == S.REQUESTED


def test_a_resource_in_maintenance_takes_no_launches(world: World) -> None:
    Resource.objects.filter(slug="cpu").update(status="maintenance")
    with pytest.raises(Refusal, match="maintenance"):
        world.launch()


def test_a_site_whose_clock_is_off_takes_no_launches(world: World) -> None:
    world.site.skew_s = 2.5
    world.look()
    with pytest.raises(Refusal) as refused:
        world.launch()
    assert refused.value.code == "site_clock"
    world.site.skew_s = 0.5
    world.look()
    assert world.launch().state == S.REQUESTED


def test_a_double_click_launches_once(world: World) -> None:
    id = launch_id_new()
    first, second = world.launch(id=id), world.launch(id=id)
    assert first.pk == second.pk == id
    assert (Session.objects.count(), world.balance().held) == (1, 6_000_000)


def test_a_launch_id_of_somebody_else_is_not_yours(world: World) -> None:
    session = world.launch()
    with pytest.raises(Refusal) as refused:
        world.launch(user=world.founder, id=session.pk)
    assert refused.value.status == 404


def test_too_many_open_sessions_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "OPEN_MAX_PER_PERSON", 2)
    world.launch()
    world.launch()
    with pytest.raises(Refusal) as refused:
        world.launch()
    assert (refused.value.status, world.balance().held) == (429, 12_000_000)


def test_two_launches_cannot_both_have_the_last_credits(world: World) -> None:
    world.launch(minutes=600)
    with pytest.raises(Refusal) as refused:
        world.launch(minutes=600)
    assert refused.value.code == "exceeds_available"
    assert world.balance().available == 40_000_000


def test_only_its_people_stop_a_session(world: World) -> None:
    session = world.ready()
    with pytest.raises(Refusal) as refused:
        world.stop(session, by=world.rival)
    assert refused.value.status == 403
    world.stop(session, by=world.colleague)
    world.stop(session, by=world.colleague)
    world.run(30)
    session.refresh_from_db()
    assert session.state == S.ENDED


# --- what ends elsewhere --------------------------------------------------------------------------------------------------


def test_sessions_end_with_their_allocation_and_what_is_left_returns_to_the_pool(world: World) -> None:
    session = world.ready()
    world.run(100)
    projects.allocation_end(allocation=world.allocation, reason="early", by=world.founder, at=world.now)
    watch.no_longer_allowed(at=world.now)
    world.run(30)
    session.refresh_from_db()
    assert (session.state, session.stop_reason) == (S.ENDED, "allocation_ended")
    assert (world.balance().available, world.balance().held, world.balance().state) == (0, 0, "closed")
    assert world.balance().spent > 0
    world.books()


def test_a_leavers_sessions_stop_and_are_charged(world: World) -> None:
    session = world.ready()
    world.run(100)
    organisations.member_remove(
        organisation=world.allocation.organisation, user=world.colleague, by=world.founder, at=world.now
    )
    watch.no_longer_allowed(at=world.now)
    world.run(30)
    session.refresh_from_db()
    assert (session.stop_reason, world.balance().spent > 0) == ("person_left", True)
    with pytest.raises(Refusal):
        world.launch()


def test_a_deactivated_persons_sessions_stop(world: World) -> None:
    session = world.ready()
    accounts.person_deactivate(user=world.colleague, by=world.founder, at=world.now)
    watch.no_longer_allowed(at=world.now)
    world.run(30)
    session.refresh_from_db()
    assert session.state == S.ENDED


# --- what must not run ----------------------------------------------------------------------------------------------------


def test_what_runs_without_an_open_row_is_stopped_after_three_looks_and_two_minutes(world: World) -> None:
    session = world.ready()
    world.run(60)
    # The books say it is over, the site says it runs: nothing of this kind should happen, so it is the last net.
    Session.objects.filter(pk=session.pk).update(state=S.ENDED, settled_at=world.now)
    world.run(100, step=5)
    assert world.site.servers[session.pk].stop_at is None
    world.run(60, step=5)
    assert world.site.servers[session.pk].ended is not None


def test_many_orphans_at_once_are_stopped_by_nobody_but_an_operator(world: World) -> None:
    sessions = [world.launch(minutes=10) for _ in range(5)]
    world.run(20)
    Session.objects.filter(pk__in=[s.pk for s in sessions]).update(state=S.ENDED, settled_at=world.now)
    world.run(200, step=5)
    assert all(world.site.servers[s.pk].stop_at is None for s in sessions)


# --- the quote ------------------------------------------------------------------------------------------------------------


def test_a_quote_says_the_most_it_can_cost_and_holds_nothing(world: World) -> None:
    offer = quotes.quote(
        user=world.colleague, allocation=world.allocation.code, resource="cpu", profile="small", minutes=120, at=world.now
    )
    said = offer.as_dict()
    assert (said["credits_max"], said["left"]) == ("12", "88")
    assert said["cluster"] == {"workers_max": 2, "credits_max": "36", "left": "52"}
    assert said["formula"] == "1 core × 4 + 2 GiB × 1 = 6 credits per hour"
    assert world.balance().held == 0
    world.launch(minutes=120)
    assert world.balance().held == 12_000_000
