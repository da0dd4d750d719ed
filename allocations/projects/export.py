"""A whole statement as CSV or JSON, streamed line by line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse

from portal.core.words import cell_plain

from .models import Allocation
from .statement import StatementLine, statement_all

COLUMNS = (
    "number", "at", "kind", "amount", "returned", "available", "held", "spent", "who", "text", "resource", "seconds",
    "rate_per_hour", "formula", "reason", "subject", "settles", "id", "hash",
)  # fmt: skip


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(allocation: Allocation) -> Iterator[str]:
    """The statement as CSV, oldest first; credits as decimals, times in UTC."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for line in statement_all(allocation=allocation):
        yield writer.writerow([_cell(name, value) for name, value in _values(line)])


def _values(line: StatementLine) -> list[tuple[str, Any]]:
    row = line.as_dict()
    return [(name, row[name]) for name in COLUMNS]


def _cell(name: str, value: Any) -> str:
    text = "" if value is None else value.isoformat() if name == "at" else str(value)
    words = name in ("who", "text", "formula", "reason", "subject", "resource")
    return cell_plain(text) if words else text


def json_lines(allocation: Allocation) -> Iterator[str]:
    """The statement as one JSON document, oldest first."""
    head = {"allocation": allocation.code, "title": allocation.title, "unit": "credits"}
    yield json.dumps(head)[:-1] + ', "lines": ['
    between = ""
    for line in statement_all(allocation=allocation):
        yield between + json.dumps(line.as_dict(), cls=DjangoJSONEncoder)
        between = ",\n"
    yield "]}\n"


def statement_download(*, allocation: Allocation, form: str) -> StreamingHttpResponse:
    """
    The answer that downloads a statement.

    :param form: `csv` or `json`
    """
    made = {"csv": (csv_lines, "text/csv; charset=utf-8"), "json": (json_lines, "application/json")}
    lines, content_type = made[form]
    answer = StreamingHttpResponse(lines(allocation), content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="statement-{allocation.code}.{form}"'
    return answer
