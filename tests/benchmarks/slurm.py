"""
Slurm: a launch beside a plain sbatch of the same server, a hundred launches at once, and what looking costs the controller.

`manage.py bench slurm`, as root.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from notebooks_svc.wire import RunOrder
from tests.support.kernel import run_in_kernel
from tests.support.slurm import ENVIRONMENTS, SlurmUp, SlurmWorld, person_new
from tests.support.up import port_base_free

from .figures import say

ROUNDS, ROUNDS_LONG = 4, 12
AT_ONCE = 100
WATCH_S, WATCH_LONG_S = 60, 180
BATCHSPAWNER_POLL_S = 30  # JupyterHub's default poll interval: one squeue per server
# Speaks Jupyter's /api and nothing else: a hundred real servers would measure this machine's memory.
STAND_IN = (
    "import http.server,json\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200); self.end_headers(); self.wfile.write(json.dumps({'version': '2'}).encode())\n"
    "    def log_message(self, *a): pass\n"
    "s = http.server.HTTPServer(('127.0.0.1', 0), H)\n"
    "open('port', 'w').write(str(s.server_address[1]))\n"
    "s.serve_forever()\n"
)


def run(*, long: bool) -> None:
    """All figures."""
    with SlurmUp() as up:
        _launches(up, ROUNDS_LONG if long else ROUNDS)
    world = SlurmWorld(port_base_free() + 350, cpus=64, memory_mib=262_144)
    try:
        _at_once(world, WATCH_LONG_S if long else WATCH_S)
    finally:
        world.down()


# --- one launch -----------------------------------------------------------------------------------------------------------


def _launches(up: SlurmUp, rounds: int) -> None:
    ours, bare = [], []
    for number in range(rounds + 1):
        one, two = _launch_ours(up), _launch_bare(up)
        if number:  # the first of each makes accounts and warms the disk
            ours.append(one)
            bare.append(two)
    more = median(ours) - median(bare)
    say(
        "click to a kernel that answered, beside a plain sbatch of the same server",
        median(ours) / median(bare),
        "at most 1 s more",
        f"{median(ours):.2f} s beside {median(bare):.2f} s: {more:+.2f} s",
    )


def _launch_ours(up: SlurmUp) -> float:
    began = time.perf_counter()
    session = up.launch()
    url, token = up.notebook_token(session["id"])
    assert run_in_kernel(url, token, "print(6 * 7)").stdout == "42\n"
    took = time.perf_counter() - began
    up.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    up.wait_session(session["id"], "ended")
    return took


def _launch_bare(up: SlurmUp) -> float:
    """The same Jupyter by hand: sbatch, wait for it, run a cell."""
    port, token = port_base_free() + 480, "bare"
    python = ENVIRONMENTS / "base/bin/python"
    server = (
        f"{python} -m jupyterlab --allow-root --no-browser --ip=127.0.0.1 --port={port} --IdentityProvider.token={token} "
        "--ServerApp.root_dir=/tmp --ServerApp.base_url=/bare/"
    )
    began = time.perf_counter()
    job = up.box.run("sbatch", "--parsable", "-A", "root", "--mem=2G", "-o", "/dev/null", "--wrap", server).strip()
    url = f"http://127.0.0.1:{port}/bare/"
    while not _answers(url + "api"):
        time.sleep(0.05)
    assert run_in_kernel(url, token, "print(6 * 7)").stdout == "42\n"
    took = time.perf_counter() - began
    up.box.run("scancel", job)
    while up.box.run("squeue", "-h", "-j", job, check=False).strip():
        time.sleep(0.1)
    return took


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


# --- a hundred at once ----------------------------------------------------------------------------------------------------


def _at_once(world: SlurmWorld, watch_s: int) -> None:
    world.engine = world.engine_new(look_every_s=15.0, busy_look_every_s=1.5)
    person = person_new()
    world.gone(world.start(world.order("true", person=person)))
    orders = [_stand_in(world, person) for _ in range(AT_ONCE)]
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(world.start, orders))
    accepted = time.perf_counter() - began
    waiting = {order.id: order for order in orders}
    while waiting and time.perf_counter() - began < 300:
        for order in list(waiting.values()):
            path = Path(order.cwd) / order.id / "port"
            if path.exists() and path.read_text() and _answers(f"http://127.0.0.1:{path.read_text()}/api"):
                waiting.pop(order.id)
        time.sleep(0.05)
    ready = time.perf_counter() - began
    say(
        f"{AT_ONCE} launches at once",
        len(waiting) / AT_ONCE,
        "0 lost",
        f"all accepted after {accepted:.1f} s, all ready after {ready:.1f} s, {len(waiting)} lost",
    )
    _looking(world, orders, watch_s)
    for order in orders:
        world.engine.write_once(f"{order.id}.stop", json.dumps({"at": time.time(), "reason": "stopped"}))
    world.box.run("scancel", "--partition=hpc")


def _stand_in(world: SlurmWorld, person: str) -> RunOrder:
    order = world.order("", person=person)
    script = f'mkdir -p {order.id}; cd {order.id}; exec /usr/bin/python3 -c "$STAND_IN"'
    return order.model_copy(update={"argv": ["/usr/bin/env", f"STAND_IN={STAND_IN}", "/bin/sh", "-c", script]})


def _looking(world: SlurmWorld, orders: list[RunOrder], seconds: int) -> None:
    """Questions to the controller in a minute, with a hundred live: ours, and one squeue per server and poll."""
    time.sleep(13)  # the busy looks after the starts are over
    before, began = _asked(world), time.monotonic()
    while time.monotonic() - began < seconds:
        for order in orders[:: len(orders) // 10]:
            world.engine.look_one(order.id)
        time.sleep(1)
    ours = (_asked(world) - before) * 60 / seconds
    before, began = _asked(world), time.monotonic()
    env = {"PATH": "/usr/bin:/bin", "SLURM_CONF": str(world.box.conf)}
    for order in orders:
        job = (world.engine.folder / f"{order.id}.job").read_text()
        subprocess.run(["squeue", "-h", "-j", job, "-o", "%T %B"], env=env, check=False, capture_output=True)
    theirs = (_asked(world) - before) * 60 / BATCHSPAWNER_POLL_S
    say(
        f"questions to the controller a minute with {AT_ONCE} live, beside one squeue per server every {BATCHSPAWNER_POLL_S} s",
        theirs / max(ours, 1),
        "≥ 20",
        f"{ours:.0f} beside {theirs:.0f}",
    )


def _asked(world: SlurmWorld) -> int:
    """Job questions that the controller has answered so far."""
    said = world.box.run("sdiag")
    return sum(int(count) for count in re.findall(r"REQUEST_JOB_(?:INFO|USER_INFO|INFO_SINGLE)\s+\(.*?\) count:(\d+)", said))
