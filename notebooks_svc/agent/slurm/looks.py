"""
What Slurm says, asked once for everybody.

One squeue and one sacct answer for all jobs, at most every 15 s, and oftener for a few seconds after something was started or
stopped; the answer is kept in a file that hub, gateway and agent share. Alive, gone, unknown: an error of any command is
unknown; only accounting ends a job, and its end is then written into the journal, as on the local engine.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...wire import LookItem, RunOrder
from .commands import Commands, Ended, Queued, SlurmRefused, SlurmSilent
from .files import SNAPSHOT, SlurmFolder
from .options import ID, account_name, comment
from .site import SlurmSite
from .words import ended_words, waiting_words

log = logging.getLogger("commons.slurm")
BUSY_S = 12.0  # after a start or a stop, looks come oftener for this long
NEVER_BEGAN_S = 180.0  # a submission that nobody has heard of by then never arrived, or will be cancelled when it does
LOST_MAX = 3
LOST_S = 40.0  # so long without a trace in complete looks, and a job that was never ready counts as lost by the site
HOME_FAILED = 75  # job.py's exit code
MARGIN_S = 600.0
# How far back accounting is read anew: the last two hours oftener (`reread_every_s`), a day and a bit once in a while.
AGAIN_S, AGAIN_WIDE_S, AGAIN_WIDE_EVERY_S = 2 * 3600.0, 26 * 3600.0, 3600.0


class Looks(SlurmFolder):
    """Jobs of one cluster, as the last look and the journals have them."""

    def __init__(self, folder: Path, site: SlurmSite, commands: Commands) -> None:
        super().__init__(folder)
        self.site, self.commands = site, commands
        self._instance = ""

    # --- look ---------------------------------------------------------------------------------------------------------------

    def look_one(self, id: str) -> LookItem | None:
        """One job, from the shared look; None when nothing of that name was ever ordered here."""
        journal = self._journal_item(id)
        if journal is not None:
            return journal
        order = self.order(id)
        if order is None:
            return None
        self.refresh()
        return self._journal_item(id) or self._snapshot_item(id) or self._unseen(order)

    def look_fresh(self, id: str) -> LookItem | None:
        """One job, from a look that begins now."""
        self.refresh(since=time.time())
        return self.look_one(id)

    def look(self, *, instance: str, since: float) -> tuple[list[LookItem], bool]:
        """Every job of this portal that lives or waits, or ended since; and whether nothing is unknown."""
        self._instance = instance
        complete = self.refresh()
        items = []
        snapshot = self._snapshot_items()
        for path in self.folder.glob("*.order.json"):
            id = path.name.removesuffix(".order.json")
            if not ID.fullmatch(id) or self._ended_before(id, since):
                continue
            try:
                order = self.order(id)
                if order is None or order.engine != "slurm" or order.instance != instance:
                    continue
                item = self._journal_item(id) or snapshot.get(id) or self._unseen(order)
            except (OSError, ValueError):
                complete = False
                continue
            complete = complete and item.state != "unknown"
            items.append(item)
        return items, complete

    def refresh(self, *, since: float = 0.0) -> bool:
        """
        Ask Slurm once for everybody, unless the last answer is young enough. Returns whether that answer was complete.

        :param since: the answer must have been asked for at or after this moment
        """
        if self._young(since):
            return bool(self._snapshot()["complete"])
        handle = os.open(self.folder / f"{SNAPSHOT}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # whoever waited here finds the other's answer
            if self._young(since):
                return bool(self._snapshot()["complete"])
            return self._ask()
        finally:
            os.close(handle)

    def _young(self, since: float) -> bool:
        snapshot = self._snapshot()
        asked = snapshot["asked"]
        if since and asked < since:
            return False
        return time.time() - asked < self._look_interval()

    def _look_interval(self) -> float:
        try:
            busy = time.time() - (self.folder / f"{SNAPSHOT}.busy").stat().st_mtime < BUSY_S
        except OSError:
            busy = False
        return self.site.busy_look_every_s if busy else self.site.look_every_s

    def _busy(self) -> None:
        path = self.folder / f"{SNAPSHOT}.busy"
        path.touch(mode=0o600)

    def _ask(self) -> bool:
        asked, orders = time.time(), self._open_orders()
        instance = self._instance or (orders[0].instance if orders else "")
        if not instance:
            self._snapshot_write(asked, complete=True, items=[], jobs=[])
            return True
        try:
            queued = self.commands.squeue()
            oldest = min((self._ordered_at(order.id) for order in orders), default=None)
            ended = self.commands.sacct(since=oldest - MARGIN_S) if oldest is not None else []
            self._read_again(now=asked)
        except (SlurmSilent, SlurmRefused) as error:
            log.warning("look: %s", error)
            before = self._snapshot()
            kept = [LookItem.model_validate(item) for item in before["items"]]
            self._snapshot_write(asked, complete=False, items=kept, jobs=before["jobs"], seen=before["seen"])
            return False
        items, jobs, ours = [], [], set()
        for order in orders:
            mine = [job for job in queued if self._is_of(order, job)]
            past = [job for job in ended if self._is_of(order, job)]
            item = self._judge(order, mine, past, now=asked)
            if item is not None:
                items.append(item)
            jobs += [{"job": job.job, "name": job.name} for job in mine]
            ours |= own_jobs(mine)
            if mine:
                self.write_once(f"{order.id}.job", str(min(job.job for job in mine)))
        self._snapshot_write(asked, complete=True, items=items, jobs=jobs)
        self._intruders_end(queued, ours, instance, {order.id for order in orders})
        return True

    def _read_again(self, *, now: float) -> None:
        """
        What was written down of an end may have come too early: accounting that comes late, or is corrected, is written anew
        and told again. The windows overlap; the same record says the same and changes nothing.

        :raises SlurmSilent: accounting does not answer
        """
        if self._turn("wide", AGAIN_WIDE_EVERY_S, now):
            reach = AGAIN_WIDE_S
        elif self._turn("again", self.site.reread_every_s, now):
            reach = AGAIN_S
        else:
            return
        orders = self._closed_orders(since=now - reach)
        past: dict[str, list[Ended]] = {}
        for job in self.commands.sacct(since=now - reach - MARGIN_S) if orders else []:
            past.setdefault(job.name, []).append(job)
        for order in orders:
            if mine := [job for job in past.get(order.id, []) if self._is_of(order, job)]:
                self._journal_from(order, mine)

    def _turn(self, what: str, every_s: float, now: float) -> bool:
        """Whether it is time again; asked under the look's lock."""
        path = self.folder / f"{SNAPSHOT}.{what}"
        try:
            if now - path.stat().st_mtime < every_s:
                return False
        except OSError:
            pass
        path.touch(mode=0o600)
        return True

    def _intruders_end(self, queued: list[Queued], ours: set[int], instance: str, looked_at: set[str]) -> None:
        """
        End what runs on this portal's accounts without the portal: from a notebook's terminal anybody of the allocation can
        submit. Jobs outside the portal need a hold of their own; there is none here.

        Jobs that carry our own marks without being known are ended too, unless they are many: then rather our folder was lost.
        """
        prefix = account_name(instance, "")
        strange = [j for j in queued if j.account.startswith(prefix) and j.job not in ours and j.state not in _OVER]
        marked = [j for j in strange if ID.fullmatch(j.name) and j.comment == comment(instance)]
        unknown = [j for j in marked if not self._was_submitted(j, looked_at)]
        if len(unknown) > max(LOST_MAX, len(ours) // 10):
            log.error(
                "%s jobs carry this portal's marks and are not known here; ending none. An operator must look.", len(unknown)
            )
            unknown = []
        intruders = sorted({j.job for j in strange} - {j.job for j in marked} | {j.job for j in unknown})
        if intruders:
            log.warning("ending jobs that the portal did not submit: %s", intruders)
            with suppress(SlurmSilent, SlurmRefused):
                self.commands.cancel(intruders)

    def _was_submitted(self, job: Queued, looked_at: set[str]) -> bool:
        """Whether it is ours: one that ends just now, a second submission that waits, or one submitted after the look began."""
        try:
            account = (self.folder / f"{job.name}.account").read_text()
        except OSError:
            return False
        if job.user != account:
            return False
        waits_or_ends = job.state not in _RUNNING or job.state == "COMPLETING"
        return waits_or_ends or (job.name not in looked_at and self._journal_item(job.name) is None)

    def _is_of(self, order: RunOrder, job: Queued | Ended) -> bool:
        """Ours by name, portal, and the accounts it was submitted as and is paid from: a name alone is anybody's."""
        if job.name != order.id or job.comment != comment(order.instance) or order.batch is None:
            return False
        if job.account != account_name(order.instance, order.batch.account):
            return False  # the scheduler lets nobody but its people use an allocation's account
        try:
            return job.user == (self.folder / f"{order.id}.account").read_text()
        except OSError:
            return False

    def _judge(self, order: RunOrder, queued: list[Queued], ended: list[Ended], *, now: float) -> LookItem | None:
        """Alive while any job of it lives or waits; gone when accounting has the end of all; otherwise unknown."""
        done = {job.job for job in ended}
        living = [job for job in queued if job.state not in _OVER and job.job not in done]
        base: dict[str, Any] = {"id": order.id, "kind": order.kind, "parent": order.parent}
        base["ready_at"] = self._ready_mark(order.id)
        base["deadline"] = self.deadline_of(order)
        if living:
            (self.folder / f"{order.id}.absent").unlink(missing_ok=True)
            job = next((j for j in living if j.state in _RUNNING), min(living, key=lambda j: j.job))
            if job.state in _RUNNING:
                return LookItem(**base, state="alive", started=job.start, seen_alive=now, node=job.node, source="scheduler")
            words = waiting_words(job.state, job.reason)
            return LookItem(**base, state="alive", seen_alive=now, waiting=words, starts=job.start, source="scheduler")
        if ended:
            self._journal_from(order, ended)
            return None
        if fate := self._fate_without_a_trace(order, now=now) if not queued else "":
            self._journal_write(order.id, ended=now, exit_code=None, reason=fate, started=None)
            return None
        if self._job_of(order.id) is None:
            return self._unsubmitted(order, now=now)
        return LookItem(**base, state="unknown", source="scheduler")

    def _fate_without_a_trace(self, order: RunOrder, *, now: float) -> str:
        """
        Why what neither controller nor accounting knows of has ended; "" while nobody can say.

        A submission that was never heard of never arrived. What the controller took and forgot is lost: one that is killed
        loses what it took in its last seconds, and ends it on the node. That is said only of what was of use to nobody, and
        is free.
        """
        if self._job_of(order.id) is None:
            if now - self._ordered_at(order.id) <= NEVER_BEGAN_S:
                return ""
            # Should the controller take it later after all, the mark has it cancelled before it does anything.
            self.write_once(f"{order.id}.stop", json.dumps({"at": now, "reason": "never began"}))
            return "never began"
        if self._ready_mark(order.id) is not None:
            return ""
        return "node_fail" if now - float(self.write_once(f"{order.id}.absent", repr(now))) >= LOST_S else ""

    def _unsubmitted(self, order: RunOrder, *, now: float) -> LookItem | None:
        """Nobody has heard of it yet. Stopped before it was submitted it has ended: a start that still comes finds that."""
        if not self._stop_of(order.id) or (self.folder / f"{order.id}.asked").exists():
            return self._unseen(order)
        self._journal_write(order.id, ended=now, exit_code=None, reason="never began", started=None)
        return None

    def _journal_from(self, order: RunOrder, ended: list[Ended]) -> None:
        """Of several jobs of one name the first that began is the one that ran: the others found its mark and left."""
        began = [
            job for job in ended if job.start is not None and job.start <= job.end and job.node not in ("", "None assigned")
        ]
        job = min(began, key=lambda j: (j.start or 0.0, j.job)) if began else min(ended, key=lambda j: j.job)
        stop = self._stop_of(order.id)
        reason = ended_words(job.state, stop=str(stop.get("reason", "stopped")) if stop else "")
        if job.exit_code == HOME_FAILED:
            reason = "home_unwritable"
        self._journal_write(
            order.id,
            ended=job.end,
            exit_code=job.exit_code,
            reason=reason,
            started=job.start if began else None,
            record=f"{self.site.cluster}/{job.job}/{int(job.submit)}",
        )

    def _unseen(self, order: RunOrder) -> LookItem:
        """Ordered after the last look."""
        state = "alive" if time.time() - self._ordered_at(order.id) < NEVER_BEGAN_S else "unknown"
        return LookItem(
            id=order.id,
            kind=order.kind,
            parent=order.parent,
            state=state,  # type: ignore[arg-type]
            ready_at=self._ready_mark(order.id),
            waiting="Asking the scheduler.",
            source="scheduler",
        )


def own_jobs(mine: list[Queued]) -> set[int]:
    """Of jobs with one launch's name: the first, and those that wait for it. A second one that runs beside it is not ours."""
    running = sorted(job.job for job in mine if job.state in _RUNNING)
    return {job.job for job in mine if job.state not in _RUNNING} | set(running[:1])


_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"}
_OVER = {
    "COMPLETED",
    "CANCELLED",
    "FAILED",
    "TIMEOUT",
    "NODE_FAIL",
    "PREEMPTED",
    "BOOT_FAIL",
    "DEADLINE",
    "OUT_OF_MEMORY",
    "REVOKED",
}
