"""
Finding datasets: full text on SQLite (FTS5) and PostgreSQL, and facets.

`Dataset.search_text` holds what is searched; on SQLite a table of its own indexes it, on PostgreSQL an index over the column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pycountry
from django.db import connection
from django.db.models import Count, Q, QuerySet

from .models import Dataset
from .states import CLASS_BADGES, AccessClass

WORDS_MAX, FOUND_MAX, VALUES_SHOWN = 8, 500, 12
WORD = re.compile(r"\w+")
SIZES = {  # value → words, from, to (bytes)
    "small": ("up to 1 MB", 0, 10**6),
    "medium": ("1 MB to 1 GB", 10**6, 10**9),
    "large": ("1 GB to 1 TB", 10**9, 10**12),
    "huge": ("over 1 TB", 10**12, 2**63 - 1),
}


def find(q: str, *, within: QuerySet[Dataset]) -> list[int]:
    """
    Keys of the best matches, best first: every word (or its beginning) must occur. At most `FOUND_MAX`.

    :param within: where to look: what was narrowed away takes no place among the best
    """
    words = WORD.findall(q.lower())[:WORDS_MAX]
    if not words:
        return []
    inside, asked = within.order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                # The plus keeps SQLite from asking the index anew for each row that is inside.
                f"SELECT rowid FROM datasets_search WHERE datasets_search MATCH %s AND +rowid IN ({inside}) "
                "ORDER BY rank LIMIT %s",
                [" ".join(f'"{word}"*' for word in words), *asked, FOUND_MAX],
            )
        else:
            cursor.execute(
                "SELECT id FROM datasets_dataset, to_tsquery('english', %s) query "
                f"WHERE to_tsvector('english', search_text) @@ query AND id IN ({inside}) "
                "ORDER BY ts_rank(to_tsvector('english', search_text), query) DESC, id LIMIT %s",
                [" & ".join(f"{word}:*" for word in words), *asked, FOUND_MAX],
            )
        return [pk for (pk,) in cursor.fetchall()]


def index_write(dataset: Dataset, *, columns: list[str] | None = None) -> None:
    """Write what is searched, in the caller's transaction. The title stands first and twice: it says most."""
    parts = [
        dataset.title,
        dataset.title,
        dataset.slug.replace("-", " "),
        dataset.summary,
        dataset.domain,
        *dataset.keywords,
        dataset.publisher,
        *dict.fromkeys(columns or []),
        dataset.description,
    ]
    dataset.search_text = "\n".join(parts)
    dataset.save(update_fields=["search_text"])
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM datasets_search WHERE rowid = %s", [dataset.pk])
            cursor.execute("INSERT INTO datasets_search (rowid, text) VALUES (%s, %s)", [dataset.pk, dataset.search_text])


@dataclass(frozen=True)
class Facet:
    """A property to narrow by: its name for people, how a value narrows, and how values are counted."""

    label: str
    where: Callable[[str], Q]
    count: Callable[[QuerySet[Dataset]], list[tuple[str, str, int]]]


def _by(field: str, words: Callable[[str], str] = str) -> Callable[[QuerySet[Dataset]], list[tuple[str, str, int]]]:
    def count(rows: QuerySet[Dataset]) -> list[tuple[str, str, int]]:
        found = rows.order_by().values_list(field).annotate(n=Count("pk")).order_by("-n", field)[:VALUES_SHOWN]
        return [(str(value), words(value), n) for value, n in found if value != ""]

    return count


def _formats(rows: QuerySet[Dataset]) -> list[tuple[str, str, int]]:
    counter: Counter[str] = Counter()
    for formats, n in rows.order_by().values_list("formats").annotate(n=Count("pk")):
        for one in filter(None, formats.split(",")):
            counter[one] += n
    return [(one, one, n) for one, n in counter.most_common(VALUES_SHOWN)]


def _sizes(rows: QuerySet[Dataset]) -> list[tuple[str, str, int]]:
    counts = rows.order_by().aggregate(
        **{name: Count("pk", filter=Q(size_bytes__gte=low, size_bytes__lt=high)) for name, (_, low, high) in SIZES.items()}
    )
    return [(name, SIZES[name][0], n) for name, n in counts.items() if n]


def _size(value: str) -> Q:
    _, low, high = SIZES.get(value, ("", 0, 2**63 - 1))
    return Q(size_bytes__gte=low, size_bytes__lt=high)


def _country(code: str) -> str:
    found = pycountry.countries.get(alpha_2=code)
    return getattr(found, "common_name", found.name) if found else code


FACETS: dict[str, Facet] = {
    "commercial": Facet(
        "May I earn money with it?",
        lambda value: Q(commercial_use=value == "True"),
        _by("commercial_use", lambda yes: "yes" if yes else "no"),
    ),
    "access": Facet(
        "How do I get it?",
        lambda value: Q(access_class=value),
        _by("access_class", lambda value: CLASS_BADGES[AccessClass(value)].label),
    ),
    "domain": Facet("Domain", lambda value: Q(domain=value), _by("domain")),
    "format": Facet("Format", lambda value: Q(formats__contains=f",{value},"), _formats),
    "size": Facet("Size", _size, _sizes),
    "licence": Facet("Licence", lambda value: Q(licence=value), _by("licence")),
    "country": Facet("Country", lambda value: Q(country=value), _by("country", _country)),
}
