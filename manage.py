#!/usr/bin/env python3
"""
The one door: `up`, `test`, `status`, and every Django command.

Written so that any Python 3 can read it: an old one then gets one clear line instead of a syntax error.
"""

import os
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))


def main():
    if sys.version_info < (3, 11):
        sys.exit(
            "Compute Commons needs Python 3.11 or newer; this is %d.%d. "
            "Install one and run it by name, for example `python3.11 manage.py up`." % sys.version_info[:2]
        )
    sys.path.insert(0, ROOT)
    from deploy.embedded import bootstrap

    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    bootstrap.environment_enter(command)

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    if command in ("up", "status", "test", "check_all", "bench", "draw"):
        from deploy.embedded import commands

        sys.exit(commands.run(command, sys.argv[2:]))

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
