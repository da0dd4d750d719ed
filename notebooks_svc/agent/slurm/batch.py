"""
Jobs people submit themselves under a batch hold: what lives, and what accounting has of those that ended.

A job belongs to the hold under whose account it was submitted. Its name, comment and environment are whatever its owner wrote
and decide nothing: a job that is called like a notebook's launch is a job all the same.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from ...wire import BatchAsk, BatchLook, BatchRecord
from .accounts import accounts_read
from .commands import Commands, Queued, Stretch
from .options import batch_account_name
from .words import waiting_words

AT_ONCE = 200  # accounts in one question
MEMORY = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[KMGTP]?)")
MIB = {"": 1.0, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2, "P": 1024.0**3}
NAME_MAX = 120
WAITS = ("PENDING", "CONFIGURING")
OVER = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY")


def batch_look(folder: Path, commands: Commands, ask: BatchAsk, instance: str) -> BatchLook:
    """
    What became of the jobs under these holds.

    :raises SlurmSilent: controller or accounting does not answer; then nothing is known
    """
    holds = {batch_account_name(instance, hold): hold for hold in ask.holds}
    people = {account: person for person, account in accounts_read(folder).items()}
    cluster = commands.site.cluster
    now = time.time()
    queued = [job for job in commands.squeue() if job.account in holds and job.state not in OVER] if holds else []
    ended: list[Stretch] = []
    names = sorted(holds)
    for start in range(0, len(names), AT_ONCE):
        ended += commands.stretches(accounts=names[start : start + AT_ONCE], since=ask.since)
    return BatchLook(
        instance=instance,
        now=now,
        live=[_live(job, holds[job.account], people.get(job.user, ""), cluster) for job in queued],
        ended=[_ended(one, holds[one.account], people.get(one.user, ""), cluster) for one in ended if one.account in holds],
    )


def _live(job: Queued, hold: str, person: str, cluster: str) -> BatchRecord:
    waits = job.state in WAITS
    return BatchRecord(
        record=_record(cluster, job.job, job.submit or 0),
        hold=hold,
        job=job.job,
        person=person,
        account=job.user,
        name=job.name[:NAME_MAX],
        state=job.state,
        waiting=waiting_words(job.state, job.reason) if waits else "",
        started=None if waits else job.start,
        cores=job.cores,
        memory_mib=memory_mib(job.memory),  # at least that; accounting says all of it in the end
    )


def _ended(one: Stretch, hold: str, person: str, cluster: str) -> BatchRecord:
    # After its size was changed a job's next stretch keeps the first one's start, and is "submitted" at the change (seen).
    began = one.tres and one.start is not None and one.start <= one.end
    started = max(one.start or 0.0, float(one.submit)) if began else None
    return BatchRecord(
        record=_record(cluster, one.job, one.submit),
        hold=hold,
        job=one.job,
        person=person,
        account=one.user,
        name=one.name[:NAME_MAX],
        state=one.state,
        exit_code=one.exit_code,
        started=started,
        ended=one.end,
        elapsed=min(one.elapsed, int(one.end - started)) if started is not None else 0,
        cores=_whole(one.tres.get("cpu", "0")),
        memory_mib=memory_mib(one.tres.get("mem", "0")),
        gpus=_whole(one.tres.get("gres/gpu", "0")),
        nodes=_whole(one.tres.get("node", "0")),
        billing=_whole(one.tres.get("billing", "0")),
    )


def _record(cluster: str, job: int, submit: float) -> str:
    return f"{cluster}/{job}/{int(submit)}"


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 0


def memory_mib(text: str) -> int:
    """A size as accounting writes it (`512M`, `1.50G`) in whole MiB, rounded up; 0 when it cannot be read."""
    match = MEMORY.fullmatch(text)
    return -int(-float(match["number"]) * MIB[match["unit"]] // 1) if match else 0
