"""
One tick of the reconciler over many live sessions, and the settlement of some that end together.

    python -m tests.benchmarks.tick 10000
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

FEW, ENDING = 100, 200


def main() -> None:
    """Print the figures as JSON."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from django.db import connection
    from django.utils import timezone

    from allocations.catalogue.models import Site
    from notebooks_svc.sessions import advance, clusters, looking, watch
    from notebooks_svc.wire import Look

    world = World(timezone.now())
    figures: dict[str, Any] = {}

    def tick(text: str) -> tuple[int, float]:
        queries = Counter()
        began = time.perf_counter()
        with connection.execute_wrapper(queries):
            site = Site.objects.select_related("provider").get(slug="room")
            look = Look.model_validate_json(text)
            looking.look_apply(site=site, look=look, at=timezone.now())
            watch.no_longer_allowed(at=timezone.now())
            advance.sessions_advance_due(at=timezone.now())
            clusters.clusters_advance_due(at=timezone.now())
        return queries.number, time.perf_counter() - began

    world.run(FEW)
    tick(world.look())
    figures["queries_few"], _ = tick(world.look())
    world.run(int(sys.argv[1]) - FEW)
    tick(world.look())
    figures["queries"], figures["tick_s"] = min(tick(world.look()) for _ in range(3))
    queries, figures["settle_s"] = tick(world.look(ended=ENDING))
    figures["settled"], figures["settle_queries"] = ENDING, (queries - figures["queries"]) / ENDING
    print(json.dumps(figures))


class Counter:
    """Counts statements."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.number += 1
        return execute(sql, params, many, context)


class World:
    """Sessions that run on one site, each with its own hold."""

    def __init__(self, now: Any) -> None:
        from tests.support import portal

        self.now = now
        self.person = portal.person("founder", at=now)
        portal.machine_room(at=now)
        self.allocation = portal.award(portal.firm(self.person, at=now), at=now, credits=1_000_000)
        self.launches: list[str] = []

    def run(self, number: int) -> None:
        """Let so many more sessions run."""
        from datetime import timedelta

        from allocations.catalogue.models import Profile, Resource
        from allocations.ledger import services as ledger
        from notebooks_svc.sessions.models import Session, SessionHold
        from portal.core.ids import launch_id_new

        ids = [launch_id_new() for _ in range(number)]
        resource, profile = Resource.objects.get(slug="cpu"), Profile.objects.get(slug="small")
        common = {
            "user": self.person, "allocation": self.allocation, "resource": resource, "profile": profile, "state": "ready",
            "cores": 1, "memory_gib": 2, "minutes": 60, "rate_per_hour": 6_000_000, "worker_rate_per_hour": 6_000_000,
            "rate_words": "6 credits per hour", "requested_at": self.now, "sent_at": self.now, "ready_at": self.now,
            "queue_until": self.now + timedelta(days=1), "deadline": self.now + timedelta(hours=1),
            "due_at": self.now + timedelta(hours=1),
        }  # fmt: skip
        Session.objects.bulk_create([Session(id=id, **common) for id in ids], batch_size=1000)
        SessionHold.objects.bulk_create(
            [SessionHold(session_id=id, transfer=id, number=0, minutes=60, amount=6_000_000) for id in ids], batch_size=1000
        )
        for id in ids[:ENDING]:
            ledger.hold(
                id=id, allocation=self.allocation.account, amount=6_000_000, resource="cpu", subject=f"session:{id}",
                at=self.now, expires_at=None,
            )  # fmt: skip
        self.launches += ids

    def look(self, *, ended: int = 0) -> str:
        """What the site answers: all of them live but the first so many."""
        from django.conf import settings

        from notebooks_svc.wire import Look, LookItem

        begin = self.now.timestamp()
        items = [
            LookItem(
                id=id, kind="session", parent="", state="gone" if number < ended else "alive", started=begin, ready_at=begin,
                ended=begin + 600 if number < ended else None, reason="exited" if number < ended else "",
            )
            for number, id in enumerate(self.launches)
        ]  # fmt: skip
        return Look(instance=settings.INSTANCE_ID, now=time.time(), complete=True, items=items).model_dump_json()


if __name__ == "__main__":
    main()
