from __future__ import annotations

from datetime import datetime
from typing import Any

import hypothesis
import pytest

from tests.support.programme import Programme
from tests.support.programme import programme as made

# A machine that is busy with other things is no falsifying example.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
def programme(db: None, now: datetime, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Programme:
    """See `Programme`; views and the API ask its clock."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a dozen people per test
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # no collected files are needed
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    found = made(now)
    monkeypatch.setattr("django.utils.timezone.now", lambda: found.now)
    return found
