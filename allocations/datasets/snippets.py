"""The one line that reads a dataset, for each tool."""

from __future__ import annotations

from .models import Dataset, DatasetFile, Version


def one_lines(dataset: Dataset, version: Version, files: list[DatasetFile]) -> list[tuple[str, str]]:
    """Tool and line, the plainest first. They run in every notebook and on its Dask workers as they are."""
    newest = version == dataset.versions.filter(published_at__isnull=False, withdrawn_at__isnull=True).first()
    base = f"commons://{dataset.slug}" + ("" if newest else f"@{version.name}")
    table = next((f for f in files if f.path.endswith(".parquet")), None) or next(
        (f for f in files if f.path.endswith(".csv")), None
    )
    if table is None:
        return [("Python", f'commons.open_dataset("{dataset.slug}").path("{files[0].path}")')] if files else []
    verb = "read_parquet" if table.path.endswith(".parquet") else "read_csv"
    where = f"{base}/{table.path}"
    parts = next((f.path.rpartition("/")[0] for f in files if "/" in f.path and f.path.endswith(".parquet")), "")
    many = f"{base}/{parts}/*.parquet" if parts else where
    lines = [
        ("pandas", f'pd.{verb}("{where}")'),
        ("Dask", f'dd.{"read_parquet" if parts else verb}("{many}")'),
        ("polars", f'pl.{verb}(commons.path("{where}"))'),
        ("Terminal", f"commons get {where}"),
        ("R", _in_r(base, next((f for f in files if f.path.endswith(".csv")), table))),
    ]
    if verb == "read_parquet":
        lines.insert(2, ("pyarrow", f'pq.read_table("fsspec+{where}")'))
    return lines


def _in_r(base: str, table: DatasetFile) -> str:
    """R as it is reads a CSV file on disk; a Parquet table is made one on the way."""
    name = table.path.rpartition("/")[2]
    csv = f"{name.rpartition('.')[0]}.csv"
    fetch = f"commons get {base}/{table.path}" + ("" if name == csv else f" {csv}")
    return f'# first, in a terminal: {fetch}\nread.csv("{csv}")'
