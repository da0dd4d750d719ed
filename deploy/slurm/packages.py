"""What a site in a box needs of Debian, and its installation."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .daemons import BoxTrouble

# Program → package that brings it.
PROGRAMS = {
    "munged": "munge",
    "mariadbd": "mariadb-server",
    "slurmdbd": "slurmdbd",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "sudo": "sudo",  # a hub that is an ordinary user submits as people by it
}
PLUGINS = {"accounting_storage_mysql.so": "slurm-wlm-mysql-plugin", "select_cons_tres.so": "slurm-wlm-basic-plugins"}
POLICY = Path("/usr/sbin/policy-rc.d")
SEARCH = "/usr/sbin:/sbin:/usr/bin:/bin"


def missing() -> list[str]:
    """Packages that are not installed."""
    path = os.environ.get("PATH", "") + ":" + SEARCH
    plugins = {file.name for folder in Path("/usr/lib").glob("*/slurm-wlm") for file in folder.glob("*.so")}
    wanted = [package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)]
    return sorted({*wanted, *(package for plugin, package in PLUGINS.items() if plugin not in plugins)})


def install(log: Path) -> None:
    """
    Install what is missing by apt-get; the packages' own services are kept from starting meanwhile.

    :raises BoxTrouble: when apt-get fails, or there is none
    """
    need = missing()
    if not need:
        return
    if not shutil.which("apt-get"):
        raise BoxTrouble(f"these packages are missing and there is no apt-get to install them: {' '.join(need)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    keep = ["-o", "Dpkg::Options::=--force-confold"]
    with services_kept_down(), log.open("ab") as out:
        for argv in (
            ["apt-get", "-q", "update"],
            ["apt-get", "-q", "install", "-y", "--no-install-recommends", *keep, *need],
        ):
            done = subprocess.run(argv, env=quiet, stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise BoxTrouble(f"apt-get could not install {' '.join(need)}; see {log}")


@contextmanager
def services_kept_down() -> Iterator[None]:
    """Keep what apt-get installs meanwhile from starting daemons of its own (Debian's policy-rc.d)."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink()
