"""What every test may use. The database is SQLite, or PostgreSQL when `COMMONS_DATABASE_URL` names one."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# A state folder of their own for tests: settings make keys there when they are imported.
os.environ.setdefault("COMMONS_HOME", tempfile.mkdtemp(prefix="commons-test-"))
os.environ.setdefault("COMMONS_PORT_BASE", "64000")  # nothing listens there: a test that forgets its fake finds nobody

from django.conf import settings as portal_settings

from portal.objects.malware import PROGRAMS
from tests.support.malware import EICAR, PROGRAM
from tests.support.migrated import run_folder_make, tables_in_memory
from tests.support.needs import needed, program_needed
from tests.support.postgres import PostgresMissing, PostgresServer
from tests.support.up import Up

HERE = Path(__file__).parent
RUN = run_folder_make()  # before workers are started: they take it over
# Long ones first, so that all workers end at the same time: what waits most, then what computes, then the many short ones.
FIRST = ("slurm", "objectstore", "concurrency", "embedded", "journeys", "faults", "house")
MARKS = {
    "objectstore": "objectstore",
    "embedded": "embedded",
    "slurm": "slurm",
    "journeys": "browser",
    "concurrency": "postgres",
    "faults": "postgres",
}
SHARED = ("slurm", "objectstore")  # one server for all of these: one worker runs them
# Of tests/slurm, these use the whole demo on a Slurm of its own; the others use another Slurm without a portal.
ON_THE_DEMO = ("test_recovery", "test_batch_demo", "test_demo", "test_ending", "test_service_user", "test_told")


def group(nodeid: str) -> str:
    """
    What one worker runs as a whole: all tests that share a server, or all of a file that starts one; others stand alone.

    Worked out from the path: the groups that `--dist loadgroup` writes into a test's id are lost with pytest 9.2.
    """
    path = nodeid.split("::", maxsplit=1)[0].removeprefix("tests/")
    mark = MARKS.get(path.split("/")[0])
    if mark is None or path == "concurrency/test_unit_suite.py":
        return nodeid
    if mark == "slurm" and Path(path).stem in ON_THE_DEMO:
        return "slurm demo"
    return mark if mark in SHARED else path


class ByServer(LoadScopeScheduling):
    """Gives each group to whichever worker is free."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


class Record:
    """Writes each failure down at once: a run that is interrupted after half an hour keeps those it had."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest."""
        if report.failed:
            said = [
                f"{report.nodeid} ({report.when})",
                report.longreprtext,
                *(f"{name}\n{text}" for name, text in report.sections),
            ]
            with self.path.open("a") as record:
                record.write("\n".join(said) + f"\n{'=' * 100}\n")


def pytest_configure(config: pytest.Config) -> None:
    """Passwords are hashed cheaply: a real hash costs a tenth of a second for each person a test makes. Failures are kept."""
    portal_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    record = os.environ.get("COMMONS_TEST_FAILURES")
    if record and not hasattr(config, "workerinput"):  # what workers say comes to where they were started from
        config.pluginmanager.register(Record(Path(record)))


def pytest_unconfigure() -> None:
    """Remove what the run had made for itself."""
    if RUN is not None:
        shutil.rmtree(RUN, ignore_errors=True)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByServer:
    """Called by xdist."""
    return ByServer(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, and put it first."""
    for item in items:
        folder, other = item.path.relative_to(HERE).parts[0], "slurm" if group(item.nodeid) == "slurm demo" else "demo"
        if folder in MARKS:
            item.add_marker(getattr(pytest.mark, MARKS[folder]))
        if folder == "slurm" and other in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(f"{item.nodeid}: two workers would start one Slurm; see ON_THE_DEMO in tests/conftest.py")
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, bool]:
    folder = item.path.relative_to(HERE).parts[0]
    short = group(item.nodeid) != "slurm demo" and item.path.stem != "test_unit_suite"
    return FIRST.index(folder) if folder in FIRST else len(FIRST), short


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator[None]:
    """Databases in memory come with their tables. Called by pytest-django before it makes them."""
    if portal_settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        with tables_in_memory():
            yield
    else:
        yield


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the collector of garbage need not walk it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture
def now() -> datetime:
    """A fixed moment that tests may count from: Monday 2 March 2026, 09:00 UTC."""
    return datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages go nowhere in unit tests: rows hold the truth, and tests take the steps themselves."""
    monkeypatch.setattr("portal.core.enqueue._send", lambda task, ids: None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this run's own; each test takes a database of another name."""
    with needed(PostgresMissing):
        server = PostgresServer().__enter__()
    yield server
    server.__exit__()


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """A running demo, shared by the tests of a module."""
    with Up() as running:
        yield running


@pytest.fixture(params=["in its place", "clamav"])
def scanner(request: Any, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A scanner that knows the test file: a program in its place, or the real one with a signature of that file."""
    if request.param == "clamav":
        program_needed("clamscan", package="clamav")
        signature = tmp_path / "own.hdb"
        signature.write_text(f"{hashlib.md5(EICAR, usedforsecurity=False).hexdigest()}:{len(EICAR)}:Eicar-Test-Signature\n")
        settings.MALWARE_DATABASE = str(signature)
        return "clamav"
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return "in its place"
