"""
The Slurm engine: starts, finds again, ends, extends and looks at jobs that carry our ids.

Job name = id. A launch that was submitted twice runs once (`job.py`). What is known of jobs comes from `looks.py`.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...wire import HomeWish, RunOrder
from .accounts import Mirror
from .commands import Commands, SlurmRefused, SlurmSilent, refusal_of
from .looks import Looks
from .options import limit_minutes, submit_options
from .people import People
from .site import SlurmSite

log = logging.getLogger("commons.slurm")
CANCEL_AGAIN_S = 5.0


class SlurmEngine(Looks):
    """Jobs of one cluster, known by files in the engine folder."""

    def __init__(self, folder: Path, site: SlurmSite, *, commands: Commands | None = None) -> None:
        super().__init__(folder, site, commands or Commands(site))
        self.people = People(folder / "people", site)
        self.mirror = Mirror(folder, self.commands)

    # --- start ----------------------------------------------------------------------------------------------------------

    def start(self, order: RunOrder, env: dict[str, str], home: HomeWish | None, private: dict[str, str] | None = None) -> None:
        """
        Submit, or do nothing when it was submitted and lives, waits or has run.

        :raises SlurmRefused: the scheduler or the site said no; nothing runs
        :raises SlurmSilent: nobody knows; ask again, or look
        """
        assert order.batch is not None  # noqa: S101 (the caller chose this engine by it)
        with self._one_at_a_time(order.id):
            if self.journal(order.id) is not None or self._job_of(order.id) is not None:
                return
            if self.order(order.id) is not None:
                # An earlier start was cut short after it may have submitted: what the controller has is ours.
                found = self.look_fresh(order.id)
                if found is not None and found.state != "unknown" and self._job_of(order.id) is not None:
                    return
            self.write(f"{order.id}.order.json", order.model_dump_json())
            self._submit(order, env, home, private or {})

    def _submit(self, order: RunOrder, env: dict[str, str], home: HomeWish | None, private: dict[str, str]) -> None:
        assert order.batch is not None  # noqa: S101
        batch = order.batch
        place = home.home if home else str(Path(order.cwd).relative_to(self.site.homes))
        account = self.people.account_ensure(batch, place)
        self.write(f"{order.id}.account", account)
        self.mirror.admit(order.instance, batch, account)
        document = {
            "verb": "submit",
            "home": str(self.site.homes / place),
            "shared": str(self.site.homes / home.shared) if home else "",
            "environment": str(self.site.environments / home.environment) if home else "",
            "files": [file.model_dump() for file in home.files] if home else [],
            "private": private,
            "options": submit_options(order, home=str(self.site.homes / place)),
            "env": env,
            "conf": str(self.site.conf),
        }
        if self._stop_of(order.id):
            raise SlurmRefused("launch_over", "it was stopped before it was submitted")
        self._busy()
        self.write(f"{order.id}.asked", repr(time.time()))  # from here on the controller may have it
        answer = self.people.run_as(account, document)
        if _says_accounts_differ(answer):
            # Somebody changed the accounts at the site, or credits were added a moment ago: put right, once.
            self.mirror.admit(order.instance, batch, account, again=True)
            answer = self.people.run_as(account, document)
        if "job" in answer:
            self.write_once(f"{order.id}.job", str(answer["job"]))
            return
        self._refused(order.id, answer)

    def _refused(self, id: str, answer: dict[str, Any]) -> None:
        if answer["error"] == "sbatch":
            said = refusal_of(answer["words"])
        elif answer["error"] == "silent":
            said = SlurmSilent(answer["words"])
        else:
            said = SlurmRefused(answer["error"], answer["words"])
        if isinstance(said, SlurmRefused):
            self._journal_write(id, ended=time.time(), exit_code=None, reason=f"refused: {said.code}", started=None)
        raise said

    def submitted(self, id: str) -> bool:
        """Whether the controller took it."""
        return self._job_of(id) is not None

    @contextmanager
    def _one_at_a_time(self, id: str) -> Iterator[None]:
        handle = os.open(self.folder / f"{id}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    # --- the port a server says it has ------------------------------------------------------------------------------------

    def port_told(self, id: str, port: int) -> bool:
        """Keep the port a launch's job has told; the first one stands. False when another was told before."""
        return int(self.write_once(f"{id}.port", str(port))) == port

    def port_of(self, id: str) -> int | None:
        """The port, once told."""
        try:
            return int((self.folder / f"{id}.port").read_text())
        except (OSError, ValueError):
            return None

    # --- end, extend --------------------------------------------------------------------------------------------------------

    def stop(self, id: str, reason: str = "stopped") -> None:
        """
        End a job: a mark, and a cancellation that the site agent repeats until accounting has its end. Safe to repeat.

        A notebook that was ready is asked first, and has its order's `grace_s` to save and to close its kernels.
        """
        order = self.order(id)
        if order is None or self.journal(id) is not None:
            return
        mark = json.loads(self.write_once(f"{id}.stop", json.dumps({"at": time.time(), "reason": reason})))
        self._busy()
        try:
            if self._may_still_save(order, mark):
                self._ask_to_end(id)
            else:
                self._cancel(id)
        except (SlurmSilent, SlurmRefused) as error:
            log.warning("cancelling %s: %s; it is repeated", id, error)

    def _may_still_save(self, order: RunOrder, mark: dict[str, Any]) -> bool:
        """Whether it runs, was of use to somebody, and was asked to end only a moment ago."""
        item = self._snapshot_item(order.id)
        runs = item is not None and item.started is not None and self._ready_mark(order.id) is not None
        return runs and order.kind == "session" and time.time() < mark["at"] + order.grace_s

    def _ask_to_end(self, id: str) -> None:
        """Once: a second signal would only find it ending."""
        job = self._job_of(id)
        if job is None or (self.folder / f"{id}.asked_to_end").exists():
            return
        self.commands.ask_to_end(job, name=id)
        self.write(f"{id}.asked_to_end", repr(time.time()))

    def _cancel(self, id: str) -> None:
        jobs = {self._job_of(id)} | {job.job for job in self._snapshot_jobs(id)}
        self.commands.cancel(sorted(job for job in jobs if job is not None), name=id)
        self.write(f"{id}.cancelled", repr(time.time()))

    def extend(self, id: str, deadline: float) -> bool:
        """
        Move the deadline, and the scheduler's own limit behind it; False when the job has ended.

        :raises SlurmSilent: nobody knows whether the limit was moved; asking again is safe
        """
        order, job, item = self.order(id), self._job_of(id), self.look_one(id)
        if order is None or job is None or item is None or item.state == "gone" or self._stop_of(id):
            return False
        began = item.started or self._ready_mark(id) or time.time()
        minutes = limit_minutes(order.model_copy(update={"deadline": deadline, "minutes": None}), now=began)
        self.commands.time_limit(job, minutes)
        self.write(f"{id}.deadline", repr(deadline))
        return True

    def keep(self) -> None:
        """End what is past its deadline or did not boot in time, and repeat cancellations. Called every second."""
        now = time.time()
        for order in self._open_orders():
            if stop := self._stop_of(order.id):
                self._stop_again(order, stop, now)
                continue
            deadline = self.deadline_of(order)
            if deadline is not None and now >= deadline:
                self.stop(order.id, "deadline")
            elif self._boot_is_over(order, now):
                self.stop(order.id, "boot_timeout")

    def _stop_again(self, order: RunOrder, stop: dict[str, Any], now: float) -> None:
        """Ask it again while it may save; then have it cancelled until accounting has its end."""
        with suppress(SlurmSilent, SlurmRefused):
            if self._may_still_save(order, stop):
                self._ask_to_end(order.id)
            elif now - (self._number(order.id, "cancelled") or 0) >= CANCEL_AGAIN_S:
                self._cancel(order.id)
        self._busy()

    def _boot_is_over(self, order: RunOrder, now: float) -> bool:
        if order.boot_s is None or self._ready_mark(order.id) is not None:
            return False
        item = self._snapshot_item(order.id)
        return item is not None and item.started is not None and now >= item.started + order.boot_s

    def log_tail(self, id: str, size: int = 4000) -> str:
        """The end of a launch's log, read as the person it belongs to."""
        order = self.order(id)
        try:
            account = (self.folder / f"{id}.account").read_text()
            if order is None:
                return ""
            path = f"{order.cwd}/.local/share/commons/logs/{id}.log"
            return str(self.people.run_as(account, {"verb": "log", "path": path, "bytes": size}).get("text", ""))
        except (OSError, SlurmSilent):
            return ""


def _says_accounts_differ(answer: dict[str, Any]) -> bool:
    words = answer.get("words", "").lower()
    said = "invalid account or account/partition" in words or "violates accounting" in words or "invalid qos" in words
    return answer.get("error") == "sbatch" and said
