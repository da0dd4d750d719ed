"""A session is told before it ends: of its deadline, and when nobody uses it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import LazySettings, settings
from django.test import Client

from notebooks_svc.sessions import idle, services
from notebooks_svc.sessions.models import Session
from notebooks_svc.sessions.queue import WAITED_LONG
from notebooks_svc.sessions.tokens import session_token
from notebooks_svc.sessions.warning import lab_plan, leads
from portal.accounts.models import User
from portal.audit.models import Letter
from portal.core.errors import NotAllowed

from .conftest import World

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def _plain(settings: LazySettings) -> None:
    """Pages need no collected files here."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


def letters(kind: str) -> list[Letter]:
    """Letters of a kind."""
    return list(Letter.objects.filter(kind=kind))


def signed_in(user: User) -> Client:
    """A browser of a person."""
    browser = Client(HTTP_HOST=settings.PORTAL_HOST)
    browser.force_login(user)
    return browser


def page(session: Session, part: str = "") -> str:
    """The session's page, as its owner sees it."""
    return signed_in(session.user).get(f"/sessions/{session.pk}/{part}").content.decode()


def keep(session: Session, user: User) -> int:
    """Press the button on the session's page; the answer's status."""
    return signed_in(user).post(f"/sessions/{session.pk}/keep/").status_code


def until(world: World, session: Session, left: timedelta) -> None:
    """Let the world go on until so much is left before the deadline."""
    session.refresh_from_db()
    world.run((session.deadline - left - world.now).total_seconds(), step=20, look_every=10**9)
    session.refresh_from_db()


@pytest.mark.parametrize(("minutes", "first", "last"), [(1, 20, 6), (15, 300, 90), (30, 600, 120), (480, 600, 120)])
def test_short_sessions_are_warned_nearer_to_their_end(minutes: int, first: int, last: int) -> None:
    assert leads(minutes) == (timedelta(seconds=first), timedelta(seconds=last))


def test_ten_minutes_before_its_deadline_a_session_is_told_by_page_and_by_one_letter(world: World) -> None:
    session = world.ready(minutes=60)
    until(world, session, timedelta(minutes=11))
    assert letters("session.ends_soon") == []
    assert "It ends at" not in page(session)
    until(world, session, timedelta(minutes=9))
    (letter,) = letters("session.ends_soon")
    assert letter.to == world.colleague.email
    assert letter.subject == "Your notebook ends in 10 minutes"
    assert f"/sessions/{session.pk}/" in letter.body
    said = page(session)
    assert "It ends at" in said
    assert "notice warn" in said
    until(world, session, timedelta(minutes=1))
    assert "notice bad" in page(session, "live/")
    assert len(letters("session.ends_soon")) == 1
    assert [note.text for note in session.notes.all() if "Save your work" in note.text] == [
        "It ends in 10 minutes. Save your work; add time if you need it."
    ]


def test_more_time_means_a_new_warning_before_the_new_deadline(world: World) -> None:
    session = world.ready(minutes=60)
    until(world, session, timedelta(minutes=9))
    services.session_extend(session=session, by=world.colleague, minutes=60, at=world.now)
    assert "It ends at" not in page(session)
    until(world, session, timedelta(minutes=9))
    assert len(letters("session.ends_soon")) == 2


def test_a_session_too_short_to_read_a_letter_is_told_on_its_page_alone(world: World) -> None:
    session = world.ready(minutes=5)
    until(world, session, timedelta(seconds=60))
    assert "It ends at" in page(session)
    assert session.notes.filter(text__startswith="It ends in").count() == 1
    assert letters("session.ends_soon") == []


def test_a_portal_that_was_away_tells_how_much_is_left_now(world: World) -> None:
    session = world.ready(minutes=60)
    world.now = session.deadline - timedelta(minutes=6)
    world.site.now = world.now.timestamp()
    world.run(2)
    assert letters("session.ends_soon")[0].subject == "Your notebook ends in 6 minutes"


def test_jupyterlab_is_told_what_to_say_and_when_to_save_in_seconds_from_now(world: World) -> None:
    session = world.ready(minutes=60)
    world.now = session.deadline - timedelta(minutes=12)
    plan = lab_plan(session, at=world.now)
    assert [message["in_s"] for message in plan["messages"]] == [120.0, 600.0]
    assert plan["saves"] == [690.0, 715.0]
    world.now = session.deadline - timedelta(seconds=10)
    plan = lab_plan(session, at=world.now)
    assert plan["saves"] == [5.0]
    (late,) = plan["messages"]  # who opens it now is told at once, and only how it is
    assert (late["in_s"], late["text"][:34]) == (0.0, "This notebook ends in 10 seconds. ")


