"""From the click on Launch to a kernel that answered, and from `new_cluster()` to a first result. `manage.py bench launch`."""

from __future__ import annotations

import json
import subprocess
import time
from statistics import median

from tests.support.kernel import run_in_kernel
from tests.support.up import Up, environments_ready

from .bare import BareGateway, BareHub
from .figures import say

ROUNDS, ROUNDS_LONG = 5, 15
CLUSTER_CODE = """
import json, time
began = time.perf_counter()
cluster = gateway.new_cluster()
cluster.scale(1)
client = cluster.get_client()
assert client.submit(lambda x: x + 1, 41).result() == 42
print("FIRST_RESULT", time.perf_counter() - began)
cluster.shutdown()
"""


def run(*, long: bool) -> None:
    """All figures, taking turns, so that a busy machine slows both sides."""
    rounds = ROUNDS_LONG if long else ROUNDS
    with Up() as up:
        with BareHub() as hub:
            _launches(up, hub, rounds)
        with BareGateway() as gateway:
            _clusters(up, gateway, rounds)


def _launches(up: Up, hub: BareHub, rounds: int) -> None:
    ours, bare = [], []
    hub.call("POST", "/users/person")
    for number in range(rounds + 1):
        one, two = _launch_ours(up), _launch_bare(hub, f"s{number}")
        if number:  # the first of each warms the disk
            ours.append(one)
            bare.append(two)
    more = median(ours) - median(bare)
    say(
        "click to a kernel that answered, beside a bare JupyterHub",
        median(ours) / median(bare),
        "at most 0.5 s more",
        f"{median(ours):.2f} s beside {median(bare):.2f} s: {more:+.2f} s",
    )


def _launch_ours(up: Up) -> float:
    began = time.perf_counter()
    session = up.launch()
    url, token = up.notebook_token(session["id"], "colleague")
    assert run_in_kernel(url, token, "print(6 * 7)").stdout == "42\n"
    took = time.perf_counter() - began
    up.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    up.wait_session(session["id"], "ended")
    return took


def _launch_bare(hub: BareHub, name: str) -> float:
    began = time.perf_counter()
    assert hub.call("POST", f"/users/person/servers/{name}").status_code in (201, 202)
    while not hub.call("GET", "/users/person").json()["servers"].get(name, {}).get("ready"):
        time.sleep(0.2)
    answer = run_in_kernel(f"{hub.url}/user/person/{name}/", hub.token, "print(6 * 7)")
    assert answer.stdout == "42\n"
    took = time.perf_counter() - began
    hub.call("DELETE", f"/users/person/servers/{name}")
    return took


def _clusters(up: Up, gateway: BareGateway, rounds: int) -> None:
    session = up.launch(profile="medium")
    url, token = up.notebook_token(session["id"], "colleague")
    ours, bare = [], []
    for number in range(rounds + 1):
        answer = run_in_kernel(url, token, "from dask_gateway import Gateway\ngateway = Gateway()" + CLUSTER_CODE)
        assert not answer.error, answer.traceback
        one, two = first_result(answer.stdout), _cluster_bare(gateway)
        if number:
            ours.append(one)
            bare.append(two)
    say(
        "new_cluster() to a first result, beside a bare dask-gateway",
        median(ours) / median(bare),
        "≤ 1.1",
        f"{median(ours):.2f} s beside {median(bare):.2f} s",
    )


def _cluster_bare(gateway: BareGateway) -> float:
    code = (
        "from dask_gateway import Gateway\n"
        f"gateway = Gateway(address={json.dumps(gateway.url)}, proxy_address={json.dumps(gateway.tcp)}, auth='basic')\n"
        + CLUSTER_CODE
    )
    python = environments_ready() / "base" / "bin" / "python"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return first_result(done.stdout)


def first_result(text: str) -> float:
    """The seconds that `CLUSTER_CODE` printed."""
    return float(next(line for line in text.splitlines() if line.startswith("FIRST_RESULT")).split()[1])
