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


@pytest.mark.timeout(900)
def test_what_passes_on_sqlite_passes_on_postgresql(postgres: PostgresServer) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--deselect",
            "tests/notebooks_svc/test_timelines.py",
            *(f"--deselect={name}" for name in COUNTED),
            "-k",
            "not every_move_is_allowed",  # tables in plain Python need no database twice
            *ROOMS,
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
