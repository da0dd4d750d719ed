"""`start-here.ipynb`: opened by the first launch, runs as it is, with the person's own data in it."""

from __future__ import annotations

import json
from typing import Any

from allocations.datasets.models import Dataset

FILE_NAME = "start-here.ipynb"
EXAMPLE = "mauna-loa-co2"  # the demo's dataset with a table large enough for Dask


def start_here(datasets: list[Dataset]) -> str:
    """
    The notebook as JSON (nbformat 4.5).

    :param datasets: what the session may read
    """
    example = any(dataset.slug == EXAMPLE for dataset in datasets)
    cells = [*_welcome(), *(_with_example() if example else _with_own(datasets)), *_farewell()]
    notebook = {
        "cells": [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False)


def _welcome() -> list[dict[str, Any]]:
    return [
        _words(
            "# Start here",
            "This notebook runs as it is: press **Run ▸ Run All Cells**. Your files in this folder are kept between sessions; "
            "`shared/` is your team's. `%pip install` adds packages that are yours and stay.",
        ),
        _code("import sys, os", "print('Python', sys.version.split()[0], 'on allocation', os.environ['COMMONS_ALLOCATION'])"),
        _words("## The data you may read", "No keys, no set-up: what was granted to your project is simply there."),
        _code("import commons", "", "for dataset in commons.datasets():", "    print(dataset['slug'], '·', dataset['title'])"),
    ]


def _with_example() -> list[dict[str, Any]]:
    return [
        _words(
            "## One line reads a table",
            "Every dataset's page shows its line. This one is the carbon dioxide in air, measured at Mauna Loa each week.",
        ),
        _code(
            "import pandas as pd",
            "",
            f'co2 = pd.read_parquet("commons://{EXAMPLE}/co2.parquet")',
            "yearly = co2.groupby('year')['co2'].mean()",
            "print(len(co2), 'weeks; mean of 2001:', round(yearly[2001], 3), 'ppm')",
            "co2.set_index('week')['co2'].plot(title='CO₂ at Mauna Loa, ppm');",
        ),
        *_cluster(
            "The same series for 1,000 imagined stations, 2,284,000 rows in eight files. Each station is shifted a "
            "little, and the "
            "shifts cancel out: the yearly means must be those of the small table, **370.865** for 2001.",
        ),
        _code(
            "import dask.dataframe as dd",
            "",
            f'stations = dd.read_parquet("commons://{EXAMPLE}/stations/*.parquet")',
            "by_year = stations.groupby('year')['co2'].mean().compute()",
            "rows = len(stations)",
            "print(f'{rows:,} rows; mean of 2001: {by_year[2001]:.3f} ppm')",
            "assert rows == 2_284_000 and abs(by_year - yearly).max() < 1e-6, 'the two tables differ'",
            "print('The cluster and the small table agree.')",
        ),
        *_shutdown(),
    ]


def _with_own(datasets: list[Dataset]) -> list[dict[str, Any]]:
    where = f'commons.open_dataset("{datasets[0].slug}").files' if datasets else "commons.datasets()"
    return [
        _words(
            "## One line reads a table",
            'Each dataset\'s page shows its line: `pd.read_parquet("commons://<slug>/<file>")`. The files of the first:',
        ),
        _code(where),
        *_cluster("A computation too large for one machine: here on made-up numbers."),
        _code(
            "import dask.array as da",
            "",
            "total = da.arange(10_000_000, chunks=1_000_000).sum().compute()",
            "print(total)",
            "assert total == 49_999_995_000_000",
        ),
        *_shutdown(),
    ]


def _cluster(words: str) -> list[dict[str, Any]]:
    return [
        _words(
            "## A Dask cluster",
            words,
            "The workers see your data and your packages. Credits for the cluster are set aside when you make it and "
            "charged to the "
            "second; what is not used returns. If too few are left for it, the next cell says so.",
        ),
        _code(
            "from dask_gateway import Gateway",
            "",
            "cluster = Gateway().new_cluster()",
            "cluster.scale(2)",
            "client = cluster.get_client()",
            "client.wait_for_workers(2, timeout=120)",
            "print(len(client.scheduler_info(n_workers=-1)['workers']), 'workers')",
        ),
    ]


def _shutdown() -> list[dict[str, Any]]:
    return [
        _words("Done: shut it down, so that nothing more is charged for it. It would also end with this session."),
        _code("client.close()", "cluster.shutdown()", "print('shut down')"),
    ]


def _farewell() -> list[dict[str, Any]]:
    return [
        _words(
            "## What next",
            "Delete or change anything here; this file is yours. More data is in the portal's catalogue: what you ask "
            "for there "
            "and are granted can be read in this very session, without a restart. **Stop the notebook in the portal "
            "when you are "
            "done**: what is left of the credits returns at once.",
        )
    ]


def _words(*lines: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": "\n\n".join(lines)}


def _code(*lines: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": "\n".join(lines)}
