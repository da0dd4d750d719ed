"""
Slurm's commands, as the site's service user (AdminLevel Operator). An answer is an answer; everything else is `SlurmSilent`:
a time-out, a controller that is away, a line that cannot be read. Silence says nothing about any job.

A job's name and comment are whatever its owner wrote, line breaks included: fields are therefore told apart by a mark made for
each question, and nothing in them can pass for another job's record.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from dataclasses import dataclass

from .site import SlurmSite

SQUEUE = ("%A", "%a", "%j", "%u", "%T", "%r", "%S", "%V", "%N", "%C", "%m", "%k")
SACCT = ("JobIDRaw", "Account", "JobName", "User", "State", "ExitCode", "Submit", "Start", "End", "NodeList", "Comment")
BATCH = ("JobIDRaw", "Account", "JobName", "User", "State", "ExitCode", "Submit", "Start", "End", "ElapsedRaw", "AllocTRES")
# Named one by one: without them a job that has just ended is hidden for about five seconds (seen with 22.05).
ENDED = "BF,CA,CD,DL,F,NF,OOM,PR,TO,RV"
# A stretch of a job also ends when it is put back into the queue, or given another size: it was used all the same.
ENDED_STRETCH = f"{ENDED},RQ,RS"
TEST_ONLY = re.compile(r"to start at (\S+) using")


class SlurmSilent(Exception):
    """No answer, or none that can be read: what runs there is unknown."""


class SlurmRefused(Exception):
    """The scheduler answered, and said no. `code` is a key of the error catalogue."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code, self.words = code, words


@dataclass(frozen=True)
class Queued:
    """A job the controller has. Times in seconds since the epoch; `start` is an estimate while it waits."""

    job: int
    account: str
    name: str
    user: str
    state: str
    reason: str
    start: float | None
    submit: float | None
    node: str
    cores: int
    memory: str
    comment: str


@dataclass(frozen=True)
class Ended:
    """A job as accounting has it."""

    job: int
    account: str
    name: str
    user: str
    state: str
    exit_code: int
    submit: float
    start: float | None
    end: float
    node: str
    comment: str


@dataclass(frozen=True)
class Stretch:
    """A stretch of a job, from its submission to its end, as accounting has it; `tres` is what it was given."""

    job: int
    account: str
    name: str
    user: str
    state: str
    exit_code: int
    submit: int
    start: float | None
    end: float
    elapsed: int
    tres: dict[str, str]


# What the scheduler says → the error catalogue's key. The words are Slurm's own, the same since 14.03.
REFUSALS = (
    ("invalid account or account/partition", "no_association"),
    ("invalid partition", "partition_gone"),
    ("access/permission denied", "no_association"),
    ("user's group not permitted", "no_association"),
    ("violates accounting", "budget_fence"),
    ("requested time limit is invalid", "walltime"),
    ("requested node configuration is not available", "size_unavailable"),
    ("more processors requested than permitted", "size_unavailable"),
    ("memory required by task is not available", "size_unavailable"),
    ("node count specification invalid", "size_unavailable"),
    ("invalid generic resource", "size_unavailable"),
    ("memory specification can not be satisfied", "size_unavailable"),
    ("partition is in an unavailable state", "partition_gone"),
    ("required partition not available", "partition_gone"),
    ("nodes required for job are down, drained", "partition_drained"),
)
SILENCES = ("unable to contact", "timed out", "connection", "not responding", "socket", "munge", "slurm_persist")


def refusal_of(words: str) -> SlurmRefused | SlurmSilent:
    """What an error of a command means: a refusal, or silence when it is not one we know for certain."""
    said = words.lower()
    for text, code in REFUSALS:
        if text in said:
            return SlurmRefused(code, words.strip()[-300:])
    if "error: batch job submission failed" in said and not any(text in said for text in SILENCES):
        return SlurmRefused("scheduler_refused", words.strip()[-300:])
    return SlurmSilent(words.strip()[-300:])


