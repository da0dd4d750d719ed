"""What every test may use. The database is SQLite, or PostgreSQL when `COMMONS_DATABASE_URL` names one."""

from __future__ import annotations

import hashlib
import os
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
from tests.support.needs import needed, program_needed
from tests.support.objectstore import ObjectStore, ObjectStoreMissing
from tests.support.postgres import PostgresMissing, PostgresServer
from tests.support.up import Up

HERE = Path(__file__).parent
# Long ones first, so that two workers end at the same time.
FIRST = ("slurm", "objectstore", "embedded", "journeys", "concurrency", "faults")
MARKS = {
    "objectstore": "objectstore",
    "embedded": "embedded",
    "slurm": "slurm",
    "journeys": "browser",
    "concurrency": "postgres",
    "faults": "postgres",
}
SHARED = ("postgres", "slurm", "objectstore")  # one server for all of these: one worker runs them


def pytest_configure() -> None:
    """Passwords are hashed cheaply here: a real hash costs a tenth of a second for each person a test makes."""
    portal_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


class ByServer(LoadScopeScheduling):
    """
    One worker runs all tests that share a server, or all of a file that starts one; the rest goes wherever there is room.

    Worked out from the path: the groups that `--dist loadgroup` writes into a test's id are lost with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", maxsplit=1)[0]
        mark = MARKS.get(path.removeprefix("tests/").split("/")[0])
        return nodeid if mark is None else mark if mark in SHARED else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByServer:
    """Called by xdist."""
    return ByServer(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, and put it first."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder in MARKS:
            item.add_marker(getattr(pytest.mark, MARKS[folder]))
    order = {folder: number for number, folder in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.relative_to(HERE).parts[0], len(FIRST)))


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


@pytest.fixture(scope="session")
def objectstore() -> Iterator[ObjectStore]:
    """A real object store (Ceph RGW) of this run's own; each test uses names of its own."""
    with needed(ObjectStoreMissing):
        server = ObjectStore()
    with server:
        yield server


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
