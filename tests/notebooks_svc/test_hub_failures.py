"""What the spawner says when it cannot start a launch is read by the portal as an entry of the error catalogue."""

from __future__ import annotations

import pytest

from notebooks_svc.hub.failing import NotStarted
from notebooks_svc.sessions.failures import CATALOGUE, failure_find


@pytest.mark.parametrize("key", sorted(CATALOGUE))
def test_each_failure_arrives_as_its_own_entry_with_the_sites_words(key: str) -> None:
    failure = NotStarted(key, "what the site said: and more")
    assert failure_find(str(failure)) == key
    assert str(failure) == f"{key}: what the site said: and more"
    assert failure.reason == key
