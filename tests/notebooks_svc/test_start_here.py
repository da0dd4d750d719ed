"""The first notebook: with the demo's data it is run in `tests/embedded/test_data.py`; here, without."""

from __future__ import annotations

import json

import pytest

from allocations.datasets.models import Dataset
from notebooks_svc.sessions.start_here import EXAMPLE, start_here


@pytest.mark.parametrize("slugs", [[], ["meters"], [EXAMPLE, "meters"]], ids=["nothing", "own", "demo"])
def test_it_is_a_notebook_whose_cells_are_python_and_name_only_what_may_be_read(slugs: list[str]) -> None:
    notebook = json.loads(start_here([Dataset(slug=slug, title=slug) for slug in slugs]))
    assert notebook["nbformat"] == 4
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        compile(cell, "cell", "exec")
    text = "\n".join(code)
    assert "Gateway().new_cluster()" in text
    assert "cluster.shutdown()" in text
    assert (f"commons://{EXAMPLE}/" in text) == (EXAMPLE in slugs)
    assert ('open_dataset("meters")' in text) == (slugs == ["meters"])
