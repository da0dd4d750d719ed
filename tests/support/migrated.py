"""
Databases with today's tables, made once in a run and copied: to migrate costs some seconds of work, and more than a dozen
installations and every worker need it. What lacks a table of today's would still get it: `migrate` runs on each copy.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = {"default": "portal.sqlite3", "volatile": "volatile.sqlite3"}


def run_folder() -> Path:
    """The folder of this run, which all its workers share; tests/conftest.py removes it at the end."""
    run_folder_make()
    return Path(os.environ["COMMONS_TEST_RUN"])


def migrated(alias: str) -> Path:
    """A migrated SQLite file for one of the portal's databases; whoever asks first makes it, others wait."""
    home = run_folder() / "migrated"
    home.mkdir(exist_ok=True)
    made = home / f"{alias}.made"
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            env = {**os.environ, "COMMONS_HOME": str(home), "COMMONS_DATABASE_URL": "", "COMMONS_LOG_LEVEL": "ERROR"}
            argv = [sys.executable, "manage.py", "migrate", "-v0", "--database", alias]
            subprocess.run(argv, cwd=ROOT, env=env, check=True, capture_output=True)
            made.touch()
    return home / FILES[alias]


def tables_copy(home: Path) -> None:
    """Put migrated databases into a state folder that has none."""
    for alias, name in FILES.items():
        if not (home / name).exists():
            shutil.copy(migrated(alias), home / name)


@contextmanager
def tables_in_memory() -> Iterator[None]:
    """Fill the databases in memory that Django is about to make for tests; they live as long as somebody has them open."""
    held = []
    for alias in FILES:
        memory = sqlite3.connect(f"file:memorydb_{alias}?mode=memory&cache=shared", uri=True, check_same_thread=False)
        with closing(sqlite3.connect(migrated(alias))) as made:
            made.backup(memory)
        held.append(memory)
    yield
    for memory in held:
        memory.close()


def run_folder_make() -> Path | None:
    """The folder of a run that begins here; None when this is a part of one."""
    if "COMMONS_TEST_RUN" in os.environ:
        return None
    folder = Path(tempfile.mkdtemp(prefix="commons-run-"))
    os.environ["COMMONS_TEST_RUN"] = str(folder)
    return folder
