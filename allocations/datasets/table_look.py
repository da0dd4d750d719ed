"""
Looks into a table: `python -I table_look.py FILE .parquet|.csv`, run by the notebook environment's Python, which has pyarrow
(`-I`: else this folder's modules would hide Python's own of the same name).

Prints rows, columns with statistics, and the first rows as JSON. Reads in batches, so that a large table needs little memory.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

PREVIEW_ROWS, COLUMNS_MAX, BATCH_ROWS = 8, 500, 200_000
MEMORY_BYTES = 4 * 2**30


def look(path: str, ending: str) -> dict[str, Any]:
    """Rows, columns and first rows."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    if ending == ".parquet":
        file = pq.ParquetFile(path)
        schema, batches = file.schema_arrow, file.iter_batches(BATCH_ROWS)
    else:
        reader = pa_csv.open_csv(path)
        schema, batches = reader.schema, iter(reader)
    columns = [Column(field.name, field.type) for field in list(schema)[:COLUMNS_MAX]]
    rows = 0
    first: list[list[str]] = []
    for batch in batches:
        if not first:
            first = [[_text(value) for value in row.values()] for row in batch.slice(0, PREVIEW_ROWS).to_pylist()]
        rows += batch.num_rows
        for number, column in enumerate(columns):
            column.add(batch.column(number), pa, pc)
    return {"rows": rows, "columns": [column.told() for column in columns], "preview": first}


class Column:
    """What is known of a column so far."""

    def __init__(self, name: str, kind: Any) -> None:
        self.name, self.kind = name, kind
        self.nulls, self.count, self.total = 0, 0, 0.0
        self.low: Any = None
        self.high: Any = None

    def add(self, values: Any, pa: Any, pc: Any) -> None:
        """Count a batch in."""
        self.nulls += values.null_count
        ordered = pa.types.is_integer(self.kind) or pa.types.is_floating(self.kind) or pa.types.is_temporal(self.kind)
        if not ordered:
            return
        found = pc.min_max(values).as_py()
        self.low = found["min"] if self.low is None else self.low if found["min"] is None else min(self.low, found["min"])
        self.high = found["max"] if self.high is None else self.high if found["max"] is None else max(self.high, found["max"])
        if not pa.types.is_temporal(self.kind):
            self.total += pc.sum(values).as_py() or 0
            self.count += len(values) - values.null_count

    def told(self) -> dict[str, Any]:
        """As it is kept."""
        said: dict[str, Any] = {"nulls": self.nulls}
        if self.low is not None:
            said |= {"min": _text(self.low), "max": _text(self.high)}
        if self.count:
            said["mean"] = f"{self.total / self.count:.6g}"
        return {"name": self.name, "type": str(self.kind), "statistics": said}


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:200]


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    print(json.dumps(look(sys.argv[1], sys.argv[2])))  # noqa: T201
