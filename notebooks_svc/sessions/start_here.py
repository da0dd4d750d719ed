"""`start-here.ipynb`: opened by the first launch, runs as it is, with the person's own data in it."""

from __future__ import annotations

import json
from typing import Any

from .models import Session

FILE_NAME = "start-here.ipynb"


def start_here(session: Session) -> str:  # noqa: ARG001
    """The notebook as JSON (nbformat 4.5)."""
    cells = [
        _words(
            "# Start here",
            "This notebook runs as it is: press **Run ▸ Run All Cells**. Your files in this folder are kept between sessions; "
            "`shared/` is your team's. `%pip install` adds packages that are yours and stay.",
        ),
        _code("import sys, os", "print('Python', sys.version.split()[0], 'on allocation', os.environ['COMMONS_ALLOCATION'])"),
    ]
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


def _words(*lines: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": "\n\n".join(lines)}


def _code(*lines: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": "\n".join(lines)}
