"""`commons`: datasets from a terminal, for R and for everything that is no Python."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from . import portal
from .dataset import path
from .export import export_all
from .filesystem import split
from .upload import put_file


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit code. Results go to stdout, what went wrong to stderr in one line."""
    parser = argparse.ArgumentParser(prog="commons", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("ls", help="what may be read here, or the files of one dataset")
    listing.add_argument("what", nargs="?", default="", help="commons://<slug>")
    get = commands.add_parser("get", help="fetch a file to this folder, checked against its sha256")
    get.add_argument("uri", help="commons://<slug>/<file>")
    get.add_argument(
        "to", nargs="?", default=".", help="folder or file name; a name that ends in .csv makes a Parquet table CSV"
    )
    put = commands.add_parser("put", help="send a file into a draft version of a dataset you keep; run again after a lost line")
    put.add_argument("file", help="a file on this machine")
    put.add_argument("uri", help="commons://<slug>@<version>/<file>")
    export = commands.add_parser("export", help="take all your files of a project along; run again after a lost line")
    export.add_argument("allocation", help="its code, for example A-2001")
    export.add_argument("to", nargs="?", default="", help="folder; the allocation's code when not said")
    asked = parser.parse_args(argv)
    try:
        return {"ls": _ls, "get": _get, "put": _put, "export": _export}[asked.command](asked)
    except OSError as error:
        print(f"commons: {error}", file=sys.stderr)
        return 1


def _ls(asked: argparse.Namespace) -> int:
    if not asked.what:
        for row in portal.datasets():
            print(f"commons://{row['slug']}\t{row['access_class']}\t{row['title']}")
        return 0
    slug, version, _ = split(asked.what.removeprefix("commons://"))
    for file in portal.manifest(slug, version).files.values():
        print(f"{file.size}\t{file.sha256[:12]}\tcommons://{slug}/{file.path}")
    return 0


def _get(asked: argparse.Namespace) -> int:
    target = Path(asked.to)
    if target.is_dir():
        target = target / asked.uri.rpartition("/")[2]
    source = path(asked.uri)
    if source.suffix == ".parquet" and target.suffix == ".csv":
        _as_csv(source, target)
    else:
        shutil.copyfile(source, target)
    print(target)
    return 0


def _as_csv(source: Path, target: Path) -> None:
    """A Parquet table as CSV, piece by piece, for tools that read no Parquet (plain R)."""
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    table = pq.ParquetFile(source)
    try:
        with pa_csv.CSVWriter(target, table.schema_arrow) as writer:
            for batch in table.iter_batches():
                writer.write_batch(batch)
    except ValueError as error:  # lists and structs have no place in a row of text; pyarrow's errors are ValueErrors
        target.unlink(missing_ok=True)
        raise portal.CommonsError(f"{source.name} cannot be written as CSV: {error}") from None


def _export(asked: argparse.Namespace) -> int:
    to = Path(asked.to or asked.allocation)
    files, size = export_all(asked.allocation, to, tell=lambda text: print(text, file=sys.stderr))
    print(f"{to}\t{files} files\t{size} bytes")
    return 0


def _put(asked: argparse.Namespace) -> int:
    slug, version, name = split(asked.uri.removeprefix("commons://"))
    if not version:
        raise portal.CommonsError("Name the version: commons://<slug>@<version>/<file>.")
    source = Path(asked.file)
    done = put_file(source, slug, version, name or source.name, tell=lambda text: print(text, file=sys.stderr))
    print(f"commons://{slug}@{version}/{done['path']}\t{done['size_bytes']}")
    return 0
