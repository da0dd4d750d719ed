"""When a notebook is in use: what its server notes, what the hub is told, and what JupyterLab learns of the end."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime

import httpx

from notebooks_svc.sessions.doors.hub import HubDoor
from tests.support.kernel import run_in_kernel
from tests.support.up import Up, environments_ready

# Run by the notebook environment's own Python: the portal's has no Jupyter server.
LOOK = """
import os, subprocess, sys, time
from types import SimpleNamespace as Is
os.environ["COMMONS_SESSION"] = "s-of-this-test"
from commons.jupyter import Use
def noted(*, state="idle", connections=0, program="", seconds=1.5):
    kernel = Is(execution_state=state)
    kernels = Is(list_kernel_ids=lambda: ["k"], get_kernel=lambda id: kernel, _kernel_connections={"k": connections})
    settings = {"last_activity_times": {}}
    use = Use(Is(kernel_manager=kernels, web_app=Is(settings=settings)))
    child = subprocess.Popen([sys.executable, "-c", program]) if program else None
    use.look(); time.sleep(seconds); use.look()
    if child: child.kill(); child.wait()
    return "commons" in settings["last_activity_times"]
print([noted(), noted(program="import time; time.sleep(60)"), noted(state="busy"), noted(connections=1),
       noted(program="while True: pass")])
"""


def test_a_busy_kernel_an_open_window_or_a_program_that_computes_is_use_and_waiting_is_not() -> None:
    python = environments_ready() / "base" / "bin" / "python"
    done = subprocess.run([python, "-c", LOOK], capture_output=True, text=True, check=False)
    assert done.stdout == "[False, False, True, True, True]\n", done.stderr


def test_the_hub_says_of_all_sessions_at_once_when_each_was_used_and_the_server_when_it_ends(up: Up) -> None:
    session = up.launch(minutes=30)
    hub = HubDoor(f"http://127.0.0.1:{up.base + 101}", (up.home / "keys/hub_service_token").read_text())
    used = hub.activity()
    assert list(used) == [session["id"]]
    assert abs((datetime.now(UTC) - used[session["id"]]).total_seconds()) < 60
    url, token = up.notebook_token(session["id"])
    assert httpx.get(f"{url}commons/session").status_code == 403
    plan = httpx.get(f"{url}commons/session", headers={"Authorization": f"token {token}"}).json()
    assert [round(message["in_s"] / 60) for message in plan["messages"]] == [20, 28]
    assert plan["page"].endswith(f"/sessions/{session['id']}/")
    assert len(plan["saves"]) == 2
    overrides = environments_ready() / "base/share/jupyter/lab/settings/overrides.json"
    assert json.loads(overrides.read_text())["@jupyterlab/docmanager-extension:plugin"]["autosaveInterval"] == 15
    code = "import os; from commons.jupyter import cpu_seconds; print(cpu_seconds(os.environ['COMMONS_SESSION']) > 0)"
    assert run_in_kernel(url, token, code).stdout == "True\n"
    up.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    up.wait_session(session["id"], "ended")
