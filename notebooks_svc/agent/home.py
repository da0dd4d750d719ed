"""
A person's home for one allocation: their files, the team's shared folder, and their own packages.

Packages a person installs go into an overlay: an environment of their own whose path ends in the shared one. `%pip install`
sees what is shared, adds what is missing to the overlay, and never changes the shared environment.

Standard library alone: at a Slurm site this file is copied beside `submit.py` and runs as the person.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..wire import SeedFile

OVERLAY = ".packages"
KERNELS = ".local/share/commons"
AWS_CONFIG = ".local/share/commons/aws.ini"


def home_prepare(*, home: Path, shared: Path, environment: Path, files: list[SeedFile]) -> Path:
    """
    Make the home ready and return the overlay's Python.

    :raises OSError: disk full, or a folder that cannot be written; the caller turns it into an entry of the error catalogue
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    shared.mkdir(mode=0o700, parents=True, exist_ok=True)
    link = home / "shared"
    if not link.exists() and not link.is_symlink():
        link.symlink_to(os.path.relpath(shared, home))
    for file in files:
        target = home / file.path
        if not target.exists():
            target.write_text(file.content)
    aws_config_write(home=home, environment=environment)
    return overlay_prepare(home=home, environment=environment)


def aws_environment(*, home: Path, env: dict[str, str]) -> dict[str, str]:
    """What a server or a worker is told on top of its spec, where the object store hands out credentials."""
    return {"AWS_CONFIG_FILE": str(home / AWS_CONFIG)} if "AWS_ENDPOINT_URL" in env else {}


def aws_config_write(*, home: Path, environment: Path) -> None:
    """
    Write the file that lets AWS's tools renew their keys themselves: it names a program and holds no secret. Where the store
    lies is said by the environment.
    """
    lines = [
        "# Written at each launch. Keys come from the portal and renew themselves.",
        "[default]",
        f'credential_process = "{environment}/bin/python" -m commons.credentials',
        "request_checksum_calculation = when_required",
        "response_checksum_validation = when_required",
        "s3 =",
        "    addressing_style = path",
    ]
    path = home / AWS_CONFIG
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")  # sessions of one home start side by side
    draft.write_text("\n".join(lines) + "\n")
    draft.replace(path)


def overlay_prepare(*, home: Path, environment: Path) -> Path:
    """Lay the person's own packages over the shared environment; a few small files, no installation."""
    overlay = home / OVERLAY
    base_python, version = _python_of(environment)
    site_packages = overlay / "lib" / f"python{version}" / "site-packages"
    python = overlay / "bin" / "python"
    site_packages.mkdir(parents=True, exist_ok=True)
    python.parent.mkdir(exist_ok=True)
    (overlay / "pyvenv.cfg").write_text(f"home = {base_python.parent}\ninclude-system-site-packages = false\n")
    if not python.is_symlink() or python.readlink() != base_python:
        python.unlink(missing_ok=True)
        python.symlink_to(base_python)
    shared = environment / "lib" / f"python{version}" / "site-packages"
    (site_packages / "zz-shared-environment.pth").write_text(f"{shared}\n")
    for name in ("pip", "pip3"):
        script = python.with_name(name)
        script.write_text(f'#!/bin/sh\nexec "{python}" -m pip "$@"\n')
        script.chmod(0o755)
    _kernel_write(home, python)
    return python


def _kernel_write(home: Path, python: Path) -> None:
    folder = home / KERNELS / "kernels" / "python3"
    folder.mkdir(parents=True, exist_ok=True)
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "metadata": {"debugger": True},
    }
    (folder / "kernel.json").write_text(json.dumps(spec))


@cache
def _python_of(environment: Path) -> tuple[Path, str]:
    """The interpreter below an environment, and its version: as `venv` wrote them down, else as it says itself."""
    with suppress(OSError, KeyError):
        lines = (environment / "pyvenv.cfg").read_text().splitlines()
        said = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
        return Path(said["executable"]), ".".join(said["version"].split(".")[:2])
    code = "import sys; print(sys._base_executable); print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([environment / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    executable, version = done.stdout.split()
    return Path(executable), version
