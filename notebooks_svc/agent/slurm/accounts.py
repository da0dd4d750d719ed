"""
The portal's allocations as Slurm has them: for each one account and one QOS with its budget, and an association per person.

A second fence: even if the portal erred, the scheduler would refuse. The budget is cumulative (`NoDecay`): what Slurm has
counted so far plus what may still be used. What differs from what the portal says is corrected, and every correction is told.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from ...wire import BatchWish, MirrorAccount
from .commands import Commands, SlurmRefused, SlurmSilent
from .options import account_name
from .people import PERSON

FLAGS = "DenyOnLimit,NoDecay"
USED = re.compile(r"GrpTRESMins=(?P<limits>\S*)")
BILLING = re.compile(r"billing=(?P<limit>N|\d+)\((?P<used>\d+)\)")
NOTHING_NEW = "nothing"
SLACK = 0.02  # of the budget: rewriting it for every second that passed would be noise
PREFIX_LENGTH = 8
AGAIN_S = 15.0  # the same wish again within this time is not looked at again: several processes of the portal ask


class Mirror:
    """Accounts, QOS and associations of one portal at one cluster."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self.folder, self.commands = folder, commands
        self.marks = folder / "admitted"
        self._synced: tuple[tuple[str, str, str], float] | None = None

    def admit(self, instance: str, batch: BatchWish, account: str, *, again: bool = False) -> None:
        """
        See that one person may submit on one allocation, before their first launch there.

        :param again: the scheduler has just refused: put right what somebody changed there, the budget included
        :raises SlurmSilent: accounting does not answer
        """
        mark = self.marks / f"{account_name(instance, batch.account)}.{account}"
        if mark.exists() and not again:
            return
        name = account_name(instance, batch.account)
        budgets = self._budgets(instance)
        # Each of the three is looked for: whoever began before may have died between two.
        self._account_ensure(name, batch.budget_minutes, qos=name in budgets, account=name in self._people(instance))
        if name in budgets and again:
            self._budget_correct(name, budgets[name], self._used(instance).get(name, 0) + batch.budget_minutes)
        self._add("user", account, f"account={name}")
        self.marks.mkdir(mode=0o700, exist_ok=True)
        mark.touch(mode=0o600)

    def sync(self, instance: str, wanted: list[MirrorAccount], accounts: dict[str, str]) -> list[str]:
        """
        Make Slurm as the portal says, for this portal's accounts only. Returns what was changed, in words.

        :param accounts: person → Unix account, for those that were ever here
        :raises SlurmSilent: accounting does not answer; what was done stays, the next call goes on
        """
        key = (instance, str(wanted), str(sorted(accounts.items())))
        if self._synced is not None and self._synced[0] == key and time.monotonic() - self._synced[1] < AGAIN_S:
            return []
        changes = self._sync(instance, wanted, accounts)
        self._synced = (key, time.monotonic())
        return changes

    def _sync(self, instance: str, wanted: list[MirrorAccount], accounts: dict[str, str]) -> list[str]:
        changes: list[str] = []
        budgets, people = self._budgets(instance), self._people(instance)
        used = self._used(instance)
        for ask in wanted:
            name = account_name(instance, ask.account)
            members = {accounts[person] for person in ask.people if person in accounts}
            if name not in budgets or name not in people:
                if not members:
                    continue  # nobody of it was ever here: it is made with its first launch
                self._account_ensure(name, ask.budget_minutes, qos=name in budgets, account=name in people)
                changes.append(f"made {name}")
            changes += self._budget_correct(name, budgets.get(name), used.get(name, 0) + ask.budget_minutes)
            for account in sorted(members - people.get(name, set())):
                self._add("user", account, f"account={name}")
                changes.append(f"added {account} to {name}")
            for account in sorted(people.get(name, set()) - members):
                changes += self._remove(name, account)
        named = {account_name(instance, ask.account) for ask in wanted}
        for name in sorted(set(people) - named):
            for account in sorted(people[name]):
                changes += self._remove(name, account)
        return changes

    def _remove(self, name: str, account: str) -> list[str]:
        """A person leaves an account: their jobs on it are ended, and no new one is taken."""
        (self.marks / f"{name}.{account}").unlink(missing_ok=True)
        jobs = [int(line) for line in self._lines("squeue", "-ah", "-u", account, "-A", name, "-o", "%A") if line.isdigit()]
        self.commands.cancel(jobs)
        self._write("delete", "user", f"name={account}", f"account={name}")
        return [f"removed {account} from {name}"]

    def _budget_correct(self, name: str, now: int | None, wanted: int) -> list[str]:
        if now is None or abs(now - wanted) <= SLACK * max(wanted, 60):
            return []
        self._write("modify", "qos", f"name={name}", "set", f"GrpTRESMins=billing={wanted}")
        return [f"budget of {name}: {now} → {wanted} billing minutes"]

    def _account_ensure(self, name: str, budget_minutes: int, *, qos: bool, account: bool) -> None:
        """Make what is not there yet."""
        if not qos:
            self._add("qos", name, "set", f"Flags={FLAGS}", f"GrpTRESMins=billing={budget_minutes}")
        if not account:
            self._add("account", name, "description=commons", "organization=commons", f"qos={name}", f"defaultqos={name}")

    def _add(self, *words: str) -> None:
        self._write("add", *words)

    def _write(self, *words: str) -> None:
        try:
            self.commands.run(*self.commands.site.accounts_command, "-i", "-Q", *words)
        except SlurmSilent as error:
            if NOTHING_NEW not in str(error).lower() and "already exists" not in str(error).lower():
                raise

    def _budgets(self, instance: str) -> dict[str, int]:
        """QOS of this portal → its budget in billing minutes (0 when it has none)."""
        found = {}
        for line in self._lines("sacctmgr", "-nP", "show", "qos", "format=name,grptresmins"):
            name, _, limits = line.partition("|")
            if self._ours(name, instance):
                match = re.search(r"billing=(\d+)", limits)
                found[name] = int(match[1]) if match else 0
        return found

    def _people(self, instance: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for line in self._lines("sacctmgr", "-nP", "show", "assoc", "format=account,user"):
            name, _, user = line.partition("|")
            if self._ours(name, instance):
                found.setdefault(name, set())
                if user:
                    found[name].add(user)
        return found

    def _used(self, instance: str) -> dict[str, int]:
        """Billing minutes the controller has counted, by QOS."""
        found, name = {}, ""
        for line in self._lines("scontrol", "-o", "show", "assoc_mgr", "flags=qos"):
            for word in line.split():
                if word.startswith("QOS="):
                    name = word[4:].partition("(")[0]
                elif (match := USED.match(word)) and self._ours(name, instance):
                    billing = BILLING.search(match["limits"])
                    found[name] = int(billing["used"]) if billing else 0
        return found

    def _lines(self, *argv: str) -> list[str]:
        return [line.strip() for line in self.commands.run(*argv).splitlines()]

    @staticmethod
    def _ours(name: str, instance: str) -> bool:
        return name.startswith(f"cc{instance[:PREFIX_LENGTH]}-")


def accounts_read(folder: Path) -> dict[str, str]:
    """Person → Unix account, as the mapping table has it."""
    found = {}
    for path in (folder / "people").glob("*.json"):
        if PERSON.fullmatch(path.stem):
            try:
                found[path.stem] = json.loads(path.read_text())["account"]
            except (OSError, ValueError, KeyError):
                continue
    return found


__all__ = ["Mirror", "SlurmRefused", "accounts_read"]
