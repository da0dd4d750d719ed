"""`manage.py up --site slurm`: from the click to a kernel under an account of its own, Dask, and what the scheduler counted."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from decimal import Decimal

import httpx

from notebooks_svc.agent.slurm.options import account_name
from tests.support.kernel import run_in_kernel
from tests.support.slurm import SlurmUp

CLUSTER = """
from dask_gateway import Gateway
import getpass, os
cluster = Gateway().new_cluster(); cluster.scale(1)
client = cluster.get_client(); client.wait_for_workers(1)
print(client.submit(lambda: (6 * 7, os.getuid(), "SLURM_JOB_ID" in os.environ)).result() == (42, os.getuid(), True))
print(client.scheduler_info()["address"].startswith("tls://"))
cluster.shutdown()
"""


def test_from_the_click_to_the_statement(demo: SlurmUp) -> None:
    quote = demo.api("colleague", "POST", "/quotes", json=ask(demo)).json()
    assert 10 <= quote["starts_in_s"] < 60
    session = demo.launch()
    url, token = demo.notebook_token(session["id"])
    code = "import os, pathlib; print(6 * 7, os.getuid() != 0, 'SLURM_JOB_ID' in os.environ); print(pathlib.Path.home())"
    answer = run_in_kernel(url, token, code)
    person = url.rstrip("/").split("/")[-2]
    home = demo.slurm_folder / "homes" / session["allocation"] / person
    assert answer.stdout == f"42 True True\n{home}\n"
    said = demo.box.run("scontrol", "-o", "show", "job", *job_ids(demo, session["id"]))
    assert f"UserId=c{person}(" in said
    assert "Requeue=0" in said
    # A person at the same machine types what they know.
    assert session["id"] in subprocess.run(["squeue", "-h", "-o", "%j"], capture_output=True, text=True, check=True).stdout
    assert "jupyter" in demo.api("colleague", "GET", f"/sessions/{session['id']}/log").json()["server"].lower()
    demo.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    over = demo.wait_session(session["id"], "ended")
    assert over["end_reason"] == "You stopped it."
    (record,) = demo.records(session["id"])
    assert record[1] in ("COMPLETED", "FAILED"), "it was asked first, and ended in order"
    (usage,) = [u for u in demo.api("colleague", "GET", "/usage").json()["items"] if session["id"] in str(u)]
    assert "scheduler" in str(usage)
    assert demo.allocation()["held"] == "0"
    demo.verify()


def test_a_cluster_is_jobs_of_the_person_behind_tls_and_is_charged(demo: SlurmUp) -> None:
    session = demo.launch()
    url, token = demo.notebook_token(session["id"])
    answer = run_in_kernel(url, token, CLUSTER, timeout_s=120)
    assert answer.stdout == "True\nTrue\n", answer.traceback
    cluster = demo.api("colleague", "GET", "/clusters").json()["items"][0]
    end = time.monotonic() + 40
    while cluster["state"] != "ended" and time.monotonic() < end:
        time.sleep(0.5)
        cluster = demo.api("colleague", "GET", f"/clusters/{cluster['id']}").json()
    assert cluster["state"] == "ended"
    assert 0 < Decimal(cluster["charged"]) <= Decimal(cluster["hold"])
    demo.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    demo.wait_session(session["id"], "ended")
    assert demo.live_jobs() == []
    demo.verify()


def test_what_a_caller_of_the_hub_sends_along_changes_nothing(demo: SlurmUp) -> None:
    """The second attack: options of a start request, here by whoever has the portal's own token."""
    demo.wait_parts()
    stopped = [demo.parts()[name]["pid"] for name in ("worker", "reconciler")]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        session = demo.launch_only()
        person = session["url"].rstrip("/").split("/")[-2]
        hostile = {
            "options": "#SBATCH --uid=0",
            "prologue": "touch /tmp/owned-by-prologue",
            "runtime": "10-00:00:00",
            "account": "root",
            "cmd": ["sleep", "9999"],
            "profile": "large",
        }
        token = (demo.home / "keys/hub_service_token").read_text()
        hub = f"http://127.0.0.1:{demo.base + 101}/hub/api/users/{person}/servers/{session['id']}"
        answer = httpx.post(hub, json=hostile, headers={"Authorization": f"token {token}"}, timeout=20)
        assert answer.status_code in (201, 202), answer.text
        end = time.monotonic() + 20
        while not job_ids(demo, session["id"]):
            assert time.monotonic() < end
            time.sleep(0.2)
        said = demo.box.run("scontrol", "-o", "show", "job", *job_ids(demo, session["id"]))
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    instance = (demo.home / "keys/instance_id").read_text()[:12]
    name = account_name(instance, session["allocation"].lower())
    assert f"Account={name} QOS={name}" in said
    assert "TimeLimit=00:34:00" in said
    assert "NumCPUs=1" in said
    demo.wait_session(session["id"], "ready")
    demo.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    demo.wait_session(session["id"], "ended")
    assert not os.path.exists("/tmp/owned-by-prologue")  # noqa: S108
    demo.verify()


def ask(demo: SlurmUp) -> dict[str, object]:
    """A question for a quote."""
    return {"allocation": demo.allocation()["id"], "resource": "slurm-hpc", "profile": "small", "minutes": 30}


def job_ids(demo: SlurmUp, id: str) -> list[str]:
    """Jobs of a launch in the controller."""
    return demo.box.run("squeue", "-ah", "-n", id, "-o", "%A").split()
