"""
Launches held at the steps of their life, so that something can be killed while one is at each.

A launch is held by the program that submits as people: in a test's own site it is wrapped by one that waits before or after
sbatch, or submits a job on hold.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from .slurm import SlurmUp

WRAPPER = """
import json, os, subprocess, sys, time
here = os.path.dirname(os.path.abspath(__file__))
said, way = json.load(sys.stdin), open(here + "/way").read() if os.path.exists(here + "/way") else ""
def wait():
    end = time.monotonic() + 120
    while os.path.exists(here + "/held") and time.monotonic() < end:
        time.sleep(0.05)
if said["verb"] == "submit":
    name = next(word.split("=")[1] for word in said["options"] if word.startswith("--job-name="))
    open(here + "/notes/" + name, "w").close()
if said["verb"] == "submit" and way == "hold":
    said["options"].append("--hold")
if said["verb"] == "submit" and way == "slow":
    argv = json.loads(said["env"]["COMMONS_ARGV"])
    said["env"]["COMMONS_ARGV"] = json.dumps(["/bin/sh", "-c", 'sleep 6; exec "$@"', "sh", *argv])
if said["verb"] == "submit" and way == "before":
    wait()
argv = ["/usr/bin/python3", "-s", "-E", here + "/real/submit.py"]
done = subprocess.run(argv, input=json.dumps(said), stdout=subprocess.PIPE, text=True)
if said["verb"] == "submit" and way == "after":
    wait()
sys.stdout.write(done.stdout)
"""


class Holding:
    """The wrapped program of one site; what it does is said before each launch."""

    def __init__(self, demo: SlurmUp) -> None:
        self.libexec = demo.slurm_folder / "libexec"
        real = self.libexec / "real"
        if not real.exists():
            real.mkdir(mode=0o755)
            for name in ("submit.py", "job.py", "home.py"):
                (real / name).write_bytes((self.libexec / name).read_bytes())
                (real / name).chmod(0o755)
        notes = self.libexec / "notes"  # where the program, which runs as a person, says that it knows its way
        notes.mkdir(exist_ok=True)
        notes.chmod(0o1777)
        (self.libexec / "held").touch()
        self.way("")
        (self.libexec / "submit.py").write_text(WRAPPER)

    def way(self, way: str) -> None:
        """What happens to the next submissions: "hold" or "slow" its job, wait "before" or "after" sbatch; "" is nothing."""
        draft = self.libexec / ".way"
        draft.write_text(way)
        draft.chmod(0o644)
        draft.replace(self.libexec / "way")

    def end(self) -> None:
        """What was held goes on; the site's own program again."""
        (self.libexec / "held").unlink()
        (self.libexec / "submit.py").write_bytes((self.libexec / "real/submit.py").read_bytes())
        (self.libexec / "notes").chmod(0o755)


@dataclass
class Steps:
    """One launch at each step, by the step's name."""

    before_submit: str
    before_answer: str
    queued: str
    booting: str
    ready: str
    stopping: str

    @property
    def to_be_ready(self) -> list[str]:
        """Those that are to be ready afterwards."""
        return [self.before_submit, self.before_answer, self.booting]


def steps_strike(demo: SlurmUp, *, ready: str, stopping: str, strike: Callable[[], None], saved: bool = False) -> Steps:
    """
    Bring launches to every step, and strike at that moment.

    :param ready: a session that is ready and stays
    :param stopping: one that is ready and is stopped
    :param saved: once the controller has written down what it took: a number it forgets is given again, and Slurm then takes
        the node out of service, which only an operator of the site mends
    """
    holding = Holding(demo)
    try:
        holding.way("hold")
        queued = demo.launch_only()["id"]
        _wait(lambda: jobs(demo, queued) == ["PENDING"], "a job on hold")
        demo.wait_session(queued, "queued")
        holding.way("after")
        before_answer = demo.launch_only()["id"]
        _wait(lambda: jobs(demo, before_answer), "a job whose answer is held back")
        holding.way("before")
        before_submit = demo.launch_only()["id"]
        _wait((holding.libexec / "notes" / before_submit).exists, "a submission under way")
        holding.way("slow")
        booting = demo.launch_only()["id"]
        _wait(lambda: jobs(demo, booting) == ["RUNNING"], "a job that boots")
        holding.way("")
        if saved:
            _wait_saved(demo)
        threading.Thread(target=_stop, args=(demo, stopping)).start()
        time.sleep(0.15)
        assert jobs(demo, before_submit) == []
        assert not (demo.engine / f"{booting}.ready").exists(), "it was ready too soon"
        strike()
    finally:
        holding.end()
    return Steps(before_submit, before_answer, queued, booting, ready, stopping)


def _stop(demo: SlurmUp, id: str) -> None:
    """Press stop; a portal that dies over it is asked again."""
    for _ in range(60):
        try:
            if demo.api("colleague", "POST", f"/sessions/{id}/stop").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)


def jobs(demo: SlurmUp, id: str) -> list[str]:
    """States of a launch's jobs that are not over."""
    return demo.box.run("squeue", "-ah", "-n", id, "-t", "PD,R,CF,S", "-o", "%T").split()


def _wait(test: Callable[[], object], what: str, *, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not test():
        assert time.monotonic() < end, f"there was never {what}"
        time.sleep(0.03)


def _wait_saved(demo: SlurmUp) -> None:
    """The controller writes its jobs down within five seconds."""
    state, now = demo.box.folder / "state/slurmctld/job_state", time.time()
    _wait(lambda: state.stat().st_mtime > now, "a state that was saved", limit_s=15)


def strike_at_file(path: Path, strike: Callable[[], None], *, limit_s: float = 60) -> None:
    """Strike at the moment a file appears."""
    end = time.monotonic() + limit_s
    while not os.path.exists(path):
        assert time.monotonic() < end, path
        time.sleep(0.002)
    strike()
