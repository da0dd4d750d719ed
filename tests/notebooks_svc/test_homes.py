"""A person's home is made ready: quickly, and over the right interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from notebooks_svc.agent.home import home_prepare

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment whose python cannot be run."""
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").write_text("#!/bin/sh\nexit 9\n")
    (folder / "bin/python").chmod(0o755)
    return folder


def prepared(tmp_path: Path, environment: Path) -> Path:
    """The home over this environment."""
    home = tmp_path / "home"
    home_prepare(home=home, shared=tmp_path / "shared", environment=environment, files=[])
    return home


def test_what_venv_wrote_down_of_an_environment_is_read_and_no_program_started(tmp_path: Path, environment: Path) -> None:
    """A launch waits for each program that is started before it."""
    said = f"home = /usr/bin\nversion = 3.11.2\nexecutable = {sys.executable}\ncommand = python3 -m venv a=b\n"
    (environment / "pyvenv.cfg").write_text(said)
    home = prepared(tmp_path, environment)
    assert (home / ".packages/bin/python").readlink() == Path(sys.executable)
    shared = home / ".packages/lib/python3.11/site-packages/zz-shared-environment.pth"
    assert shared.read_text() == f"{environment}/lib/python3.11/site-packages\n"


@pytest.mark.parametrize("said", [None, "home = /usr/bin\nversion_info = 3.11.2\n"])
def test_an_environment_made_otherwise_is_asked_itself(tmp_path: Path, environment: Path, said: str | None) -> None:
    if said is not None:
        (environment / "pyvenv.cfg").write_text(said)
    (environment / "bin/python").unlink()
    (environment / "bin/python").symlink_to(sys.executable)
    home = prepared(tmp_path, environment)
    assert (home / f".packages/lib/python{VERSION}/site-packages/zz-shared-environment.pth").exists()
    assert (home / ".packages/bin/python").exists()
