"""Runs a command of the door and prints its peak memory in KiB: `python -m tests.support.peak_memory ledger_verify`."""

from __future__ import annotations

import os
import resource
import sys

import django


def main() -> None:
    """Run the command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from django.core.management import call_command

    call_command(*sys.argv[1:])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
