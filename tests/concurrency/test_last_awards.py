"""Officers award the last credits of a pool at once, each application by two of them: real threads, real databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installation import Installation, raced
from tests.support.postgres import PostgresServer


def race(installation: Installation) -> dict[str, object]:
    """Six applications of 200 credits, a pool of 1,000, twelve decisions at once."""
    return raced(installation, "award_race")


def check(found: dict[str, object]) -> None:
    """Five fit, each is awarded once, and nothing is half done."""
    outcomes = found["outcomes"]
    assert isinstance(outcomes, dict)
    assert not [outcome for outcome in outcomes if outcome.startswith("error")], outcomes
    assert sum(outcomes.values()) == 12
    assert outcomes["awarded"] == 5
    rest = {key: found[key] for key in ("left", "decisions", "allocations", "awarded", "undecided")}
    assert rest == {"left": 0, "decisions": 5, "allocations": 5, "awarded": 5, "undecided": 1}


def test_two_officers_award_the_last_of_a_pool_on_postgresql(postgres: PostgresServer, tmp_path: Path) -> None:
    check(race(Installation(tmp_path, database_url=postgres.url("awards"))))


@pytest.mark.timeout(300)
def test_two_officers_award_the_last_of_a_pool_on_sqlite(tmp_path: Path) -> None:
    check(race(Installation(tmp_path)))
