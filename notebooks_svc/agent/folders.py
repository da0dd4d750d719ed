"""
What teams keep in their folders at the site: how much, which files, their bytes, and their end. Local engine only: the homes
of a Slurm site belong to people's own accounts, and the agent may not look into them.

No link is followed anywhere: a path that leaves the team's folder by one leads to nothing.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ..wire import FolderFile

TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
FILES_MAX = 50_000
# Made anew at each launch, or by the tools themselves: counted, and not handed out.
NOT_HANDED_OUT = {
    ".packages",
    ".cache",
    ".ipynb_checkpoints",
    ".local",
    ".ipython",
    ".jupyter",
    ".config",
    ".npm",
    "__pycache__",
}


class NoSuchFile(LookupError):
    """There is no such team, or no such file of it."""


def folders_use(homes: Path) -> dict[str, tuple[int, int]]:
    """Bytes and files of every team, by the name of its folder."""
    if not homes.is_dir():
        return {}
    found = {}
    for entry in os.scandir(homes):
        if TEAM.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            sizes = [size for _, size, _ in _walk(Path(entry.path), leave_out=frozenset())]
            found[entry.name] = sum(sizes), len(sizes)
    return found


def folder_list(homes: Path, team: str) -> tuple[list[FolderFile], bool]:
    """
    The files of a team, in order, and whether there are more than are told.

    :raises NoSuchFile: no such team
    """
    root = _team(homes, team)
    files: list[FolderFile] = []
    for path, size, modified in _walk(root, leave_out=frozenset(NOT_HANDED_OUT)):
        if len(files) == FILES_MAX:
            return files, True
        files.append(FolderFile(path=path, size=size, modified=modified))
    return files, False


def file_look(homes: Path, team: str, path: str) -> FolderFile:
    """
    One file of those `folder_list` tells, without looking at the others.

    :raises NoSuchFile: there is none, or it is not handed out
    """
    if NOT_HANDED_OUT.intersection(path.split("/")[:-1]):
        raise NoSuchFile(path)
    handle = folder_open(homes, team, path)
    try:
        found = os.fstat(handle)
    finally:
        os.close(handle)
    return FolderFile(path=path, size=found.st_size, modified=found.st_mtime)


def folder_open(homes: Path, team: str, path: str) -> int:
    """
    A descriptor of one file, opened for reading folder by folder without following a link.

    :raises NoSuchFile:
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise NoSuchFile(path)
    handle = os.open(_team(homes, team), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = deeper
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except OSError:
        raise NoSuchFile(path) from None
    finally:
        os.close(handle)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise NoSuchFile(path)
    return file


def folder_remove(homes: Path, team: str) -> None:
    """Delete all of a team's files; asked again after a kill, it goes on. Nothing there is no error."""
    try:
        root = _team(homes, team)
        root.rename(homes / f".removed-{team}-{secrets.token_hex(4)}")  # out of sight at once, whatever happens next
    except NoSuchFile:
        pass
    for left in homes.glob(f".removed-{team}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _team(homes: Path, team: str) -> Path:
    root = homes / team
    if not TEAM.fullmatch(team) or root.is_symlink() or not root.is_dir():
        raise NoSuchFile(team)
    return root


def _walk(root: Path, *, leave_out: frozenset[str]) -> Iterator[tuple[str, int, float]]:
    """Path below the root, size and time of every regular file, by name."""
    for folder, names, files in os.walk(root, followlinks=False):
        names[:] = sorted(name for name in names if name not in leave_out)
        for name in sorted(files):
            try:
                found = os.lstat(os.path.join(folder, name))
                path = os.path.relpath(os.path.join(folder, name), root)
                path.encode()
            except (OSError, UnicodeEncodeError):
                continue
            if stat.S_ISREG(found.st_mode):
                yield path, found.st_size, found.st_mtime
