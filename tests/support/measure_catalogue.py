"""Fills a catalogue and asks its pages: `python -m tests.support.measure_catalogue COUNT`. Prints one line of JSON."""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
WORDS = [
    *("solar", "wind", "rain", "maize", "soil", "meter", "grid", "roof", "river", "price"),
    *("fish", "cattle", "road", "light", "noise", "water", "heat", "crop", "port", "ship"),
]
PAGES = {
    "first page": "/datasets/",
    "search for one word in twenty": "/datasets/?q=maize",
    "search for two words": "/datasets/?q=maize+river",
    "search for a word that is rare": "/datasets/?q=dataset+number+77",
    "one facet": "/datasets/?domain=wind",
    "word and facets": "/datasets/?q=maize&access=open&country=KE",
    "page 200": "/datasets/?page=200",
}


def main(count: int) -> None:
    """Three datasets first, then `count`, each page asked at both sizes."""
    django.setup()
    from django.conf import settings
    from django.core.cache import caches
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from allocations.datasets import counting

    client = Client(HTTP_HOST=settings.PORTAL_HOST)

    def ask(path: str) -> tuple[int, float, str]:
        caches["local"].clear()
        began = time.perf_counter()
        with CaptureQueriesContext(connection) as counted:
            answer = client.get(path)
        assert answer.status_code == 200, path
        text = answer.content.decode()
        status = text[text.index('role="status">') :]
        return (
            len(counted),
            (time.perf_counter() - began) * 1000,
            status[: status.index("</p>")].rpartition(">")[2].split(" dat")[0],
        )

    _fill(3)
    counting.counts_renew(at=timezone.now())  # what the worker does each minute
    few = {name: ask(path)[0] for name, path in PAGES.items() if name != "page 200"}
    began = time.monotonic()
    _fill(count, first=3)
    made_s = time.monotonic() - began
    counting.counts_renew(at=timezone.now())
    pages = []
    for name, path in PAGES.items():
        ask(path)
        found = [ask(path) for _ in range(5)]
        pages.append(
            {
                "name": name,
                "queries": found[0][0],
                "queries_few": few.get(name, found[0][0]),
                "ms": statistics.median(ms for _, ms, _ in found),
                "found": found[0][2],
            }
        )
    print(json.dumps({"database": connection.vendor, "made_s": made_s, "pages": pages}))


def _fill(count: int, *, first: int = 0) -> None:
    from django.db import connection
    from django.utils import timezone

    from allocations.datasets.models import Dataset
    from portal.accounts.models import User

    chance, now, last = random.Random(7), timezone.now(), Dataset.objects.order_by("pk").last()
    steward = User.objects.filter(roles__role="steward").first() or User.objects.create_user("steward@bench.example")
    rows: list[Any] = []
    for number in range(first, first + count):
        words = chance.sample(WORDS, 4)
        rows.append(
            Dataset(
                slug=f"bench-{number}",
                title=f"{words[0].title()} and {words[1]}, dataset number {number}",
                summary=f"Readings of {words[2]} beside {words[3]}.",
                access_class=chance.choice(["open", "open", "registered", "controlled"]),
                commercial_use=chance.random() < 0.7,
                licence=chance.choice(["CC0-1.0", "CC-BY-4.0", "ODbL-1.0"]),
                domain=words[0],
                country=chance.choice(["KE", "DK", "PT", "NG", "IN"]),
                publisher=f"Publisher {number % 500}",
                steward=steward,
                size_bytes=int(10 ** chance.uniform(3, 12)),
                formats=chance.choice([",csv,", ",parquet,", ",csv,parquet,"]),
                search_text=f"{words[0]} and {words[1]}, dataset number {number}\nReadings of {words[2]} beside {words[3]}.",
                created_at=now,
                published_at=now,
            )
        )
    Dataset.objects.bulk_create(rows, batch_size=5000)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "INSERT INTO datasets_search (rowid, text) SELECT id, search_text FROM datasets_dataset WHERE id > %s",
                [last.pk if last else 0],
            )
        # What a database does by itself some time after: PostgreSQL then answers from an index alone.
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE datasets_dataset")


if __name__ == "__main__":
    main(int(sys.argv[1]))
