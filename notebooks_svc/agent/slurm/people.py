"""
Whose Unix account a person's jobs run under at this site.

The site decides: its own hook makes the account, the home and the team's folder, and says the account's name; the portal only
ever names a person by their `hub_username`. The answer is kept in a table (a small file per person), and an account outside the
site's group for portal people is refused whatever the hook said.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import subprocess
from pathlib import Path
from typing import Any

from ...wire import BatchWish
from .commands import SlurmRefused, SlurmSilent
from .site import SlurmSite

ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
PERSON = re.compile(r"u[a-z2-7]{16}")
ALLOCATION = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
HOOK_LIMIT_S, SUBMIT_LIMIT_S = 30, 60
PYTHON = "/usr/bin/python3"


class People:
    """The mapping table of one site, kept in `folder`."""

    def __init__(self, folder: Path, site: SlurmSite) -> None:
        self.folder, self.site = folder, site

    def account_of(self, person: str) -> str | None:
        """The person's account as the table has it; None when they were never here."""
        try:
            return json.loads((self.folder / f"{person}.json").read_text())["account"]
        except (OSError, ValueError, KeyError):
            return None

    def account_ensure(self, batch: BatchWish, home: str) -> str:
        """
        The account for a launch, made with its folders when it is not there.

        :param home: `<allocation>/<person>` below the site's homes
        :raises SlurmRefused: `account_missing`, when the hook fails or names an account that must not be used
        """
        allocation, _, person = home.partition("/")
        if person != batch.hub_username:
            raise SlurmRefused("account_missing", "the launch names no home of its own person")
        return self.place_ensure(person, allocation)

    def place_ensure(self, person: str, allocation: str) -> str:
        """
        A person's account with their home for an allocation, made when it is not there.

        :raises SlurmRefused: as `account_ensure`
        """
        home = f"{allocation}/{person}"
        if not PERSON.fullmatch(person) or not ALLOCATION.fullmatch(allocation.lower()):
            raise SlurmRefused("account_missing", "that is no person, or no allocation")
        known = self._read(person)
        if allocation in known.get("allocations", []) and self._is_there(self.site.homes / home):
            return self._checked(known["account"])
        account = self._checked(self._hook("ensure", person, allocation, str(self.site.homes)))
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        table = {"account": account, "allocations": sorted({*known.get("allocations", []), allocation})}
        draft = self.folder / f"{person}.{os.getpid()}.draft"
        draft.write_text(json.dumps(table))
        draft.replace(self.folder / f"{person}.json")
        return account

    def run_as(self, account: str, document: dict[str, Any]) -> dict[str, Any]:
        """
        Run the site's submit program as a person.

        :raises SlurmSilent: when it gave no answer
        """
        argv = [PYTHON, "-s", "-E", str(self.site.libexec / "submit.py")]
        who: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(account)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": os.getgrouplist(account, entry.pw_gid)}
        else:
            argv = ["sudo", "-nu", account, "--", *argv]
        try:
            done = subprocess.run(
                argv,
                input=json.dumps(document),
                capture_output=True,
                text=True,
                timeout=SUBMIT_LIMIT_S,
                cwd="/",
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
                check=False,
                **who,
            )
            answer: dict[str, Any] = json.loads(done.stdout)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SlurmSilent(f"the submit program: {error}") from error
        except ValueError as error:
            raise SlurmSilent(f"the submit program said nothing that can be read: {done.stderr.strip()[-300:]}") from error
        return answer

    @staticmethod
    def _is_there(home: Path) -> bool:
        """Whether a home is there; one that an ordinary service user may not look at is believed."""
        try:
            return home.is_dir()
        except PermissionError:
            return True

    def _hook(self, *words: str) -> str:
        try:
            done = subprocess.run(
                [*self.site.account_hook, *words], capture_output=True, text=True, timeout=HOOK_LIMIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SlurmRefused("account_missing", f"the site's account hook: {error}") from error
        if done.returncode != 0:
            raise SlurmRefused("account_missing", f"the site's account hook: {done.stderr.strip()[-200:]}")
        return done.stdout.strip()

    def _checked(self, account: str) -> str:
        """
        Let an account pass that the site set aside for portal people.

        :raises SlurmRefused: `account_missing`
        """
        try:
            entry, group = pwd.getpwnam(account), grp.getgrnam(self.site.commons_group)
        except KeyError as error:
            raise SlurmRefused("account_missing", f"the site has no account {account[:40]!r}") from error
        member = account in group.gr_mem or entry.pw_gid == group.gr_gid
        if not ACCOUNT.fullmatch(account) or entry.pw_uid == 0 or not member:
            raise SlurmRefused("account_missing", f"{account} is not set aside for people of the portal")
        return account

    def _read(self, person: str) -> dict[str, Any]:
        try:
            return json.loads((self.folder / f"{person}.json").read_text())
        except (OSError, ValueError):
            return {}
