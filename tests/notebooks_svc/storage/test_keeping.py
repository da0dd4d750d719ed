"""What a project keeps is measured, charged by the day with a line that explains itself, and never more than is there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from allocations.ledger import services as ledger
from allocations.ledger.selectors import balance
from allocations.projects import reclaim, services
from allocations.projects.models import ReclaimNotice
from allocations.projects.statement import statement
from notebooks_svc.sessions import quotes
from notebooks_svc.storage import keeping
from notebooks_svc.storage.models import Keeping, KeptDay
from portal.audit.models import Letter
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.core.quantities import MICRO, credits_text

from .conftest import GIB, Ground

pytestmark = pytest.mark.django_db(databases="__all__")


def spent(ground: Ground) -> str:
    """Credits spent, as text."""
    return credits_text(balance(code=ground.allocation.account).spent)


def test_a_day_is_charged_once_and_its_line_says_bytes_hours_and_rate(ground: Ground) -> None:
    ground.write(ground.founder, "big.bin", size=3 * GIB)
    ground.sweep()
    ground.hours(14)  # from nine in the morning to eleven at night
    assert spent(ground) == "0", "a day is charged when it is over"
    ground.hours(1)
    # 3 GiB − 1 GiB free, for 15 hours, at half a credit
    assert spent(ground) == "15"
    for _ in range(3):
        ground.sweep()
    assert spent(ground) == "15"
    post, hold = statement(allocation=ground.allocation, limit=2)
    assert (post.kind, hold.kind, post.resource) == ("post", "hold", "storage")
    assert post.text == "Files kept on 2 March 2026: 3 GiB on average for 15 h, 1 GiB free"
    assert post.formula == "30.000 GiB-hours above the free part × 0.5 = 15"
    ground.books()


def test_the_free_part_costs_nothing(ground: Ground) -> None:
    ground.write(ground.founder, "small.bin", size=GIB)
    ground.sweep()
    ground.hours(40)
    assert spent(ground) == "0"
    assert KeptDay.objects.filter(keeping=ground.kept(), settled_at__isnull=False, charge=0).exists()
    assert len(statement(allocation=ground.allocation)) == 1, "the grant alone: a free day writes no line"


def test_between_two_measurements_the_smaller_figure_counts_and_what_was_not_measured_is_free(ground: Ground) -> None:
    file = ground.write(ground.founder, "big.bin", size=2 * GIB)
    ground.sweep()
    file.write_bytes(b"")
    with file.open("r+b") as handle:
        handle.truncate(3 * GIB)
    ground.hours(1)
    day = KeptDay.objects.get(keeping=ground.kept())
    assert day.byte_seconds == 2 * GIB * 3600
    ground.later(hours=10)  # the portal was away
    ground.sweep()
    day.refresh_from_db()
    assert day.seconds == 3600 + 2 * 3600
    file.unlink()
    ground.hours(1)
    day.refresh_from_db()
    assert day.charged_byte_seconds == GIB * 3600 + 2 * GIB * 2 * 3600, "nothing for the hour in which it was deleted"


def test_an_hour_over_midnight_is_shared_between_the_days(ground: Ground) -> None:
    ground.write("shared", "big.bin", size=2 * GIB)
    ground.later(hours=14, minutes=30)  # half past eleven
    ground.sweep()
    ground.hours(1)
    days = dict(KeptDay.objects.filter(keeping=ground.kept()).values_list("day", "seconds"))
    assert sorted(days.values()) == [1800, 1800]


def test_what_no_credits_are_left_for_is_written_down_and_not_owed(ground: Ground) -> None:
    ground.write(ground.founder, "big.bin", size=4 * GIB)
    ground.sweep()
    left = balance(code=ground.allocation.account).available
    account = ground.allocation.account
    ledger.hold(
        id="run-1", allocation=account, amount=left - MICRO, resource="cpu", subject="x", at=ground.now, expires_at=None
    )
    ground.hours(16)
    day = KeptDay.objects.filter(keeping=ground.kept()).last()
    assert day is not None
    assert (day.charge, day.uncharged) == (MICRO, 45 * MICRO // 2 - MICRO)
    assert "The rest is not owed" in statement(allocation=ground.allocation, limit=1)[0].reason
    ground.hours(24)
    assert spent(ground) == "1"
    ground.books()


def test_a_suspended_or_ended_project_pays_nothing(ground: Ground) -> None:
    ground.write(ground.founder, "big.bin", size=4 * GIB)
    ground.sweep()
    services.allocation_suspend(allocation=ground.allocation, reason="A question.", by=ground.officer, at=ground.now)
    ground.hours(20)
    assert spent(ground) == "0"
    services.allocation_end(allocation=ground.allocation, reason="Over.", by=ground.founder, at=ground.now)
    ground.hours(30)
    assert spent(ground) == "0"
    ground.books()


def test_files_that_lie_are_no_use_so_idle_credits_are_still_reclaimed(ground: Ground) -> None:
    ground.write(ground.founder, "big.bin", size=4 * GIB)
    ground.sweep()
    notice = reclaim.reclaim_announce(
        allocation=ground.allocation, amount=MICRO, reason="Idle.", by=ground.officer, at=ground.now
    )
    ground.hours(40)
    assert spent(ground) != "0"
    reclaim.reclaims_due(at=ground.now)
    notice.refresh_from_db()
    assert notice.state == ReclaimNotice.State.GIVEN


def test_passing_the_quota_is_told_once_and_ends_when_something_is_removed(ground: Ground) -> None:
    file = ground.write(ground.founder, "big.bin", size=5 * GIB)
    ground.sweep()
    ground.hours(3)
    told = Letter.objects.filter(kind="storage.quota_passed")
    assert told.count() == 1
    assert "4 GiB" in told.get().body
    assert ground.kept().over_since is not None
    assert ground.kept(ground.rivals).over_since is None
    file.unlink()
    ground.hours(1)
    assert ground.kept().over_since is None


def test_beyond_the_quota_only_the_smallest_size_is_launched_until_something_is_removed(ground: Ground) -> None:
    def offered(profile: str, allocation: Any = None, by: Any = None) -> str:
        asked = {"resource": "cpu", "profile": profile, "minutes": 30, "at": ground.now}
        try:
            quotes.quote(user=by or ground.founder, allocation=(allocation or ground.allocation).code, **asked)
        except Refusal as refusal:
            said.append(refusal.message)
            return refusal.code
        return "offered"

    said: list[str] = []

    file = ground.write(ground.founder, "big.bin", size=5 * GIB)
    assert offered("medium") == "offered"
    ground.sweep()
    assert (offered("medium"), offered("small")) == ("quota_passed", "offered")
    assert "5 GiB, more than its quota of 4 GiB" in said[0]
    assert "only the size “small”" in said[0]
    assert offered("medium", ground.rivals, ground.rival) == "offered"
    ground.later(minutes=20)
    file.unlink()
    assert offered("medium") == "quota_passed", "as last measured"
    ground.later(minutes=1)
    ground.sweep()  # asked for by the refusal: not only at the next full hour
    assert offered("medium") == "offered"


def test_use_and_kept_days_add_up_to_what_was_spent(ground: Ground, signed_in: Any) -> None:
    from portal.api.tokens import token_create

    ground.write(ground.founder, "big.bin", size=3 * GIB)
    ground.sweep()
    ground.hours(50)
    headers = {"HTTP_AUTHORIZATION": f"Bearer {token_create(user=ground.founder, name='t', at=ground.now)}"}
    browser = signed_in(ground.founder)
    said = browser.get(f"/api/v1/allocations/{ground.allocation.code}/files", **headers).json()
    days = [day for day in said["days"] if day["charge"] is not None]
    assert [(day["gib_hours"], day["gib_hours_charged"], day["charge"]) for day in days] == [
        (72.0, 48.0, "24"),
        (45.0, 30.0, "15"),
    ]
    used = browser.get("/api/v1/usage", **headers).json()["items"]
    assert sum(float(row["charge"]) for row in used) + sum(float(day["charge"]) for day in days) == float(spent(ground))


def test_an_officer_of_elsewhere_changes_a_quota_and_nobody_else(ground: Ground) -> None:
    ground.sweep()
    for by in (ground.founder, ground.rival):
        with pytest.raises(NotAllowed):
            keeping.quota_set(allocation=ground.allocation, gib=50, by=by, at=ground.now)
    with pytest.raises(Malformed):
        keeping.quota_set(allocation=ground.allocation, gib=0, by=ground.officer, at=ground.now)
    assert ground.kept().quota_bytes == 4 * GIB
    keeping.quota_set(allocation=ground.allocation, gib=50, by=ground.officer, at=ground.now)
    assert ground.kept().quota_bytes == 50 * GIB


def test_a_site_that_is_silent_changes_no_figure(ground: Ground) -> None:
    ground.write(ground.founder, "big.bin", size=2 * GIB)
    ground.sweep()
    ground.allocation.resources.get().resource.site.__class__.objects.update(agent_url="http://127.0.0.1:2")
    ground.hours(1)
    assert ground.kept().folder_bytes == 2 * GIB


def test_the_price_and_the_free_part_are_those_of_the_first_day(ground: Ground, settings: Any) -> None:
    ground.sweep()
    settings.STORAGE_GIB_HOUR, settings.STORAGE_FREE_BYTES = 9 * MICRO, 0
    ground.hours(2)
    assert (ground.kept().gib_hour, ground.kept().free_bytes) == (MICRO // 2, GIB)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("storage_what_is_kept_is_never_negative", {"quota_bytes": 0}),
        ("storage_files_are_deleted_on_a_day_that_was_told", {"deleted_at": "2026-03-02T00:00Z"}),
    ],
)
def test_the_database_keeps_what_is_promised(ground: Ground, name: str, wrong: dict[str, Any]) -> None:
    ground.sweep()
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Keeping.objects.filter(pk=ground.kept().pk).update(**wrong)


def test_a_day_is_one_row_and_charges_no_more_than_was_kept(ground: Ground) -> None:
    ground.sweep()
    kept, day = ground.kept(), ground.now.date()
    KeptDay.objects.create(keeping=kept, day=day)
    # SQLite names the columns of a broken unique constraint, PostgreSQL the constraint.
    with pytest.raises(IntegrityError, match=r"storage_each_day_is_counted_once|keeping_id, .*day"), transaction.atomic():
        KeptDay.objects.create(keeping=kept, day=day)
    with pytest.raises(IntegrityError, match="storage_no_more_is_charged_than_is_kept"), transaction.atomic():
        KeptDay.objects.create(keeping=kept, day=day - timedelta(days=1), byte_seconds=1, charged_byte_seconds=2)


def test_the_page_says_sizes_costs_and_days_in_queries_that_do_not_grow(ground: Ground, signed_in: Any) -> None:
    ground.write(ground.founder, "big.bin", size=3 * GIB)
    ground.sweep()
    browser, page = signed_in(ground.founder), f"/allocations/{ground.allocation.code}/files/"
    browser.get(page)
    counted = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            text = browser.get(page).content.decode()
        counted.append(len(queries))
        ground.hours(60)
    assert counted[0] == counted[1] <= 16
    for words in (
        "3.0\xa0GB",
        "4.0\xa0GB",
        "are free",
        "0.5 credits an hour",
        "Download all as one zip",
    ):
        assert words in text
    assert "Day by day" in text
    allocation_page = browser.get(f"/allocations/{ground.allocation.code}/").content.decode()
    assert "3.0\xa0GB of 4.0\xa0GB" in allocation_page


def test_the_page_offers_the_quota_to_officers_and_files_to_the_team_alone(ground: Ground, signed_in: Any) -> None:
    ground.sweep()
    page = f"/allocations/{ground.allocation.code}/files/"
    assert signed_in(ground.rival).get(page).status_code == 404
    officer = signed_in(ground.officer)
    text = officer.get(page).content.decode()
    assert "Quota in GiB" in text
    assert "Download all" not in text
    assert officer.post(page, {"gib": "0"}).status_code == 422
    assert officer.post(page, {"gib": "9"}).status_code == 302
    assert ground.kept().quota_bytes == 9 * GIB
    assert "Quota in GiB" not in signed_in(ground.founder).get(page).content.decode()
    assert signed_in(ground.founder).post(page, {"gib": "99"}).status_code in (200, 403)
    assert ground.kept().quota_bytes == 9 * GIB
