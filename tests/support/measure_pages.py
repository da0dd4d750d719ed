"""Asks pages of a seeded installation in this process and prints, as JSON, milliseconds, queries and weight of each."""

from __future__ import annotations

import gzip
import json
import os
import time
from statistics import median
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
PAGES = [
    # name, who ("" nobody), path
    ("home of an officer", "officer", "/"),
    ("home of a founder", "founder", "/"),
    ("calls", "", "/calls/"),
    ("call", "", "/calls/build/"),
    ("register", "", "/awards/"),
    ("statistics", "", "/awards/figures/"),
    ("review queue", "officer", "/queue/"),
    ("panel", "officer", "/queue/panel/build/"),
    ("application", "officer", "/applications/P-V1000/"),
    ("reviews of a reviewer", "reviewer", "/reviews/"),
    ("allocations of a founder", "founder", "/allocations/"),
    ("allocation", "founder", "/allocations/{allocation}/"),
    ("statement", "founder", "/allocations/{allocation}/statement/"),
    ("allocation, seen by an officer", "officer", "/allocations/{allocation}/"),
    ("all allocations", "officer", "/allocations/all/"),
    ("enterprise", "founder", "/enterprise/{firm}/"),
    ("facts of an enterprise", "founder", "/enterprise/{firm}/facts/"),
    ("reports", "officer", "/reports/"),
    ("api: applications", "officer", "/api/v1/applications?limit=200"),
]
TURNS = 5


def main() -> None:
    """Measure."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.cache import caches
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from allocations.projects.models import Allocation
    from portal.accounts.models import Role, User
    from portal.api.tokens import token_create

    who = {
        "officer": User.objects.get(email="officer@commons.example"),
        "founder": User.objects.get(email="founder@commons.example"),
        "reviewer": User.objects.filter(roles__role=Role.REVIEWER, email__startswith="volume-").first(),
    }
    now = django.utils.timezone.now()
    allocation = Allocation.objects.filter(organisation__memberships__user=who["founder"]).order_by("-pk")[0]
    known = {"allocation": allocation.code, "firm": allocation.organisation_id}
    found: list[dict[str, Any]] = []
    for name, person, pattern in PAGES:
        path = pattern.format(**known)
        client = Client(headers={"host": settings.PORTAL_HOST})
        user, headers = who.get(person), {}
        if user is not None and path.startswith("/api/"):
            headers = {"Authorization": f"Bearer {token_create(user=user, name='bench', at=now)}"}
        elif user is not None:
            client.force_login(user)
        times, queries, body = [], 0, b""
        for _ in range(TURNS):
            caches["local"].clear()
            with CaptureQueriesContext(connection) as seen:
                began = time.perf_counter()
                answer = client.get(path, headers=headers)
                times.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200, (path, answer.status_code)
            queries, body = len(seen), answer.content
        facts = {
            "ms": round(median(times), 1),
            "public": not person,
            "queries": queries,
            "kb": round(len(gzip.compress(body)) / 1000, 1),
        }
        found.append({"name": name, **facts})
    print(json.dumps({"database": connection.vendor, "pages": found}))


if __name__ == "__main__":
    main()
