"""
Draws the pictures of `docs/architecture.md` from the code: `python3 manage.py draw`.

A test compares them with what is committed.

Pictures are Mermaid, between `<!-- drawn: name -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "docs" / "architecture.md"]


def life(transitions: Mapping[Any, frozenset[Any]]) -> str:
    """A state table as a state diagram."""
    states = {state for move in transitions for state in move}
    begins = states - {new for _, new in transitions}
    ends = states - {old for old, _ in transitions}
    lines = ["stateDiagram-v2", *(f"    [*] --> {state.value}" for state in sorted(begins, key=str))]
    for (old, new), actors in transitions.items():
        lines.append(f"    {old.value} --> {new.value}: {', '.join(sorted(actor.value for actor in actors))}")
    lines += [f"    {state.value} --> [*]" for state in sorted(ends, key=str)]
    return "\n".join(lines)


def processes() -> str:
    """The parts that `up` starts, with their ports and what each waits for."""
    from deploy.embedded.layout import PORTS, Layout
    from deploy.embedded.parts import parts

    with tempfile.TemporaryDirectory() as home:
        layout = Layout(Path(home), 8000, demo=True)
        layout.run.mkdir()
        started = parts(layout)
    lines = ["flowchart LR", "    prepare[prepare: migrations, seeds]"]
    for part in started:
        ports = ", ".join(f"{8000 + offset}" for name, offset in PORTS.items() if _listens(part.name, name))
        lines.append(f"    {part.name}[{part.name}{': ' + ports if ports else ''}]")
        lines += [f"    {before} --> {part.name}" for before in part.after]
    return "\n".join(lines)


def _listens(part: str, port: str) -> bool:
    return port in {"hub": ("hub", "notebooks"), "gateway": ("gateway", "gateway_api", "gateway_tcp")}.get(part, (part,))


def house() -> str:
    """The rooms in their order, from the import contracts: each may use those below it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {contract["containers"][0]: contract["layers"] for contract in contracts if "containers" in contract}
    lines = ["flowchart TB"]
    for wing in ("notebooks_svc", "allocations", "portal"):
        lines.append(f"    subgraph {wing}")
        lines += [f"        {wing}_{number}[{layer}]" for number, layer in enumerate(layers[wing])]
        lines += [f"        {wing}_{n} --> {wing}_{n + 1}" for n in range(len(layers[wing]) - 1)]
        lines.append("    end")
    return "\n".join([*lines, "    notebooks_svc --> allocations --> portal"])


def pictures() -> dict[str, str]:
    """Every picture by name."""
    from allocations.applications.states import TRANSITIONS as APPLICATION
    from allocations.datasets.states import TRANSITIONS as ACCESS
    from allocations.datasets.states import VERSION_TRANSITIONS as VERSION
    from allocations.projects.states import TRANSITIONS as ALLOCATION
    from allocations.reports.states import TRANSITIONS as REPORT
    from allocations.reviews.states import TRANSITIONS as REVIEW
    from notebooks_svc.sessions.states import TRANSITIONS as SESSION

    drawn: dict[str, Any] = {
        "house": house(),
        "processes": processes(),
        "session life": life(SESSION),
        "allocation life": life(ALLOCATION),
        "application life": life(APPLICATION),
        "review life": life(REVIEW),
        "report life": life(REPORT),
        "dataset access life": life(ACCESS),
        "dataset version life": life(VERSION),
    }
    return drawn


def redraw(text: str, drawn: dict[str, str]) -> str:
    """A page with its pictures as the code has them."""
    for name, picture in drawn.items():
        block = f"<!-- drawn: {name} -->\n```mermaid\n{picture}\n```\n<!-- end -->"
        text = re.sub(rf"<!-- drawn: {name} -->.*?<!-- end -->", partial(_block, block), text, flags=re.DOTALL)
    return text


def _block(block: str, _: re.Match[str]) -> str:
    return block


def main() -> None:
    """Write the pictures into the pages."""
    import django

    django.setup()
    drawn = pictures()
    for page in PAGES:
        page.write_text(redraw(page.read_text(), drawn))
