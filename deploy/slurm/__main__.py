"""`python3 -m deploy.slurm up | down | status | env`: a site in a box. Root; Debian or Ubuntu."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import fields
from pathlib import Path

from .box import Box
from .daemons import BoxTrouble
from .settings import FOLDER_DEFAULT, BoxSettings

KINDS = {"int": int, "float": float, "str": str}


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python3 -m deploy.slurm", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER_DEFAULT)
    for field in fields(BoxSettings):
        if field.name != "link":
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=KINDS[str(field.type)])
    parser.add_argument("--no-link", dest="link", action="store_false", default=None)
    parser.add_argument("verb", choices=["up", "down", "status", "env", "cloud"])
    parser.add_argument("--wipe", action="store_true", help="with down: remove the folder too")
    said = vars(parser.parse_args())
    folder, verb, wipe = said.pop("folder").absolute(), said.pop("verb"), said.pop("wipe")
    box = Box(folder, **said)
    try:
        return _do(box, verb, wipe=wipe)
    except BoxTrouble as trouble:
        print(f"commons: {trouble}", file=sys.stderr)
        return 1


def _do(box: Box, verb: str, *, wipe: bool) -> int:
    began = time.monotonic()
    if verb == "up":
        box.up()
        print(f"up in {time.monotonic() - began:.1f} s; export SLURM_CONF={box.conf}", file=sys.stderr)
    elif verb == "down":
        box.down(wipe=wipe)
        print(f"down in {time.monotonic() - began:.1f} s", file=sys.stderr)
    elif verb == "env":
        print(f"export SLURM_CONF={box.conf}")
    elif verb == "cloud":
        from .cloud.machines import machines_forever

        machines_forever(box)
    else:
        good, facts = box.status()
        print(json.dumps(facts, indent=1))
        return 0 if good else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
