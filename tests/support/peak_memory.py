"""Runs a command of the door and prints its peak memory in KiB: `python -m tests.support.peak_memory ledger_verify`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django


def main() -> None:
    """Run the command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from django.core.management import call_command

    call_command(*sys.argv[1:])
    print(_peak_kib())


def _peak_kib() -> int:
    """The kernel's high-water mark of this program; `ru_maxrss` would begin at what the parent had when it started us."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


if __name__ == "__main__":
    main()
