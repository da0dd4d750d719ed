#!/usr/bin/python3
"""
A site's account hook: makes a person's Unix account, their home for one allocation and the team's folder. Runs as root.

    account_hook.py ensure PERSON ALLOCATION HOMES     prints the account's name; safe to repeat

This one makes local accounts; a site with a directory of its own puts its own program here. Standard library.
"""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

GROUP = "commons-people"
PERSON = re.compile(r"u[a-z2-7]{16}")
ALLOCATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,25}")


def main() -> int:
    """As the site's agent calls it."""
    if len(sys.argv) != 5 or sys.argv[1] != "ensure":
        return fail(__doc__ or "")
    person, allocation, homes = sys.argv[2], sys.argv[3], Path(sys.argv[4])
    if not PERSON.fullmatch(person) or not ALLOCATION.fullmatch(allocation) or not homes.is_absolute():
        return fail("person, allocation or folder have not the form they must have")
    with open("/run/lock/commons-accounts" if Path("/run/lock").is_dir() else "/tmp/.commons-accounts", "w") as lock:  # noqa: S108
        fcntl.flock(lock, fcntl.LOCK_EX)
        account, team = f"c{person}", f"cc-{allocation.lower()}"
        group_ensure(GROUP)
        group_ensure(team)
        account_ensure(account)
        if account not in grp.getgrnam(team).gr_mem:
            run("usermod", "-a", "-G", f"{GROUP},{team}", account)
        folders_ensure(homes / allocation, account=account, person=person, team=team)
    print(account)
    return 0


def group_ensure(name: str) -> None:
    try:
        grp.getgrnam(name)
    except KeyError:
        run("groupadd", name)


def account_ensure(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        run("useradd", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name)


def folders_ensure(folder: Path, *, account: str, person: str, team: str) -> None:
    """The allocation's folder is passed through by its team only; a home is its owner's; what is shared is the team's."""
    group, uid = grp.getgrnam(team).gr_gid, pwd.getpwnam(account).pw_uid
    folder.mkdir(parents=True, exist_ok=True)
    for path, owner, mode in ((folder, 0, 0o750), (folder / "shared", 0, 0o2770), (folder / person, uid, 0o700)):
        path.mkdir(exist_ok=True)
        os.chown(path, owner, group)
        path.chmod(mode)


def run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 9):  # 9: somebody else made it meanwhile
        raise SystemExit(fail(f"{argv[0]}: {done.stderr.strip()}"))


def fail(words: str) -> int:
    print(words.strip(), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
