"""
Writes the demo's tables: `python tables.py FOLDER`, run by the notebook environment's Python, which has the libraries.

Real data that ships inside statsmodels and scikit-learn, as Parquet and CSV, and `facts.json` with rows, columns and
first rows.
Running it again writes the same values.

**The expansion for Dask.** `stations/part-00.parquet` … `part-07.parquet` hold 2,284,000 rows: the 2,284 weekly values
of Mauna Loa
(weeks without a value included), each repeated for 1,000 imagined stations. Station s (0 … 999) shifts every value by
(s − 499.5) / 1000 ppm. The shifts sum to zero, so an average over all stations equals the average of the real series: whoever
computes a mean per year over two million rows can check it against the small table.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STATIONS, PARTS = 1000, 8
PREVIEW_ROWS = 8


def main(folder: Path) -> None:
    """Write all tables into a folder."""
    facts = {
        "mauna-loa-co2": [*_co2(folder / "mauna-loa-co2")],
        "el-nino": [*_el_nino(folder / "el-nino")],
        "handwritten-digits": [*_digits(folder / "handwritten-digits")],
    }
    (folder / "facts.json").write_text(json.dumps(facts, indent=1))


def _co2(folder: Path) -> Any:
    import statsmodels.datasets.co2 as source

    series = source.load_pandas().data["co2"]
    table = series.rename_axis("week").reset_index().astype({"week": "datetime64[ms]"})
    table["year"] = table["week"].dt.year.astype("int16")
    words = {"week": "first day of the week", "co2": "mean CO2 in air, ppm; empty where not measured", "year": "calendar year"}
    yield _write(table, folder, "co2.parquet", words, "the weekly series")
    yield _write(table, folder, "co2.csv", words, "the same as text")
    yield from _stations(table, folder, {**words, "station": "number of the imagined station, 0 to 999"})


def _stations(table: Any, folder: Path, words: dict[str, str]) -> Any:
    import numpy as np
    import pandas as pd

    each = STATIONS // PARTS
    for part in range(PARTS):
        stations = np.arange(part * each, (part + 1) * each, dtype="int16")
        wide = pd.DataFrame(
            {
                "week": np.tile(table["week"].to_numpy(), each),
                "year": np.tile(table["year"].to_numpy(), each),
                "station": np.repeat(stations, len(table)),
                "co2": (table["co2"].to_numpy()[None, :] + (stations[:, None] - 499.5) / 1000).ravel(),
            }
        )
        yield _write(wide, folder, f"stations/part-{part:02}.parquet", words, "2,284,000 rows for Dask, see the provenance")


def _el_nino(folder: Path) -> Any:
    import statsmodels.datasets.elnino as source

    wide = source.load_pandas().data
    table = wide.melt("YEAR", var_name="month", value_name="temperature").rename(columns={"YEAR": "year"})
    months = {name: number for number, name in enumerate(wide.columns[1:], start=1)}
    table["month"] = table["month"].map(months).astype("int8")
    table["year"] = table["year"].astype("int16")
    table = table.sort_values(["year", "month"], ignore_index=True)
    words = {"year": "calendar year", "month": "1 to 12", "temperature": "mean sea surface temperature, degrees Celsius"}
    yield _write(table, folder, "el-nino.parquet", words, "one row for each month")
    yield _write(table, folder, "el-nino.csv", words, "the same as text")


def _digits(folder: Path) -> Any:
    from sklearn.datasets import load_digits

    table = load_digits(as_frame=True).frame.astype("int8")
    words = {"target": "the digit that was written, 0 to 9"}
    yield _write(table, folder, "digits.parquet", words, "8 × 8 grey values (0 to 16) of each digit, and the digit")
    yield _write(table, folder, "digits.csv", words, "the same as text")


def _write(table: Any, folder: Path, path: str, words: dict[str, str], description: str) -> dict[str, Any]:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".csv":
        table.to_csv(target, index=False)
    else:
        table.to_parquet(target, index=False, compression="zstd", row_group_size=250_000)
    return {
        "path": path,
        "description": description,
        "rows": len(table),
        "columns": [
            {
                "name": name,
                "type": str(kind),
                "description": words.get(name, ""),
                "statistics": _statistics(table[name]),
            }
            for name, kind in table.dtypes.items()
        ],
        "preview": [
            ["" if str(value) in ("nan", "NaT") else str(value) for value in row]
            for row in table.head(PREVIEW_ROWS).itertuples(index=False)
        ],
    }


def _statistics(column: Any) -> dict[str, Any]:
    said = {"nulls": int(column.isna().sum()), "min": str(column.min()), "max": str(column.max())}
    return said if column.dtype.kind == "M" else {**said, "mean": f"{column.mean():.6g}"}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
