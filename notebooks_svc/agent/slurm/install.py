"""Lays the programs that run as others, as people and as Slurm's user, into a folder that only root may write."""

from __future__ import annotations

import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = (HERE / "submit.py", HERE / "job.py", HERE / "change.py", HERE.parent / "home.py")


def libexec_install(folder: Path, *, conf: Path) -> None:
    """
    Copy them; a newer portal's programs replace those of an older one.

    :param conf: Slurm's configuration
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    for program in PROGRAMS:
        draft = folder / f".{program.name}"
        shutil.copyfile(program, draft)
        draft.chmod(0o755)
        draft.replace(folder / program.name)
    (folder / "conf").write_text(f"{conf}\n")
