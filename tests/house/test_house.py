"""The house is as its map says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from docs.draw import PAGES, ROOT, pictures, redraw

WINGS = ("portal", "allocations", "notebooks_svc")


def rooms() -> list[Path]:
    """Every package of a wing."""
    return sorted(path for wing in WINGS for path in (ROOT / wing).iterdir() if (path / "__init__.py").exists())


def test_the_pictures_are_those_of_the_code(tmp_path: Path, monkeypatch: object) -> None:
    drawn = pictures()
    for page in PAGES:
        text = page.read_text()
        assert redraw(text, drawn) == text, f"{page.name} is out of date; run `python3 manage.py draw`"
        for name in drawn:
            assert f"<!-- drawn: {name} -->" in text


def test_every_room_says_what_it_owns() -> None:
    for room in rooms():
        if room.name in ("config", "core", "web"):
            continue
        readme = room / "README.md"
        assert readme.exists(), f"{room} has no README.md"
        assert readme.read_text().startswith(f"# {room.name}"), readme


def test_the_map_in_the_readme_names_every_room() -> None:
    text = (ROOT / "README.md").read_text()
    for room in rooms():
        assert f"{room.name}/" in text, f"the map in README.md lacks {room.relative_to(ROOT)}"


def test_the_top_level_is_as_it_was_agreed() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert folders <= {"portal", "allocations", "notebooks_svc", "tests", "deploy", "docs", "__pycache__"}


def test_every_dependency_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["test"],
        *project["dependency-groups"]["notebook"],
    ]
    for dependency in wanted:
        line = next(line for line in text.splitlines() if f'"{dependency}"' in line)
        assert re.search(r"#\s*\w+", line) or dependency == "pip", f"{dependency} has no reason"


def test_locked_requirements_name_no_host() -> None:
    for path in (ROOT / "deploy" / "requirements").glob("*.txt"):
        assert "://" not in path.read_text(), path


def test_no_room_has_a_file_called_utils() -> None:
    assert not [path for wing in WINGS for path in (ROOT / wing).rglob("utils.py")]
