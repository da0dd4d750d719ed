#!/usr/bin/env python3
"""
Changes the scheduler's accounts on behalf of the site's service user: an Operator may not change QOS, so this runs as Slurm's
own user, and what it may be told is checked here.

It is called as `sacctmgr` would be. Only the portals' accounts and people set aside for portals can be named; no rights can be
given. Standard library; `conf` beside it says where Slurm's configuration lies.
"""

from __future__ import annotations

import grp
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIRST = ["-i", "-Q"]
VERBS, THINGS = ("add", "modify", "delete"), ("account", "qos", "user")
OURS = re.compile(r"c[a-z][0-9a-f]{8}-[a-z0-9-]{1,40}")
VALUE = re.compile(r"[A-Za-z0-9,=_.-]{0,200}")
KEYS = ("name", "account", "partition", "flags", "grptresmins", "grpsubmitjobs", "qos", "defaultqos", "defaultaccount")
WORDS = ("description=commons", "organization=commons", "where", "set")
GROUP = "commons-people"


def main() -> int:
    """Check, then call sacctmgr."""
    words = sys.argv[1:]
    people = set(grp.getgrnam(GROUP).gr_mem) if _group_is_there() else set()
    if wrong := refusal(words, people):
        sys.stderr.write(f"sacctmgr: this is not for a portal to change: {wrong}\n")
        return 1
    env = {"PATH": "/usr/bin:/bin", "SLURM_CONF": (HERE / "conf").read_text().strip(), "LANG": "C.UTF-8"}
    return subprocess.run(["/usr/bin/sacctmgr", *words], env=env, check=False).returncode


def _group_is_there() -> bool:
    return any(entry.gr_name == GROUP for entry in grp.getgrall())


def refusal(words: list[str], people: set[str]) -> str:
    """The first word that may not be said; "" when all may."""
    if words[:2] != FIRST or len(words) < 5 or words[2] not in VERBS or words[3] not in THINGS:
        return " ".join(words[:4]) or "nothing is said"
    thing, named = words[3], False
    if words[2:4] == ["delete", "user"] and any(OURS.fullmatch(word.removeprefix("account=")) for word in words[4:]):
        people = {*people, *(word.removeprefix("name=") for word in words[4:])}  # whoever got into a portal's account leaves it
    for number, word in enumerate(words[4:]):
        if word in WORDS:
            continue
        key, has_key, value = word.partition("=")
        if not has_key and number == 0:
            key, value = "name", word
        if key.lower() not in KEYS or not VALUE.fullmatch(value):
            return word
        if not _ours(key.lower(), value, thing, people):
            return word
        named = named or key.lower() == "name"
    return "" if named else "nobody is named"


def _ours(key: str, value: str, thing: str, people: set[str]) -> bool:
    """Whether what a word names is a portal's own."""
    if key == "name" and thing == "user":
        return value in people
    if key in ("name", "account", "qos", "defaultqos", "defaultaccount"):
        return bool(OURS.fullmatch(value))
    return True


if __name__ == "__main__":
    sys.exit(main())
