"""Starts the parts, watches them, starts a crashed one again, and stops everything without leaving a process."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .bootstrap import ROOT, fail, say
from .layout import Layout, ports_check, up_read
from .parts import Part, parts
from .slurm import Seat, slurm_down, slurm_up

PR_SET_PDEATHSIG = 1
START_LIMIT_S = 90.0
SESSIONS_END_S = 5.5
SESSIONS_END_SLURM_S = 15.0  # the scheduler's accounting has an end some seconds after it happened
BACKOFF_MAX_S = 10.0
LOG_MAX_BYTES = 20_000_000
MARK = "COMMONS_UP"  # in the environment of every part: how a new supervisor finds what a killed one left

_libc = ctypes.CDLL(None)


@dataclass
class Running:
    """A started part."""

    part: Part
    process: subprocess.Popen[bytes]
    started: float
    restarts: int = 0
    restart_at: float | None = None


class Supervisor:
    """One `up`, from lock to last process."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.running: dict[str, Running] = {}
        self.stopping = 0

    def run(self) -> int:
        """Start everything, print where it is, watch until told to stop."""
        for folder in (self.layout.run, self.layout.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._lock()
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGTERM, self._on_stop)
        try:
            leftovers_end(self.layout)
            ports_check(self.layout)
            if self.layout.site == "slurm":
                slurm_up(self.layout)
            if self._start_all() and not self.stopping:
                self._announce()
                self._watch()
        finally:
            self._stop_all()
            os.close(lock)
        return 0 if self.stopping else 1

    # --- start --------------------------------------------------------------------------------------------------------

    def _lock(self) -> int:
        lock = os.open(self.layout.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = up_read(self.layout).get("pid", "unknown")
            fail(
                f"already up on {self.layout.home} (process {pid}). Open {up_read(self.layout).get('url', 'it')}, "
                "or start a second one elsewhere: COMMONS_HOME=/path COMMONS_PORT_BASE=9000 python3 manage.py up"
            )
        return lock

    def _start_all(self) -> bool:
        """Start each part as soon as what it waits for is there. Servers that need no database start while it is prepared."""
        say("preparing the database and starting the servers")
        waiting = parts(self.layout)
        prepare: subprocess.Popen[bytes] | None = self._spawn(
            "prepare", [sys.executable, str(ROOT / "manage.py"), "prepare"], {}
        )
        done: set[str] = set()
        limit = time.monotonic() + START_LIMIT_S
        while (waiting or len(done) < len(self.running) + 1) and not self.stopping:
            if prepare is not None and prepare.poll() is not None:
                if prepare.returncode != 0:
                    return self._could_not("prepare", f"ended with {prepare.returncode}")
                prepare = None
                done.add("prepare")
                say("the database is ready")
            for part in [p for p in waiting if set(p.after) <= done]:
                waiting.remove(part)
                self.running[part.name] = Running(part, self._spawn_part(part), time.time())
            for name, running in self.running.items():
                if name not in done and running.part.answers():
                    done.add(name)
                    say(f"{name} answers")
                elif running.process.poll() is not None:
                    return self._could_not(name, f"ended with {running.process.returncode}")
            if time.monotonic() > limit:
                missing = sorted(set(self.running) - done) or ["prepare"]
                return self._could_not(missing[0], f"did not answer within {START_LIMIT_S:.0f} s")
            time.sleep(0.1)
        self._write_up()
        return True

    def _could_not(self, name: str, what: str) -> bool:
        log = self.layout.logs / f"{name}.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else ""
        print(f"{tail}\n", file=sys.stderr)
        print(f"commons: {name} {what}. Its log, whose end is above: {log}", file=sys.stderr, flush=True)
        return False

    def _spawn_part(self, part: Part) -> subprocess.Popen[bytes]:
        return self._spawn(part.name, part.argv, part.env, part.seat)

    def _spawn(self, name: str, argv: list[str], env: dict[str, str], seat: Seat | None = None) -> subprocess.Popen[bytes]:
        path = self.layout.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            return subprocess.Popen(
                argv,
                cwd=seat.folder if seat else ROOT,
                env={**(_plain(seat) if seat else self.layout.environment()), **env, MARK: str(self.layout.home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone: it stops the parts in order
                preexec_fn=_die_with_supervisor,
                user=seat.uid if seat else None,
                group=seat.gid if seat else None,
                extra_groups=[] if seat else None,
            )

    def _announce(self) -> None:
        layout = self.layout
        lines = ["", f"  Compute Commons is up: {layout.portal_url}", ""]
        if layout.demo:
            password = (layout.home / "keys" / "demo_password").read_text()
            lines += [
                "  People of the demo (sign in by e-mail):",
                "    founder, colleague, rival, reviewer-a, reviewer-b, officer, steward, operator   @commons.example",
                f"  Password of all: {password}",
                "",
            ]
        else:
            done = subprocess.run(
                [sys.executable, str(ROOT / "manage.py"), "operator_link"],
                capture_output=True,
                text=True,
                env=layout.environment(),
                check=False,
            )
            if done.stdout.strip():
                lines += ["  Make the first operator (works once):", f"    {done.stdout.strip()}", ""]
        lines += [f"  State and logs: {layout.home}", "  Stop with Ctrl-C. `python3 manage.py status` shows each part.", ""]
        print("\n".join(lines), flush=True)

    def _write_up(self) -> None:
        draft = self.layout.up_file.with_suffix(".draft")
        draft.write_text(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "url": self.layout.portal_url,
                    "port_base": self.layout.port_base,
                    "parts": {
                        name: {"pid": r.process.pid, "started": r.started, "restarts": r.restarts}
                        for name, r in self.running.items()
                    },
                },
                indent=1,
            )
        )
        draft.replace(self.layout.up_file)

    # --- watch --------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self.stopping:
            for name, running in self.running.items():
                self._watch_one(name, running)
            time.sleep(0.1)

    def _watch_one(self, name: str, running: Running) -> None:
        code = running.process.poll()
        if code is None:
            return
        now = time.monotonic()
        if running.restart_at is None:
            if time.time() - running.started > 60:
                running.restarts = 0
            wait = min(BACKOFF_MAX_S, 0.2 * 2**running.restarts)
            running.restart_at = now + wait
            what = f"was killed (signal {-code})" if code < 0 else f"ended with {code}"
            say(f"{name} {what}; starting it again")
        elif now >= running.restart_at:
            _group_kill(running.process.pid)  # what a killed part left of its own, such as a web worker, holds its port
            running.process = self._spawn_part(running.part)
            running.started, running.restart_at = time.time(), None
            running.restarts += 1
            self._write_up()

    # --- stop ---------------------------------------------------------------------------------------------------------

    def _on_stop(self, *_: object) -> None:
        self.stopping += 1
        if self.stopping == 1:
            say("stopping: sessions first, so that they are charged exactly")

    def _stop_all(self) -> None:
        if not self.running:
            return
        if self.stopping:
            self._sessions_end()
        for running in self.running.values():
            _signal(running.process.pid, signal.SIGTERM)
        for running in self.running.values():
            limit = time.monotonic() + running.part.stop_s
            while running.process.poll() is None and time.monotonic() < limit and self.stopping < 3:
                time.sleep(0.02)
            _group_kill(running.process.pid)
        for running in self.running.values():
            running.process.wait()
        leftovers_end(self.layout)
        if self.layout.site == "slurm":
            slurm_down(self.layout)
        runners_end(self.layout)
        self.layout.up_file.unlink(missing_ok=True)
        say("everything has stopped")

    def _sessions_end(self) -> None:
        """Ask the portal to end all sessions the normal way, and wait for the charges a few seconds."""
        token = (self.layout.home / "keys" / "site_token").read_text()
        limit = time.monotonic() + (SESSIONS_END_SLURM_S if self.layout.site == "slurm" else SESSIONS_END_S)
        while time.monotonic() < limit and self.stopping < 2:
            request = urllib.request.Request(
                f"{self.layout.portal_url}/site/v1/shutdown",
                data=b"{}",
                method="POST",
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            try:
                with urllib.request.urlopen(request, timeout=2) as answer:
                    if json.load(answer)["open"] == 0:
                        return
            except (OSError, ValueError):
                return  # the portal is gone: journals keep the exact ends, the next start settles
            time.sleep(0.25)


def _plain(seat: Seat) -> dict[str, str]:
    """What a part of another user is told: nothing of the environment we were started in."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
    path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    return {**kept, "PATH": path, "HOME": str(seat.folder), "PYTHONPATH": str(seat.code), "PYTHONUNBUFFERED": "1"}


def _die_with_supervisor() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _group_kill(pid: int) -> None:
    """Kill what is left of a part's process group (each part leads its own)."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _marked(name: str, value: str) -> list[int]:
    """Processes whose environment has `name=value`."""
    wanted, found = f"{name}={value}".encode(), []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                if wanted in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                    found.append(int(entry))
            except OSError:
                continue
    return found


def leftovers_end(layout: Layout) -> None:
    """End parts that a killed supervisor left. Notebooks are not parts: they go on under their runners and are adopted."""
    left = _marked(MARK, str(layout.home))
    if not left:
        return
    say(f"ending {len(left)} processes that an earlier `up` left")
    for pid in left:
        _signal(pid, signal.SIGTERM)
    limit = time.monotonic() + 3
    while left and time.monotonic() < limit:
        time.sleep(0.05)
        left = _marked(MARK, str(layout.home))
    for pid in left:
        _signal(pid, signal.SIGKILL)


def runners_end(layout: Layout) -> None:
    """End notebooks and workers that are still there after an orderly stop: killed below their runners, which write it down."""
    try:
        instance = (layout.home / "keys" / "instance_id").read_text()[:12]
    except OSError:
        return
    limit = time.monotonic() + 3
    while time.monotonic() < limit:
        left = _marked("COMMONS_INSTANCE", instance)
        if not left:
            return
        for pid in left:
            if b"runner.py" not in _cmdline(pid):
                _signal(pid, signal.SIGKILL)
        time.sleep(0.1)
    for pid in _marked("COMMONS_INSTANCE", instance):
        _signal(pid, signal.SIGKILL)


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
