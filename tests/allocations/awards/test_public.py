"""What everybody may see, and what nobody may find out."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from allocations.applications.models import Application
from allocations.awards import automatic, services
from allocations.awards.figures import SMALL, Kinds, Row, figures, region_cells, told_kinds
from portal.threads.services import message_post
from tests.support.programme import Programme

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    caches["local"].clear()


def public(path: str) -> Any:
    """What a stranger sees."""
    return Client(headers={"host": settings.PORTAL_HOST}).get(path)


def test_the_register_lists_published_awards_and_nothing_else(programme: Programme) -> None:
    awarded, rejected = programme.judged(title="=Maize"), programme.judged(by=programme.rival, title="Fish")
    waiting = programme.sent(title="Waiting")
    programme.award(awarded, credits=120)
    services.application_reject(application=rejected, reason="Secret reason.", by=programme.officer, at=programme.now)
    page = public("/awards/").content.decode()
    assert "=Maize" in page
    for secret in ("Fish", "Waiting", "Secret reason", programme.founder.full_name):
        assert secret not in page
    (row,) = public("/data/awards.json").json()["awards"]
    assert (row["title"], row["organisation"], row["credits"], row["decided_by_rule"]) == ("=Maize", "Savanna", "120", False)
    table = list(csv.DictReader(io.StringIO(b"".join(public("/data/awards.csv").streaming_content).decode())))
    assert [line["title"] for line in table] == ["'=Maize"]  # a spreadsheet does not compute it
    assert waiting.code not in page


def test_a_held_award_is_not_in_the_register(programme: Programme) -> None:
    from allocations.awards.terms import Terms
    from portal.core.quantities import MICRO

    row = programme.judged()
    services.application_award(
        application=row, terms=Terms(MICRO, 1, ["cpu"]), reason="x", by=programme.officer, at=programme.now, hold=True
    )
    assert public("/data/awards.json").json()["awards"] == []


def test_an_embargo_keeps_names_out_until_its_day(programme: Programme) -> None:
    row = programme.judged(title="Patent")
    programme.award(row)
    officer = Client(headers={"host": settings.PORTAL_HOST})
    officer.force_login(programme.officer)
    assert officer.post(f"/applications/{row.code}/embargo/", {"until": "2026-04-01"}).status_code == 422
    officer.post(f"/applications/{row.code}/embargo/", {"until": "2026-04-01", "reason": "A patent is being filed."})
    (entry,) = public("/data/awards.json").json()["awards"]
    assert (entry["title"], entry["organisation"], entry["country"]) == ("under embargo", "under embargo", "KE")
    assert "Patent" not in public("/awards/?q=Patent").content.decode().split("</form>")[-1]
    programme.later(days=31)
    assert public("/data/awards.json").json()["awards"][0]["title"] == "Patent"
    founder = Client(headers={"host": settings.PORTAL_HOST})
    founder.force_login(programme.founder)
    assert founder.post(f"/applications/{row.code}/embargo/", {"until": "2027-01-01", "reason": "x"}).status_code == 403


def test_figures_hide_small_counts_also_from_subtraction() -> None:
    assert told_kinds({"micro": 20, "small": 9, "medium": 3}) == {"micro"}
    assert told_kinds({"micro": 20, "small": 3, "medium": 4}) == {"micro"}
    assert told_kinds({"micro": 20, "small": 9}) == {"micro", "small"}


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(min_value=1, max_value=50), max_size=6))
def test_no_hidden_group_can_be_found_from_the_total(counts: dict[str, int]) -> None:
    told = told_kinds(counts)
    hidden = [count for kind, count in counts.items() if kind not in told]
    assert all(counts[kind] >= SMALL for kind in told)
    assert not hidden or sum(hidden) >= SMALL or not told


def test_time_to_decision_is_that_of_published_decisions(programme: Programme) -> None:
    rows = [programme.judged(credits=10) for _ in range(3)] + [
        programme.judged(by=programme.rival, credits=10) for _ in range(3)
    ]
    for days, row in enumerate(rows, start=1):
        programme.now = row.submitted_at  # type: ignore[assignment]
        programme.award(row, credits=10) if days % 2 else services.application_reject(
            application=row, reason="x", by=programme.officer, at=programme.later(days=days)
        )
        Application.objects.filter(pk=row.pk).update(decided_at=programme.now)
    found = figures(call=programme.build, at=programme.later(days=1))
    assert (found.submitted, found.decided, found.awarded) == (6, 6, 3)
    assert (found.days_p50, found.days_p90) == (0.0, 6.0)
    assert [cell.decided for cell in found.by_country] == [None, None]
    page = public("/awards/figures/").content.decode()
    assert "nine in ten within <b>6</b>" in page
    assert "too few to tell" in page


def test_the_register_of_rules_shows_the_rule_and_how_often_it_decided(programme: Programme) -> None:
    programme.sent("starter")
    automatic.decide_due(at=programme.now)
    page = public("/awards/rules/").content.decode()
    assert "Your enterprise qualifies, the form is complete" in page
    assert "1 decision by rule so far" in page


def test_nothing_public_asks_more_than_ten_questions(programme: Programme, django_assert_max_num_queries: Any) -> None:
    for _ in range(3):
        programme.award(programme.judged(credits=10), credits=10)
    for path in (
        "/calls/",
        "/calls/build/",
        "/awards/",
        "/awards/figures/",
        "/awards/rules/",
        "/data/awards.json",
        "/data/calls.json",
    ):
        with django_assert_max_num_queries(10):
            assert public(path).status_code == 200


@given(
    counts=st.dictionaries(
        st.tuples(st.sampled_from(["DE", "FR", "KE"]), st.sampled_from(["north", "south", "west"])), st.integers(1, 12)
    )
)
def test_no_hidden_region_can_be_found_from_its_countrys_figures(counts: dict[tuple[str, str], int]) -> None:
    kinds = {number: Kinds(country, "small", "x", f"{country} {name}") for number, (country, name) in enumerate(counts)}
    rows = [Row(1, "awarded", None, None, number) for number, count in enumerate(counts.values()) for _ in range(count)]
    by_country: dict[str, int] = {}
    for (country, _), count in counts.items():
        by_country[country] = by_country.get(country, 0) + count
    told, cells = told_kinds(by_country), {cell.kind: cell.decided for cell in region_cells(rows, kinds)}
    assert set(cells) == {kind.region for kind in kinds.values()}
    for country, total in by_country.items():
        shown = [cells[f"{of} {name}"] for of, name in counts if of == country]
        if country not in told:
            assert set(shown) == {None}
            continue
        hidden = total - sum(count for count in shown if count is not None)
        assert all(count is None or count >= SMALL for count in shown)
        assert hidden == 0 or hidden >= SMALL or shown.count(None) == len(shown)


def asked_and_answered(programme: Programme, row: Application, *, days: int, about: str = "application") -> None:
    """The enterprise asks on a Monday, twice, and is answered so many days later."""
    asked = datetime(2026, 3, 2, 9, tzinfo=UTC)
    code = row.code if about == "application" else row.allocation.code  # type: ignore[union-attr]
    for at, staff, by in (
        (asked, False, programme.founder),
        (asked + timedelta(days=1), False, programme.founder),
        (asked + timedelta(days=days), True, programme.officer),
        (asked + timedelta(days=days + 1), True, programme.officer),
    ):
        message_post(about=f"{about}:{code}", title="", url="", text="Words.", staff=staff, to=[], by=by, at=at)


def test_how_long_answers_take_is_told_in_working_days_and_not_of_few(programme: Programme) -> None:
    rows = [programme.sent(by=by, credits=10) for by in (programme.founder, programme.rival) * 2]
    for row, days in zip(rows, (0, 1, 7, 3), strict=True):
        asked_and_answered(programme, row, days=days)
        asked_and_answered(programme, row, days=days)  # a second question of the same thread
    message_post(
        about=f"application:{programme.sent(credits=10).code}", title="", url="", text="Still waiting.", staff=False, to=[],
        by=programme.founder, at=programme.now,
    )  # fmt: skip
    found = figures(call=programme.build, at=programme.later(days=20))
    assert (found.answer_days_p50, found.answer_days_p90) == (None, None), "four threads point at four firms"
    fifth = programme.judged(credits=10)
    programme.award(fifth, credits=10)
    fifth.refresh_from_db()
    asked_and_answered(programme, fifth, days=14, about="allocation")
    caches["local"].clear()
    found = figures(call=programme.build, at=programme.now)
    # 0, 1, 3 days, a week is five working days, two weeks are ten; each but the last twice.
    assert (found.answer_days_p50, found.answer_days_p90) == (3, 10)
    assert figures(call=programme.starter, at=programme.now).answer_days_p50 is None
    assert figures(call=None, at=programme.now).answer_days_p90 == 10
    page = public("/awards/figures/").content.decode()
    assert "half within <b>3</b> working days, nine in ten within <b>10</b>" in page
    assert public("/data/figures.json").json()["calls"]["build"]["answer_days_p50"] == 3
