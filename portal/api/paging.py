"""Lists answer `{items, next}`; `next` is a cursor or null."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from django.db.models import Model, QuerySet
from ninja import Query, Schema

from portal.core.errors import Malformed

LIMIT_DEFAULT, LIMIT_MAX = 50, 200


class PageAsk(Schema):
    """How much of a list, from where."""

    limit: int = Query(LIMIT_DEFAULT, ge=1, le=LIMIT_MAX)
    cursor: str = ""


def page(rows: QuerySet[Any], ask: PageAsk, row: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """
    One page of a queryset ordered by primary key, descending; constant time however far in.

    :param row: makes a dictionary of a model instance
    :raises Malformed: for a cursor that is none
    """
    ordered = rows.order_by("-pk")
    if ask.cursor:
        ordered = ordered.filter(pk__lt=cursor_read(ask.cursor, rows.model))
    found = list(ordered[: ask.limit + 1])
    shown = found[: ask.limit]
    return {"items": [row(item) for item in shown], "next": cursor_write(shown[-1].pk) if len(found) > ask.limit else None}


def cursor_write(key: object) -> str:
    """A cursor for the key."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def cursor_read(cursor: str, model: type[Model]) -> Any:
    """
    The key in a cursor.

    :raises Malformed: when it is none
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return model._meta.pk.to_python(text)  # type: ignore[union-attr]
    except Exception:
        raise Malformed("That is no cursor of this list.", field="cursor") from None