def test_only_the_sessions_own_token_reads_the_plan(world: World) -> None:
    session, ask = world.ready(minutes=60), "/data/v1/session"
    browser = Client(HTTP_HOST=settings.PORTAL_HOST)
    assert browser.get(ask).status_code == 401
    assert browser.get(ask, headers={"Authorization": f"Bearer {session_token(session)[:-2]}"}).status_code == 401
    answer = browser.get(ask, headers={"Authorization": f"Bearer {session_token(session)}"})
    assert len(answer.json()["messages"]) == 2


def test_the_page_promises_a_letter_to_those_alone_who_get_one(world: World) -> None:
    world.site.boot_takes_s = None
    session = world.launch()
    world.run(1)
    Session.objects.filter(pk=session.pk).update(state="queued", waiting="All machines of this size are busy.")
    said = page(session, "live/")
    assert timedelta(minutes=2) == WAITED_LONG
    assert "when it has waited 2 minutes or more, a letter tells you that it starts" in said


# --- nobody uses it -------------------------------------------------------------------------------------------------------


@pytest.fixture
def unused(world: World, settings: LazySettings) -> Session:
    """A session of four hours that nobody has used for the last of its two."""
    settings.IDLE_MINUTES = 60
    session = world.ready(minutes=240)
    world.site.used[session.pk] = world.now.timestamp() + 3600
    world.now += timedelta(hours=2)
    world.site.now = world.now.timestamp()
    return session


def look(world: World, session: Session) -> int:
    """One round of the idle sweep."""
    ended = idle.idle_sessions(at=world.now)
    session.refresh_from_db()
    return ended


def test_who_is_not_using_it_is_warned_by_letter_and_page_and_then_it_ends(world: World, unused: Session) -> None:
    assert look(world, unused) == 0
    (letter,) = letters("session.idle")
    assert letter.to == world.colleague.email
    assert "Keep it running" in letter.body
    assert unused.idle_end == world.now + timedelta(minutes=15)
    said = page(unused)
    assert "Nobody uses this notebook" in said
    assert "Keep it running" in said
    world.now += timedelta(minutes=14)
    assert look(world, unused) == 0
    world.now += timedelta(minutes=1)
    assert look(world, unused) == 1
    assert (unused.target_state, unused.stop_reason) == ("ended", "idle")
    assert len(letters("session.idle")) == 1
    world.run(20)
    unused.refresh_from_db()
    assert unused.state == "ended"
    world.books()


def test_one_that_is_used_again_goes_on(world: World, unused: Session) -> None:
    look(world, unused)
    world.site.used[unused.pk] = world.now.timestamp() + 60
    world.now += timedelta(minutes=20)
    assert look(world, unused) == 0
    assert unused.idle_end is None
    assert "Keep it running" not in page(unused)
    assert unused.notes.last().text == "It is in use again and goes on."


def test_its_owner_keeps_it_and_nobody_else_does(world: World, unused: Session) -> None:
    look(world, unused)
    assert keep(unused, world.rival) == 404
    with pytest.raises(NotAllowed):
        idle.session_keep(session=unused, by=world.founder, at=world.now)
    unused.refresh_from_db()
    assert unused.idle_end is not None
    assert keep(unused, world.colleague) == 302
    world.now += timedelta(minutes=59)
    assert look(world, unused) == 0
    assert unused.idle_end is None
    world.now += timedelta(minutes=1)
    look(world, unused)
    assert unused.idle_end is not None, "an hour later it is asked again"


def test_a_hub_that_does_not_answer_says_nothing_about_use(world: World, unused: Session) -> None:
    look(world, unused)
    end = unused.idle_end
    world.site.hub_up = False
    world.now += timedelta(hours=1)
    assert look(world, unused) == 0
    assert (unused.target_state, unused.idle_end) == ("ready", end)


def test_a_session_whose_cluster_works_is_in_use(world: World, settings: LazySettings) -> None:
    from notebooks_svc.sessions import clusters

    settings.IDLE_MINUTES = 60
    session = world.ready(minutes=240, profile="medium")
    clusters.cluster_grant(launch=session.pk, hub_username=world.colleague.hub_username, at=world.now)
    world.now += timedelta(hours=2)
    assert look(world, session) == 0
    assert session.idle_end is None


def test_an_installation_may_end_none(world: World, unused: Session, settings: LazySettings) -> None:
    settings.IDLE_MINUTES = 0
    look(world, unused)
    assert unused.idle_end is None
