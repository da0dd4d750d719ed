"""
The loop that makes everything come true even when every message is lost: it looks at sites and runs all registered sweeps.

Its own process. Two of them do no harm: sites are leased, rows are claimed by compare-and-set.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import close_old_connections, connections
from django.utils import timezone

from allocations.catalogue.models import Site
from portal.core.pulse import pulse
from portal.web.registry import registry

from .looking import site_look

log = logging.getLogger(__name__)
LOOK_EVERY_S = 15
TICK_S = 0.5


def reconcile_forever(*, stop: Callable[[], bool]) -> None:
    """Run until `stop` says so."""
    next_run: dict[str, float] = {}
    while not stop():
        began = time.monotonic()
        for function, every_s in registry.sweeps:
            if began >= next_run.get(function, 0):
                next_run[function] = began + every_s
                _guarded(function)
        if began >= next_run.get("look", 0):
            next_run["look"] = began + LOOK_EVERY_S
            _look_everywhere()
            pulse("reconciler")
        close_old_connections()
        time.sleep(max(0.05, TICK_S - (time.monotonic() - began)))


def _guarded(function: str) -> None:
    try:
        registry.call(function, at=timezone.now())
    except Exception:
        log.exception("%s failed; it runs again at its next turn", function)
        for connection in connections.all():
            connection.close_if_unusable_or_obsolete()


def _look_everywhere() -> None:
    try:
        for slug in Site.objects.filter(enabled=True).values_list("slug", flat=True):
            site_look(slug=slug, at=timezone.now())
    except Exception:
        log.exception("a look failed; next in %s s", LOOK_EVERY_S)
