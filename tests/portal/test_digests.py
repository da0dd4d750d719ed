"""One mail a day for those who wish it, in their own morning; what concerns access, money or a decision never waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client

from portal.accounts import services as accounts
from portal.accounts.models import User
from portal.audit import services as audit
from portal.audit.digests import may_wait, morning_after
from portal.audit.models import Letter
from tests.support import portal

pytestmark = pytest.mark.django_db(databases="__all__")
NAIROBI = "Africa/Nairobi"  # seven there is four in UTC


@pytest.fixture
def reader(now: datetime, settings: Any) -> User:
    """Somebody in Nairobi who wishes one mail a day."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    person = portal.person("reader", at=now)
    accounts.person_change(user=person, full_name="Reader", time_zone=NAIROBI, mail_rhythm="daily", at=now)
    return person


def write(to: User, subject: str, *, at: datetime, kind: str = "message") -> Letter:
    return audit.letter_queue(kind=kind, to=to, subject=subject, body=f"About {subject}.\n", at=at)


def test_letters_of_a_day_are_one_mail_in_the_persons_morning(reader: User, now: datetime) -> None:
    for hours, subject in ((0, "one"), (3, "two"), (15, "three")):  # 12:00, 15:00 and 03:00 in Nairobi
        write(reader, subject, at=now + timedelta(hours=hours))
    morning = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
    assert audit.letters_send(at=morning - timedelta(seconds=1)) == 0
    assert audit.letters_send(at=morning) == 1
    assert audit.letters_send(at=morning) == 0  # a second look sends nothing more
    (sent,) = mail.outbox
    assert sent.to == [reader.email]
    assert sent.subject == "3 news from Compute Commons: one …"
    body = str(sent.body)
    assert body.index("About one.") < body.index("About two.") < body.index("About three.")
    assert f"{settings.PORTAL_URL}/me/" in body
    assert not Letter.objects.filter(sent_at__isnull=True).exists()


def test_what_is_written_after_the_morning_waits_for_the_next(reader: User, now: datetime) -> None:
    write(reader, "late", at=datetime(2026, 3, 3, 4, 0, tzinfo=UTC))
    audit.letters_send(at=datetime(2026, 3, 4, 3, 59, tzinfo=UTC))
    assert mail.outbox == []
    audit.letters_send(at=datetime(2026, 3, 4, 4, 0, tzinfo=UTC))
    assert [sent.subject for sent in mail.outbox] == ["late"]  # one alone keeps its subject


@pytest.mark.parametrize(
    "kind", ["security.malware", "person.roles", "allocation.budget", "session.idle", "storage.ending", "application.decided"]
)
def test_security_and_money_go_at_once(reader: User, now: datetime, kind: str) -> None:
    write(reader, "urgent", at=now, kind=kind)
    write(reader, "not urgent", at=now)
    audit.letters_send(at=now)
    assert [sent.subject for sent in mail.outbox] == ["urgent"]


def test_who_wishes_each_mail_gets_each_at_once(reader: User, now: datetime) -> None:
    other = portal.person("other", at=now)
    write(other, "now", at=now)
    write(reader, "tomorrow", at=now)
    audit.letters_send(at=now)
    assert [sent.to for sent in mail.outbox] == [[other.email]]


def test_who_changes_their_mind_gets_what_waited(reader: User, now: datetime) -> None:
    write(reader, "waiting", at=now)
    accounts.person_change(user=reader, full_name="Reader", time_zone=NAIROBI, mail_rhythm="each", at=now)
    audit.letters_send(at=now)
    assert [sent.subject for sent in mail.outbox] == ["waiting"]


def test_a_mail_that_is_not_taken_is_tried_again_and_nothing_is_lost(
    reader: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(reader, "one", at=now)
    write(reader, "two", at=now)
    morning = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
    with monkeypatch.context() as down:
        down.setattr("portal.audit.services.send_mail", _refuse)
        assert audit.letters_send(at=morning) == 0
    assert audit.letters_send(at=morning) == 0
    assert audit.letters_send(at=morning + timedelta(seconds=31)) == 1
    assert mail.outbox[0].subject.startswith("2 news")


def _refuse(*_: object) -> None:
    raise OSError("the mail server is away")


@pytest.mark.parametrize(
    ("written", "zone", "morning"),
    [
        ("2026-03-02T05:59:00+00:00", "Europe/Copenhagen", "2026-03-02T06:00:00+00:00"),
        ("2026-03-02T06:00:00+00:00", "Europe/Copenhagen", "2026-03-03T06:00:00+00:00"),
        ("2026-03-28T12:00:00+00:00", "Europe/Copenhagen", "2026-03-29T05:00:00+00:00"),  # the clock moved that night
        ("2026-03-02T23:00:00+00:00", "Pacific/Auckland", "2026-03-03T18:00:00+00:00"),
    ],
)
def test_the_morning_is_by_the_persons_clock(written: str, zone: str, morning: str) -> None:
    assert morning_after(datetime.fromisoformat(written), zone=ZoneInfo(zone)) == datetime.fromisoformat(morning)


def test_a_person_chooses_on_their_page(reader: User) -> None:
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(reader)
    said = {"full_name": "Reader", "time_zone": "Europe/Paris", "mail_rhythm": "each"}
    assert client.post("/me/", {**said, "mail_rhythm": "hourly"}).status_code == 422
    assert client.post("/me/", said).status_code == 302
    reader.refresh_from_db()
    assert (reader.mail_rhythm, reader.time_zone) == ("each", "Europe/Paris")


def test_kinds_that_wait() -> None:
    assert may_wait("message")
    assert may_wait("review.invited")
    assert not may_wait("person.roles")
