"""`manage.py test`: linters and contracts first, then the whole suite; and what the machine needs for it."""

from __future__ import annotations

import argparse
import ctypes.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from deploy.slurm.daemons import BoxTrouble
from deploy.slurm.packages import install as slurm_install
from deploy.slurm.packages import services_kept_down

from .bootstrap import ROOT, VENV, commons_home, home_prepare, notebook_environment, notebook_install, say

CHECKS = [
    ("ruff", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("types", ["mypy"]),
    ("contracts", ["lint-imports"]),
]
# tests/conftest.py says what goes together. Twice as many workers as the smallest machine has cores: some of them mostly wait.
PARALLEL = ["-n", "4", "--dist", "loadscope", "--no-loadscope-reorder"]
# Program → Debian package that brings it.
PACKAGES = {
    "chromium": "chromium",
    "initdb": "postgresql",
    # A real S3 store that enforces policies (deploy/objectstore).
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "radosgw": "radosgw",
    "ceph": "ceph-common",
    # A malware scanner and its daemon, for files that people offer.
    "clamscan": "clamav",
    "clamd": "clamav-daemon",
    "clamdscan": "clamdscan",
    "Rscript": "r-base-core",  # the R line of a dataset's page is run as it stands
}
# Library → Debian package that brings it: letters are drawn as PDF with Pango.
LIBRARIES = {"pango-1.0": "libpango-1.0-0", "pangoft2-1.0": "libpangoft2-1.0-0", "harfbuzz-subset": "libharfbuzz-subset0"}


def run_checks() -> int:
    """Linters, types, import contracts, and migrations that match the models."""
    failed = []
    for name, argv in CHECKS:
        done = subprocess.run([str(VENV / "bin" / argv[0]), *argv[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        say(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'}")
        if done.returncode != 0:
            print(done.stdout[-8000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
            failed.append(name)
    migrations = [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"]
    if subprocess.run(migrations, cwd=ROOT, check=False).returncode != 0:
        failed.append("migrations")
    return 1 if failed else 0


def run_tests(argv: list[str]) -> int:
    """Checks, then pytest on SQLite in parallel, then what needs servers and a browser. Other arguments go to pytest."""
    parser = argparse.ArgumentParser(prog="manage.py test", description=run_tests.__doc__)
    parser.add_argument("--long", action="store_true", help="full durations; figures go into the closing note")
    parser.add_argument("--no-checks", action="store_true", help="skip linters and contracts")
    options, rest = parser.parse_known_args(argv)
    began = time.monotonic()
    if not options.no_checks and not rest and run_checks() != 0:
        return 1
    _machine_prepare()
    record = Path(os.environ.get("COMMONS_TEST_FAILURES") or commons_home() / "test-failures.log")
    record.unlink(missing_ok=True)
    say(f"failures are written down as they happen: {record}")
    env = {**os.environ, "COMMONS_TEST_LONG": "1" if options.long else "0", "COMMONS_TEST_FAILURES": str(record)}
    code = subprocess.run([sys.executable, "-m", "pytest", *(rest or PARALLEL)], cwd=ROOT, env=env, check=False).returncode
    say(f"tests took {time.monotonic() - began:.0f} s")
    return code


def _machine_prepare() -> None:
    """Install what the suite needs: as root on Debian by apt-get; otherwise tests that need it say so and are skipped."""
    missing = sorted({package for program, package in PACKAGES.items() if not _find(program)})
    missing += sorted(package for library, package in LIBRARIES.items() if not ctypes.util.find_library(library))
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {', '.join(missing)} for the tests")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        with services_kept_down():
            for argv in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
                subprocess.run(["apt-get", "-qq", *argv], env=quiet, check=False, stdout=subprocess.DEVNULL)
    home = commons_home()
    home_prepare(home)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        try:
            slurm_install(home / "slurm-apt.log")
        except BoxTrouble as trouble:
            say(f"Slurm is not there, its tests will say so: {trouble}")
    if not (notebook_environment(home) / "bin" / "python").exists():
        notebook_install(home)


def _find(program: str) -> bool:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return bool(shutil.which(program, path=path) or list(Path("/usr/lib/postgresql").glob(f"*/bin/{program}")))
