"""
Slurm: a launch beside a plain sbatch of the same server, a hundred launches at once, what looking costs the controller, and a
Dask cluster beside a bare dask-gateway on the same Slurm.

`manage.py bench slurm`, as root.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from notebooks_svc.wire import RunOrder
from tests.support.kernel import run_in_kernel
from tests.support.slurm import ENVIRONMENTS, SERVERS, SlurmUp, SlurmWorld, person_new
from tests.support.up import port_base_free

from .bare import BareSlurmGateway
from .figures import say
from .launch import CLUSTER_CODE, first_result

ROUNDS, ROUNDS_LONG = 5, 12
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
    rounds = ROUNDS_LONG if long else ROUNDS
    with SlurmUp() as up:
        bare = Bare(up, up.launch(minutes=120))
        _launches(up, bare, rounds)
        _clusters(up, bare, rounds)
    world = SlurmWorld(port_base_free() + 350, cpus=64, memory_mib=262_144)
    try:
        _at_once(world, WATCH_LONG_S if long else WATCH_S)
    finally:
        world.down()


# --- one launch -----------------------------------------------------------------------------------------------------------


def _launches(up: SlurmUp, bare: Bare, rounds: int) -> None:
    ours, theirs = [], []
    for number in range(rounds + 1):
        one, two = _launch_ours(up), bare.launch()
        if number:  # the first of each warms the disk
            ours.append(one)
            theirs.append(two)
    more = median(ours) - median(theirs)
    say(
        "click to a kernel that answered, beside a plain sbatch of the same single-user server by the same person",
        median(ours) / median(theirs),
        "at most 1 s more",
        f"{median(ours):.2f} s beside {median(theirs):.2f} s: {more:+.2f} s",
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


class Bare:
    """
    The colleague's own single-user server by hand: the same program with the same environment, home and account, submitted by
    sbatch and reached without a hub in between.

    :param session: a session of the same person that lives meanwhile, whose environment and token are lent
    """

    def __init__(self, up: SlurmUp, session: dict[str, Any]) -> None:
        self.up, self.session = up, session
        self.url, self.token = up.notebook_token(session["id"])
        self.account = "c" + session["url"].rstrip("/").split("/")[-2]
        self.home = up.slurm_folder / "homes" / session["allocation"] / self.account[1:]
        pid = _server_pid(session["id"])
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        self.env = dict(pair.decode().split("=", 1) for pair in pairs if b"=" in pair and not pair.startswith(b"SLURM"))
        self.argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        # What is submitted on the portal's own accounts without the portal is ended at the next look: this is another.
        up.box.run("sacctmgr", "-i", "add", "user", self.account, "account=root", check=False)
        self.number = 0

    def launch(self) -> float:
        """Seconds from the command to a kernel's answer."""
        self.number += 1
        port = port_base_free() + 480 + self.number % 15
        prefix = f"/bare{self.number}/"
        env = {
            **self.env,
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}{prefix}",
            "JUPYTERHUB_SERVICE_PREFIX": prefix,
            "JUPYTER_RUNTIME_DIR": f"{self.home}/.local/share/jupyter/runtime/bare{self.number}",
            "SLURM_CONF": str(self.up.box.conf),
        }
        entry = pwd.getpwnam(self.account)
        words = [
            "--account=root",
            "--partition=hpc",
            "--mem=2G",
            "--cpus-per-task=1",
            f"--chdir={self.home}",
            "-o",
            "/dev/null",
        ]
        began = time.perf_counter()
        done = subprocess.run(
            ["/usr/bin/sbatch", "--parsable", *words, "--wrap", shlex.join(self.argv)],
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=os.getgrouplist(self.account, entry.pw_gid),
            env=env,
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        url = f"http://127.0.0.1:{port}{prefix}"
        while not _answers(url + "api"):
            time.sleep(0.05)
            assert time.perf_counter() - began < 120, "the bare server does not answer"
        assert run_in_kernel(url, self.token, "print(6 * 7)").stdout == "42\n"
        took = time.perf_counter() - began
        job = done.stdout.strip()
        self.up.box.run("scancel", job)
        while self.up.box.run("squeue", "-h", "-j", job, check=False).strip():
            time.sleep(0.1)
        return took


def _server_pid(id: str) -> int:
    """The process of a session's single-user server."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"COMMONS_PROCESS={id}".encode() not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            if b"jupyterhub.singleuser" in (entry / "cmdline").read_bytes():
                return int(entry.name)
        except OSError:
            continue
    raise AssertionError(f"{id} has no server here")


# --- a cluster ------------------------------------------------------------------------------------------------------------


def _clusters(up: SlurmUp, bare: Bare, rounds: int) -> None:
    session = up.launch(profile="medium")
    url, token = up.notebook_token(session["id"])
    ours, theirs = [], []
    with BareSlurmGateway(ENVIRONMENTS / "base", SERVERS, home=bare.home) as gateway:
        for number in range(rounds + 1):
            answer = run_in_kernel(url, token, "from dask_gateway import Gateway\ngateway = Gateway()" + CLUSTER_CODE)
            assert not answer.error, answer.traceback
            one, two = first_result(answer.stdout), _cluster_bare(gateway, bare.account)
            if number:
                ours.append(one)
                theirs.append(two)
            time.sleep(3)  # what has ended gives its place back
    up.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    up.wait_session(session["id"], "ended")
    say(
        "new_cluster() to a first result on Slurm, beside a bare dask-gateway on the same Slurm",
        median(ours) / median(theirs),
        "≤ 1.1",
        f"{median(ours):.2f} s beside {median(theirs):.2f} s",
    )


def _cluster_bare(gateway: BareSlurmGateway, account: str) -> float:
    code = (
        "from dask_gateway import Gateway, BasicAuth\n"
        f"gateway = Gateway(address={gateway.url!r}, proxy_address={gateway.tcp!r}, auth=BasicAuth({account!r}))\n"
        + CLUSTER_CODE
    )
    done = subprocess.run([ENVIRONMENTS / "base/bin/python", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return first_result(done.stdout)


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
