"""A launch at a batch site waits free of charge, says why, and its boot has a clock of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allocations.catalogue.models import Profile, Resource, Site
from allocations.projects.models import AllocationResource
from notebooks_svc.sessions import estimates, looking, mirror, services
from notebooks_svc.sessions.doors.agent import AgentUnreachable
from notebooks_svc.sessions.models import Session
from notebooks_svc.sessions.spec import session_spec
from notebooks_svc.wire import Look, LookItem, MirrorAccount, MirrorAnswer, TestAnswer, TestAsk
from portal.audit.models import Letter
from portal.core.quantities import MICRO
from portal.organisations.models import Membership

from .conftest import World


@pytest.fixture
def batch(world: World) -> World:
    """The world, its site run by a scheduler."""
    Site.objects.update(engine="slurm")
    Resource.objects.update(partition="hpc")
    return world


def look(world: World, session: Session, **facts: object) -> None:
    """What the site says of one launch."""
    item = LookItem.model_validate(
        {"id": session.pk, "kind": "session", "parent": "", "state": "alive", "source": "scheduler", **facts}
    )
    site = Site.objects.get()
    looking.look_apply(site=site, look=Look(instance="x", now=world.now.timestamp(), complete=True, items=[item]), at=world.now)
    session.refresh_from_db()


def sent(world: World, minutes: int = 60) -> Session:
    """A launch that was handed to the site."""
    world.site.boot_takes_s = None
    session = world.launch(minutes=minutes)
    world.run(1)
    session.refresh_from_db()
    return session


def test_it_waits_in_the_queue_with_the_sites_reason_and_starts_when_it_left(batch: World) -> None:
    session = sent(batch)
    assert session.state == "queued"
    starts = batch.now.timestamp() + 600
    look(batch, session, waiting="All machines of this size are busy; it starts when one is free.", starts=starts)
    assert session.state == "queued"
    assert session.waiting.startswith("All machines")
    assert session.starts_at.timestamp() == starts
    batch.now += timedelta(minutes=30)
    look(batch, session, started=batch.now.timestamp())
    assert (session.state, session.waiting, session.starts_at) == ("starting", "", None)
    letter = Letter.objects.get(kind="session.starting")
    assert letter.to == batch.colleague.email
    look(batch, session, started=batch.now.timestamp())
    assert Letter.objects.filter(kind="session.starting").count() == 1


def test_one_that_starts_at_once_sends_no_letter(batch: World) -> None:
    session = sent(batch)
    look(batch, session, started=batch.now.timestamp())
    assert session.state == "starting"
    assert not Letter.objects.filter(kind="session.starting").exists()


def test_hours_in_the_queue_are_no_slow_boot_and_cost_nothing(batch: World) -> None:
    session = sent(batch)
    look(batch, session, waiting="Others asked before you; your turn comes by itself.")
    batch.run(3 * 3600, step=60, look_every=10**9, deliver=False)
    session.refresh_from_db()
    assert (session.state, session.target_state) == ("queued", "ready")
    services.session_stop(session=session, by=batch.colleague, reason="person", at=batch.now)
    look(batch, session, state="gone", ended=batch.now.timestamp(), reason="stopped")
    assert session.state == "ended"
    assert batch.spent() == "0"
    assert batch.balance().held == 0
    batch.books()


def test_the_boots_own_clock_begins_when_the_queue_was_left(batch: World) -> None:
    session = sent(batch)
    batch.run(3600, step=60, look_every=10**9, deliver=False)
    look(batch, session, started=batch.now.timestamp())
    batch.run(100, step=10, look_every=10**9, deliver=False)
    session.refresh_from_db()
    assert session.target_state == "ready"
    batch.run(120, step=10, look_every=10**9, deliver=False)
    session.refresh_from_db()
    assert (session.target_state, session.stop_reason) == ("ended", "boot_over")


def test_an_unknown_answer_changes_nothing(batch: World) -> None:
    session = sent(batch)
    before = Session.objects.values().get(pk=session.pk)
    look(batch, session, state="unknown")
    assert Session.objects.values().get(pk=session.pk) == before


@pytest.mark.parametrize(
    ("reason", "failure"),
    [
        ("refused: partition_gone", "partition_gone"),
        ("refused: walltime", "walltime"),
        ("refused: no_association", "no_association"),
        ("refused: size_unavailable", "size_unavailable"),
        ("refused: budget_fence", "budget_fence"),
        ("home_unwritable", "home_unwritable"),
        ("out of memory", "out_of_memory"),
        ("node_fail", "node_lost"),
        ("boot_fail", "node_lost"),
        ("boot_timeout", "boot_timeout"),
        ("exited", "boot_failed"),
        ("something new", "site_error"),
    ],
)
def test_each_bad_end_before_it_was_ready_has_its_entry_and_costs_nothing(batch: World, reason: str, failure: str) -> None:
    session = sent(batch)
    look(batch, session, started=batch.now.timestamp() - 5, state="gone", ended=batch.now.timestamp(), reason=reason)
    assert (session.state, session.failure) == ("failed", failure)
    assert batch.spent() == "0"
    assert session.notes.last().text.endswith("0 credits charged.")
    batch.books()


def test_the_spec_carries_what_the_scheduler_is_told_and_nothing_else(batch: World) -> None:
    session = sent(batch)
    spec = session_spec(launch=session.pk, hub_username=batch.colleague.hub_username)
    assert spec.engine == "slurm"
    assert spec.batch.model_dump() == {
        "hub_username": batch.colleague.hub_username,
        "account": batch.allocation.code.lower(),
        "partition": "hpc",
        "cores": 1,
        "memory_gib": 2,
        "gpus": 0,
        "budget_minutes": spec.batch.budget_minutes,
    }
    # 100 credits are 6,000 billing minutes; the fence stands a little behind, never before.
    assert 6_000 <= spec.batch.budget_minutes <= 7_000


def test_the_mirror_names_todays_people_and_what_is_left(batch: World) -> None:
    site = Site.objects.get()
    mine = {batch.founder.hub_username, batch.colleague.hub_username}
    (account,) = [a for a in mirror.mirror_wanted(site=site) if a.account == batch.allocation.code.lower()]
    assert set(account.people) == mine
    before = account.budget_minutes
    Membership.objects.filter(user=batch.colleague).update(left_at=batch.now)
    batch.founder.is_active, batch.founder.deactivated_at = False, batch.now
    batch.founder.save()
    (account,) = mirror.mirror_wanted(site=site)
    assert account.people == []
    assert account.budget_minutes == before
    batch.allocation.state = "suspended"
    batch.allocation.save()
    assert mirror.mirror_wanted(site=site) == []


def test_a_rate_that_was_frozen_cheaper_does_not_move_the_fence_before_the_credits(batch: World) -> None:
    row = AllocationResource.objects.select_related("resource").get(allocation=batch.allocation)
    cheap = {**row.rate_frozen, "core_hour": row.resource.core_hour // 2}
    dear = mirror.budget_minutes(batch.balance(), row.resource, row.rate)
    assert mirror.budget_minutes(batch.balance(), row.resource, type(row.rate).from_dict(cheap)) >= 2 * (dear - 500)


def test_the_mirror_goes_on_when_a_site_is_silent(batch: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[list[MirrorAccount]] = []

    class Agent:
        def accounts_sync(self, accounts: list[MirrorAccount], *, asked: float) -> MirrorAnswer:
            tried.append(accounts)
            if len(tried) == 1:
                raise AgentUnreachable("away")
            return MirrorAnswer(changes=["made one"])

    monkeypatch.setattr(mirror, "agent_door", lambda url: Agent())
    assert mirror.sites_mirror(at=batch.now) == 0
    assert mirror.sites_mirror(at=batch.now) == 1


def test_a_quote_asks_the_scheduler_once_a_minute_and_a_launch_never(batch: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[TestAsk] = []

    class Agent:
        def test_only(self, ask: TestAsk) -> TestAnswer:
            asked.append(ask)
            return TestAnswer(starts_in_s=240)

    monkeypatch.setattr(estimates, "agent_door", lambda url: Agent())
    resource, profile = Resource.objects.select_related("site").get(slug="cpu"), Profile.objects.get(slug="small")
    say = {"resource": resource, "profile": profile, "minutes": 60}
    assert estimates.starts_in(**say, ask=False) is None
    assert [estimates.starts_in(**say, ask=True) for _ in range(3)] == [250, 250, 250]
    assert estimates.starts_in(**say, ask=False) is None
    assert len(asked) == 1
    assert (asked[0].batch.partition, asked[0].minutes) == ("hpc", 60)


def test_credits_are_billing_minutes_times_sixty(batch: World) -> None:
    resource = Resource.objects.get(slug="cpu")
    assert (resource.core_hour, resource.gib_hour) == (4 * MICRO, MICRO)
