"""
Runs one process group, ends it at its deadline, and writes its journal. Standard library alone: it starts in milliseconds.

    python -I -S runner.py ENGINE_FOLDER ID

The journal `<id>.json` is written by rename, so readers never see half of one. A lock on `<id>.lock` is held as long as this
process lives: whoever can take it knows that the runner is gone. An id runs once: a second runner for it ends at once.
Nothing escapes: this process adopts orphaned descendants (PR_SET_CHILD_SUBREAPER) and kills all of them at the end.
"""

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
TICK_S = 0.1
ALIVE_EVERY_S = 5.0


class Runner:
    """One process group from order to journal's last line."""

    def __init__(self, folder, id):
        self.folder, self.id = folder, id
        with open(self.path("order.json")) as handle:
            self.order = json.load(handle)
        self.journal = {
            "id": id,
            "kind": self.order["kind"],
            "parent": self.order["parent"],
            "instance": self.order["instance"],
            "runner_pid": os.getpid(),
            "pid": None,
            "started": None,
            "ready_at": None,
            "deadline": self.order.get("deadline"),
            "seen_alive": None,
            "stop_asked": None,
            "ended": None,
            "exit_code": None,
            "reason": "",
        }
        self.reason = ""
        self.terminated = False

    def path(self, suffix):
        return os.path.join(self.folder, f"{self.id}.{suffix}")

    def write(self):
        draft = self.path(f"json.{os.getpid()}")
        with open(draft, "w") as handle:
            json.dump(self.journal, handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(draft, self.path("json"))

    def run(self):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, self.on_term)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

        def die_with_runner():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

        log = os.open(self.order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            child = subprocess.Popen(
                self.order["argv"],
                cwd=self.order["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_runner,
            )
        except OSError as error:
            self.finish(127, f"could not start: {error}")
            return
        self.journal["pid"] = child.pid
        self.journal["started"] = self.journal["seen_alive"] = time.time()
        self.write()
        self.watch(child)

    def watch(self, child):
        stop_at = None
        while True:
            code = child.poll()
            if code is not None:
                break
            now = time.time()
            self.read_marks()
            if stop_at is None:
                self.reason = self.why_stop(now)
                if self.reason:
                    self.journal["stop_asked"] = now
                    self.write()
                    self.signal_group(child.pid, signal.SIGTERM)
                    stop_at = now + self.order.get("grace_s", 4.0)
            elif now >= stop_at:
                self.signal_group(child.pid, signal.SIGKILL)
            if now - self.journal["seen_alive"] >= ALIVE_EVERY_S:
                self.journal["seen_alive"] = now
                self.write()
            time.sleep(TICK_S)
        self.kill_descendants()
        self.finish(code, self.reason or "exited")

    def read_marks(self):
        if self.journal["ready_at"] is None:
            ready_at = self.read_number("ready")
            if ready_at is not None:
                self.journal["ready_at"] = ready_at
                if self.order.get("minutes") is not None:
                    self.journal["deadline"] = ready_at + 60 * self.order["minutes"]
                self.write()
        moved = self.read_number("deadline")
        if moved is not None and moved != self.journal["deadline"]:
            self.journal["deadline"] = moved
            self.write()

    def why_stop(self, now):
        if os.path.exists(self.path("stop")):
            return "stopped"
        if self.terminated:
            return "terminated"
        deadline = self.journal["deadline"]
        if deadline is not None and now >= deadline:
            return "deadline"
        boot_s = self.order.get("boot_s")
        if boot_s is not None and self.journal["ready_at"] is None and now >= self.journal["started"] + boot_s:
            return "boot_timeout"
        return ""

    def read_number(self, suffix):
        try:
            with open(self.path(suffix)) as handle:
                return float(handle.read())
        except (OSError, ValueError):
            return None

    def on_term(self, *_):
        self.terminated = True

    @staticmethod
    def signal_group(pid, number):
        try:
            os.killpg(pid, number)
        except OSError:
            pass

    def kill_descendants(self):
        """Kill whatever is left below us, also what has made a session of its own; orphans were given to us."""
        for _ in range(100):
            left = descendants(os.getpid())
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
            if not left:
                return
            time.sleep(0.02)

    def finish(self, code, reason):
        self.journal.update(ended=time.time(), exit_code=code, reason=reason)
        self.write()


def descendants(root):
    """Process ids below `root`, from one reading of /proc."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as handle:
                    after = handle.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if after[0] != b"Z":
                parents[int(name)] = int(after[1])
    below, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in below and pid not in below}
        grown = bool(more)
        below |= more
    return below - {root}


def main():
    folder, id = sys.argv[1], sys.argv[2]
    lock = os.open(os.path.join(folder, f"{id}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # another runner has this id
    if os.path.exists(os.path.join(folder, f"{id}.json")):
        return  # it ran already
    Runner(folder, id).run()


if __name__ == "__main__":
    main()
