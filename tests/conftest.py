"""What every test may use. The database is SQLite, or PostgreSQL when `COMMONS_DATABASE_URL` names one."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime

import pytest

# A state folder of their own for tests: settings make keys there when they are imported.
os.environ.setdefault("COMMONS_HOME", tempfile.mkdtemp(prefix="commons-test-"))
os.environ.setdefault("COMMONS_PORT_BASE", "64000")  # nothing listens there: a test that forgets its fake finds nobody


@pytest.fixture
def now() -> datetime:
    """A fixed moment that tests may count from: Monday 2 March 2026, 09:00 UTC."""
    return datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages go nowhere in unit tests: rows hold the truth, and tests take the steps themselves."""
    monkeypatch.setattr("portal.core.enqueue._send", lambda task, ids: None)
