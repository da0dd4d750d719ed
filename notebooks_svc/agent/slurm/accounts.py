"""
The portal's allocations as Slurm has them: for each one account and one QOS with its budget, and an association per person;
and the same for batch holds, under which people submit jobs themselves.

A second fence: even if the portal erred, the scheduler would refuse. The budget is cumulative (`NoDecay`): for an allocation
what Slurm has counted so far plus what may still be used; for a batch hold, which has a QOS of its own from its first to its
last day, simply all it may ever use. What differs from what the portal says is corrected, and every correction is told.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...wire import BatchWish, MirrorAccount, MirrorAnswer
from .commands import Commands, SlurmRefused, SlurmSilent
from .options import account_name, batch_account_name
from .people import PERSON, People

log = logging.getLogger("commons.slurm")
FLAGS = ("DenyOnLimit", "NoDecay")
USED = re.compile(r"GrpTRESMins=(?P<limits>\S*)")
BILLING = re.compile(r"billing=(?P<limit>N|\d+)\((?P<used>\d+)\)")
NOTHING_NEW = "nothing"
SLACK = 0.02  # of an allocation's budget: rewriting it for every second that passed would be noise
BATCH_SLACK = 0.002
PREFIX_LENGTH = 8
AGAIN_S = 15.0  # the same wish again within this time is not looked at again: several processes of the portal ask
FAILURES_MAX = 3  # so many accounts that could not be corrected, and the rest waits for the next call


@dataclass(frozen=True)
class Qos:
    """A QOS as it is: its budget in billing minutes (0: none), whether it takes jobs, whether its flags are ours."""

    budget: int
    accepts: bool
    flags: bool


@dataclass
class There:
    """What Slurm has of one portal, by account: QOS, billing minutes used, and people with their QOS ("": the account)."""

    qos: dict[str, Qos]
    used: dict[str, int]
    people: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)

    def members(self, name: str) -> set[str]:
        """Who has an association."""
        return set(self.people.get(name, {})) - {""}


class Mirror:
    """Accounts, QOS and associations of one portal at one cluster."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self.folder, self.commands = folder, commands
        self.marks = folder / "admitted"
        self._synced: tuple[tuple[str, str, str], float, MirrorAnswer] | None = None
        self._one_at_a_time = threading.Lock()
        self._asked = 0.0

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
        there = self._there(instance)
        # Each of the three is looked for: whoever began before may have died between two.
        if name in there.qos and again:
            self._qos_correct(there, name, there.used.get(name, 0) + batch.budget_minutes, accepts=True, slack=SLACK)
        self._account_ensure(there, name, batch.budget_minutes)
        self._add("user", account, f"account={name}")
        self.marks.mkdir(mode=0o700, exist_ok=True)
        mark.touch(mode=0o600)

    def sync(self, instance: str, wanted: list[MirrorAccount], people: People, asked: float = 0.0) -> MirrorAnswer:
        """
        Make Slurm as the portal says, for this portal's accounts only. Says what was changed, in words.

        :param people: the site's mapping table; those with a batch hold are given an account where they have none
        :param asked: when the wish was made; one that is older than the last is refused
        :raises SlurmSilent: accounting does not answer; what was done stays, the next call goes on
        :raises SlurmRefused: `older_wish`
        """
        with self._one_at_a_time:
            if asked < self._asked:
                raise SlurmRefused("older_wish", "a newer wish was taken before this one")
            self._asked = asked
            return self._sync_once(instance, wanted, people)

    def _sync_once(self, instance: str, wanted: list[MirrorAccount], people: People) -> MirrorAnswer:
        accounts = accounts_read(self.folder)
        key = (instance, str(wanted), str(sorted(accounts.items())))
        if self._synced is not None and self._synced[0] == key and time.monotonic() - self._synced[1] < AGAIN_S:
            return self._synced[2].model_copy(update={"changes": []})
        answer = self._sync(instance, wanted, people, accounts)
        key = (instance, str(wanted), str(sorted(accounts_read(self.folder).items())))
        self._synced = (key, time.monotonic(), answer) if answer.complete else None
        return answer

    def _sync(self, instance: str, wanted: list[MirrorAccount], people: People, accounts: dict[str, str]) -> MirrorAnswer:
        there = self._there(instance)
        told: dict[str, str] = {}
        refused: dict[str, str] = {}
        steps: list[tuple[str, Callable[[], None]]] = []
        named = set()
        for ask in wanted:
            if ask.batch:
                name = batch_account_name(instance, ask.account)
                inside, problem = _batch_people(ask, people)
                told |= inside
                if problem:
                    refused[ask.account] = problem
                members = set(inside.values())
                steps.append((name, partial(self._batch_correct, there, name, ask, members)))
            else:
                name = account_name(instance, ask.account)
                members = {accounts[person] for person in ask.people if person in accounts}
                steps.append((name, partial(self._allocation_correct, there, name, ask, members)))
            named.add(name)
        steps += [(name, partial(self._unnamed, there, name)) for name in sorted({*there.people, *there.qos} - named)]
        failed = self._take(steps)
        stuck = [ask.account for ask in wanted if ask.batch and batch_account_name(instance, ask.account) in failed]
        return MirrorAnswer(changes=there.changes, people=told, refused=refused, failed=stuck, complete=not failed)

    @staticmethod
    def _take(steps: list[tuple[str, Callable[[], None]]]) -> set[str]:
        """
        One account's trouble does not keep the others from being corrected. Returns those that could not be.

        :raises SlurmSilent, SlurmRefused: when nothing could be done, or too much could not
        """
        failed: dict[str, SlurmSilent | SlurmRefused] = {}
        for name, step in steps:
            try:
                step()
            except (SlurmSilent, SlurmRefused) as error:
                log.warning("accounts: %s: %s", name, error)
                failed[name] = error
                if len(failed) in (FAILURES_MAX, len(steps)):
                    raise
        return set(failed)

    # --- one account ------------------------------------------------------------------------------------------------------

    def _allocation_correct(self, there: There, name: str, ask: MirrorAccount, members: set[str]) -> None:
        if name not in there.qos or "" not in there.people.get(name, {}):
            if not members:
                return  # nobody of it was ever here: it is made with its first launch
            self._account_ensure(there, name, ask.budget_minutes)
            there.changes.append(f"made {name}")
        if name in there.qos:
            self._qos_correct(there, name, there.used.get(name, 0) + ask.budget_minutes, accepts=True, slack=SLACK)
        self._people_correct(there, name, members)

    def _batch_correct(self, there: There, name: str, ask: MirrorAccount, members: set[str]) -> None:
        if name not in there.qos or "" not in there.people.get(name, {}):
            self._account_ensure(there, name, ask.budget_minutes)
            there.changes.append(f"made {name}")
        if name in there.qos:
            self._qos_correct(there, name, ask.budget_minutes, accepts=ask.accepts, slack=BATCH_SLACK)
        elif not ask.accepts:
            self._write("modify", "qos", f"name={name}", "set", "GrpSubmitJobs=0")  # made just now, already shut
        self._people_correct(there, name, members, partition=ask.partition)
        if not ask.accepts:
            # What runs may finish; what waits would begin later.
            self.commands.cancel(self._jobs("-A", name, "-t", "PD,RQ,RH,RF,SE"))

    def _people_correct(self, there: There, name: str, members: set[str], *, partition: str = "") -> None:
        for account in sorted(members - there.members(name)):
            self._add("user", account, f"account={name}", *([f"partition={partition}"] if partition else []))
            there.changes.append(f"added {account} to {name}")
        for account in sorted(there.members(name) - members):
            self._remove(there, name, account)
        for account, qos in sorted(there.people.get(name, {}).items()):
            # Somebody at the site let them use another QOS, whose limits are not this one's.
            if qos != name and (account == "" or account in members):
                what = ("user", f"name={account}", f"account={name}") if account else ("account", f"name={name}")
                self._write("modify", what[0], "where", *what[1:], "set", f"qos={name}")
                there.changes.append(f"QOS of {account or 'the account'} in {name}: {qos or 'none'} → {name}")

    def _unnamed(self, there: There, name: str) -> None:
        """Nobody has it any more. What belonged to a batch hold is taken down once it is empty; its name never comes back."""
        members = there.members(name)
        for account in sorted(members):
            self._remove(there, name, account)
        if members or not name.startswith("cb"):
            return
        if name in there.people:
            self._write("delete", "account", f"name={name}")
        if name in there.qos:
            self._write("delete", "qos", f"name={name}")
        there.changes.append(f"removed {name}")

    def _remove(self, there: There, name: str, account: str) -> None:
        """A person leaves an account: their jobs on it are ended, and no new one is taken."""
        (self.marks / f"{name}.{account}").unlink(missing_ok=True)
        self.commands.cancel(self._jobs("-u", account, "-A", name))
        self._default_elsewhere(there, name, account)
        self._write("delete", "user", f"name={account}", f"account={name}")
        there.changes.append(f"removed {account} from {name}")

    def _default_elsewhere(self, there: There, name: str, account: str) -> None:
        """The scheduler lets nobody lose their default account while they have another: make another one the default."""
        others = sorted(other for other in there.people if other != name and account in there.members(other))
        if others:
            self._write("modify", "user", "where", f"name={account}", "set", f"defaultaccount={others[0]}")

    def _jobs(self, *which: str) -> list[int]:
        return [int(line) for line in self._lines("squeue", "-ah", *which, "-o", "%A") if line.isdigit()]

    def _qos_correct(self, there: There, name: str, wanted: int, *, accepts: bool, slack: float) -> None:
        now, words = there.qos[name], []
        if abs(now.budget - wanted) > slack * max(wanted, 60):
            words.append(f"GrpTRESMins=billing={wanted}")
            there.changes.append(f"budget of {name}: {now.budget} → {wanted} billing minutes")
        if now.accepts != accepts:
            words.append(f"GrpSubmitJobs={-1 if accepts else 0}")
            there.changes.append(f"{name} {'takes' if accepts else 'takes no more'} jobs")
        if not now.flags:
            words.append(f"Flags={','.join(FLAGS)}")
            there.changes.append(f"flags of {name} put back")
        if words:
            self._write("modify", "qos", f"name={name}", "set", *words)

    def _account_ensure(self, there: There, name: str, budget_minutes: int) -> None:
        """Make what is not there yet."""
        if name not in there.qos:
            self._add("qos", name, "set", f"Flags={','.join(FLAGS)}", f"GrpTRESMins=billing={budget_minutes}")
        if "" not in there.people.get(name, {}):
            self._add("account", name, "description=commons", "organization=commons", f"qos={name}", f"defaultqos={name}")

    def _add(self, *words: str) -> None:
        self._write("add", *words)

    def _write(self, *words: str) -> None:
        try:
            self.commands.run(*self.commands.site.accounts_command, "-i", "-Q", *words)
        except SlurmSilent as error:
            if NOTHING_NEW not in str(error).lower() and "already exists" not in str(error).lower():
                raise

    # --- what is there ----------------------------------------------------------------------------------------------------

    def _there(self, instance: str) -> There:
        there = There(self._qos(instance), self._used(instance))
        for line in self._lines("sacctmgr", "-nP", "show", "assoc", "format=account,user,qos"):
            name, user, qos = line.split("|")
            if self._ours(name, instance):
                there.people.setdefault(name, {})[user] = qos
        return there

    def _qos(self, instance: str) -> dict[str, Qos]:
        found = {}
        for line in self._lines("sacctmgr", "-nP", "show", "qos", "format=name,flags,grptresmins,grpsubmit"):
            name, flags, limits, submit = line.split("|")
            if self._ours(name, instance):
                match = re.search(r"billing=(\d+)", limits)
                whole = set(FLAGS) <= set(flags.split(","))
                found[name] = Qos(int(match[1]) if match else 0, accepts=submit != "0", flags=whole)
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
        return name.startswith((f"cc{instance[:PREFIX_LENGTH]}-", f"cb{instance[:PREFIX_LENGTH]}-"))


def _batch_people(ask: MirrorAccount, people: People) -> tuple[dict[str, str], str]:
    """Site accounts of a batch hold's people, made where they have none; and why somebody has none."""
    found, problem = {}, ""
    for person in ask.people:
        try:
            found[person] = people.place_ensure(person, ask.team)
        except SlurmRefused as refusal:
            problem = refusal.words
            if account := people.account_of(person):
                found[person] = account  # what they have already is not taken from them because the hook fails
    return found, problem


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
