"""Processes of a site in a box: known by a mark in their environment, so that only ours are ever stopped."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

MARK = "COMMONS_SLURM_BOX"


class BoxTrouble(Exception):
    """A step that did not work, in one line, with the end of the log that says why."""


def clean_env(folder: Path) -> dict[str, str]:
    """What the daemons and commands of the box are given."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
    keep = {name: value for name, value in os.environ.items() if name in ("LANG", "HOME", "TERM")}
    return {**keep, "PATH": path, "SLURM_CONF": str(folder / "etc/slurm.conf"), MARK: str(folder)}


def command(folder: Path, *argv: object, check: bool = True, timeout: float = 60, text: str | None = None) -> str:
    """
    Run a command of the box and return what it printed.

    :raises BoxTrouble: when it failed and `check` is set
    """
    done = subprocess.run(
        [str(word) for word in argv],
        env=clean_env(folder),
        text=True,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode:
        raise BoxTrouble(f"{' '.join(map(str, argv))} ended with {done.returncode}: {done.stdout.strip()[-2000:]}")
    return done.stdout if done.returncode == 0 else ""


def wait_for(what: str, test: Callable[[], object], *, log: Path | None = None, seconds: float = 40) -> None:
    """
    Wait until the test is true.

    :raises BoxTrouble: after so many seconds, with the end of the log
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if test():
            return
        time.sleep(0.05)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log and log.exists() else ""
    raise BoxTrouble(f"{what} did not answer within {seconds:.0f} s\n{tail}")


def is_ours(folder: Path, pid: int, program: str) -> bool:
    """Whether that process lives, carries our mark and runs that program."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return False
    except OSError:
        return False
    return f"{MARK}={folder}".encode() in environ and program.encode() in b" ".join(argv[:4])


def pid_read(folder: Path, pid_file: Path, program: str) -> int | None:
    """The process of a pid file, when it is ours and lives."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if is_ours(folder, pid, program) else None


def spawn(folder: Path, *argv: object, pid_file: Path, log: Path, user: str = "", cwd: Path = Path("/")) -> None:
    """Start a program that stays in the foreground, and remember its pid."""
    who: dict[str, object] = {}
    if user:
        entry = pwd.getpwnam(user)
        who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    with log.open("ab") as out:
        process = subprocess.Popen(  # type: ignore[call-overload]
            [str(word) for word in argv],
            env=clean_env(folder),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd=cwd,
            **who,
        )
    pid_file.write_text(f"{process.pid}\n")


def stop(folder: Path, pid: int, program: str, *, seconds: float = 10) -> None:
    """End a process of ours: asked first, killed when it does not go."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not is_ours(folder, pid, program):
                return
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            time.sleep(0.03)


def port_open(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(0.3)
        return probe.connect_ex(("127.0.0.1", port)) == 0
