"""The rooms' own tests once more, on PostgreSQL: one code path, two databases."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.postgres import PostgresServer
from tests.support.up import ROOT

QUICK = "-c synchronous_commit=off"  # a power cut is not what is tested here
# Counts of queries hold for the main database alone; here web sessions and the cache are counted with it.
COUNTED = [
    "tests/portal/accounts/test_people.py::test_the_list_asks_the_same_however_many_there_are",
    "tests/portal/organisations/test_facts.py::test_the_facts_page_for_each_who_may_see_it",
    "tests/allocations/awards/test_growing.py::test_its_page_asks_no_more_however_much_was_given",
    "tests/allocations/awards/test_volume.py::test_a_programme_of_size_is_right_and_its_pages_stay_cheap",
]
ROOMS = ["tests/portal", "tests/allocations", "tests/notebooks_svc"]
BODIES = "tests/portal/api/test_hostile_bodies.py"  # thousands of requests: in a time of their own


@pytest.mark.timeout(1500)
def test_what_passes_on_sqlite_passes_on_postgresql(postgres: PostgresServer) -> None:
    names = ["tests/notebooks_svc/test_timelines.py", BODIES, *COUNTED]
    run(postgres, *(f"--deselect={name}" for name in names), "-k", "not every_move_is_allowed", *ROOMS)


@pytest.mark.timeout(1500)
def test_no_body_breaks_the_api_on_postgresql(postgres: PostgresServer) -> None:
    """It keeps no text and no number that does not fit, where SQLite keeps all."""
    run(postgres, BODIES)


def run(postgres: PostgresServer, *asked: str) -> None:
    """The tests asked for; tables in plain Python need no database twice."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *asked,
        ],
        cwd=ROOT,
        env={**os.environ, "COMMONS_DATABASE_URL": postgres.url("unit"), "PGOPTIONS": QUICK},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