class Commands:
    """The commands of one cluster."""

    def __init__(self, site: SlurmSite) -> None:
        self.site = site

    def squeue(self) -> list[Queued]:
        """Every job the controller has: one question, whatever the number of sessions."""
        mark = _mark()
        said = self._run("squeue", "-ah", "-o", mark.join(SQUEUE))
        return [job for row in _rows(said, mark, len(SQUEUE)) if (job := _queued(row)) is not None]

    def sacct(self, *, since: float) -> list[Ended]:
        """Jobs that ended since, duplicates included (`-D`: a requeued or reused id has several records)."""
        mark = _mark()
        said = self._run(
            "sacct",
            "-nXPDa",
            "-S",
            _when(since),
            "-E",
            "now",
            "-s",
            ENDED,
            f"--delimiter={mark}",
            "-o",
            ",".join(SACCT),
        )
        return [job for row in _rows(said, mark, len(SACCT)) if (job := _ended(row)) is not None]

    def stretches(self, *, accounts: list[str], since: float) -> list[Stretch]:
        """Everything that ended under these accounts since, whatever its size and however often it was queued again."""
        mark = _mark()
        said = self._run(
            "sacct",
            "-nXPDa",
            "-S",
            _when(since),
            "-E",
            "now",
            "-A",
            ",".join(accounts),
            "-s",
            ENDED_STRETCH,
            f"--delimiter={mark}",
            "-o",
            ",".join(BATCH),
        )
        return [one for row in _rows(said, mark, len(BATCH)) if (one := _stretch(row)) is not None]

    def cancel(self, jobs: list[int], *, name: str = "") -> None:
        """
        Cancel jobs by id; one that has ended is no trouble.

        :param name: and only those of this name: a controller that was killed may give an id to somebody else's job
        """
        if jobs:
            self._run("scancel", "-Q", *([f"--name={name}"] if name else []), *map(str, jobs))

    def ask_to_end(self, job: int, *, name: str) -> None:
        """Signal the batch script alone, which has its program end in order; not that of another job that has the id now."""
        self._run("scancel", "-Q", "--batch", "--signal=USR1", f"--name={name}", str(job))

    def time_limit(self, job: int, minutes: int) -> None:
        """Set a job's time limit; needs Operator, because an owner cannot raise it."""
        self._run("scontrol", "update", f"jobid={job}", f"timelimit={minutes}")

    def test_only(self, words: list[str]) -> str:
        """What `sbatch --test-only` says. Nothing is submitted."""
        return self._run("sbatch", "--test-only", *words, "--wrap=true", both=True)

    def run(self, *argv: str) -> str:
        """Any other command's output."""
        return self._run(*argv)

    def _run(self, *argv: str, both: bool = False) -> str:
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "SLURM_CONF": str(self.site.conf),
            "SLURM_TIME_FORMAT": "%s",
            "LANG": "C.UTF-8",
            "HOME": os.environ.get("HOME", "/"),
        }
        try:
            done = subprocess.run(
                argv,
                env=env,
                capture_output=True,
                text=True,
                errors="replace",  # a job's name may be any bytes; it must not blind us for all others
                timeout=self.site.command_timeout_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SlurmSilent(f"{argv[0]}: {error}") from error
        if done.returncode != 0:
            raise refusal_of(done.stderr or done.stdout or f"{argv[0]} ended with {done.returncode}")
        return done.stdout + done.stderr if both else done.stdout


def _mark() -> str:
    return f"|{secrets.token_hex(8)}|"


def _rows(said: str, mark: str, width: int) -> list[list[str]]:
    """
    Rows of `width` fields with the mark between them and a line's end behind the last; the first field holds no line break.

    :raises SlurmSilent: when the marks do not come out even
    """
    first, *rest = said.split(mark)
    if len(rest) % (width - 1):
        raise SlurmSilent(f"an answer cannot be read: {said[:200]!r}")
    rows = []
    for at in range(0, len(rest), width - 1):
        *middle, tail = rest[at : at + width - 1]
        last, _, following = tail.rpartition("\n")
        rows.append([first, *middle, last])
        first = following
    return rows


def _queued(row: list[str]) -> Queued | None:
    job, account, name, user, state, reason, start, submit, node, cores, memory, comment = row
    if not job.isdigit():
        return None
    many = int(cores) if cores.isdigit() else 0
    return Queued(int(job), account, name, user, state, reason, _number(start), _number(submit), node, many, memory, comment)


def _ended(row: list[str]) -> Ended | None:
    job, account, name, user, state, code, submit, start, end, node, comment = row
    if not job.isdigit():
        return None
    ended, submitted = _number(end), _number(submit)
    if ended is None or submitted is None or not state:
        return None
    return Ended(
        int(job), account, name, user, state.split()[0], _exit_code(code), submitted, _number(start), ended, node, comment
    )


def _stretch(row: list[str]) -> Stretch | None:
    job, account, name, user, state, code, submit, start, end, elapsed, tres = row
    ended, submitted = _number(end), _number(submit)
    if not job.isdigit() or ended is None or submitted is None or not state:
        return None
    given = dict(part.split("=", 1) for part in tres.split(",") if "=" in part)
    seconds = int(elapsed) if elapsed.isdigit() else 0
    word = state.split()[0]
    return Stretch(int(job), account, name, user, word, _exit_code(code), int(submitted), _number(start), ended, seconds, given)


def _exit_code(code: str) -> int:
    status, _, signal = code.partition(":")
    return int(status or 0) or (128 + int(signal) if signal.isdigit() and int(signal) else 0)


def _number(text: str) -> float | None:
    return float(text) if text.strip().isdigit() else None


def _when(moment: float) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(moment))
