"""Awards that grow at the same moment, and one that grows while it ends: real threads, real databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.growing_race import EACH, ENDED, LEFT, PRESSES
from tests.support.installation import Installation, raced
from tests.support.postgres import PostgresServer


def race(installation: Installation) -> dict[str, Any]:
    """See `tests.support.growing_race`."""
    return raced(installation, "growing_race")


def check(found: dict[str, Any]) -> None:
    """No award passes the limit of its rule, the pool is never overdrawn, and what has ended keeps nothing."""
    for outcomes, steps in ((found["pressed"], 2 * PRESSES), (found["outcomes"], 2 * ENDED)):
        assert not [outcome for outcome in outcomes if outcome.startswith("error")], outcomes
        assert sum(outcomes.values()) == steps
    given = found["pressed"].get("given", 0) + found["afterwards"].get("given", 0)
    assert found["left before"] == LEFT, "there is enough for three top-ups, and not for the four that the rule allows"
    assert sorted(found["topups"].values()) == [1, 2]
    assert (given, found["left"]) == (3, LEFT - 3 * EACH)
    assert sorted(found["granted"].values()) == [400, 500]
    assert found["outcomes"]["ended"] == ENDED
    assert found["states"] == ["closed"] * ENDED
    assert found["still there"] == [[0, 0]] * ENDED
    # Of each award ten credits were not used; what came in by a top-up went back with them.
    assert found["back in the pool"] == 10 * ENDED
    assert found["asked of what has ended"] == 0


def test_awards_grow_at_once_and_while_they_end_on_postgresql(postgres: PostgresServer, tmp_path: Path) -> None:
    check(race(Installation(tmp_path, database_url=postgres.url("growing"))))


@pytest.mark.timeout(300)
def test_awards_grow_at_once_and_while_they_end_on_sqlite(tmp_path: Path) -> None:
    check(race(Installation(tmp_path)))
