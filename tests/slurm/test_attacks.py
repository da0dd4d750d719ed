"""
Two attacks on batchspawner 1.3.0 that were reproduced by hand, and injection in every field.

1. Its port route sets any attribute of the spawner from a notebook's own token: the query command, which the hub then runs.
2. `user_options` of a start request are merged over the script's values: options and shell lines of the caller's own.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tornado import httpclient, httpserver, netutil, web

from notebooks_svc.agent.slurm.commands import SlurmRefused
from notebooks_svc.agent.slurm.options import submit_options
from notebooks_svc.hub import port
from notebooks_svc.wire import BatchWish, HomeWish, RunOrder
from portal.core.ids import launch_id_new
from tests.support.slurm import INSTANCE, SlurmWorld, person_new

SECRET = "a-launchs-own-secret"
SHELL = "$(touch /tmp/owned)"


async def tell(folder: Path, launch: str, body: Any, *, secret: str = SECRET) -> int:
    """Tell the hub's port route something; the answer's status."""
    app = web.Application([(port.PATH, port.PortHandler, {"engine_folder": str(folder)})], xsrf_cookies=True)
    (socket,) = netutil.bind_sockets(0, "127.0.0.1")
    server = httpserver.HTTPServer(app)
    server.add_socket(socket)
    url = f"http://127.0.0.1:{socket.getsockname()[1]}/commons/port/{launch}"
    data = body if isinstance(body, str) else json.dumps(body)
    try:
        answer = await httpclient.AsyncHTTPClient().fetch(
            url, method="POST", body=data, headers={"Authorization": f"Bearer {secret}"}, raise_error=False
        )
        return answer.code
    finally:
        server.stop()


@pytest.fixture
def launch(tmp_path: Path) -> str:
    """A launch that waits for its port."""
    id = launch_id_new()
    (tmp_path / f"{id}.hub").write_text(json.dumps({"secret": SECRET, "api_token": "x"}))
    return id


@pytest.mark.parametrize(
    "body",
    [
        {"batch_query_cmd": SHELL, "exec_prefix": "", "port": 40000},
        {"cmd": [SHELL], "port": 40000},
        {"port": 40000, "ip": "10.0.0.1"},
        {"port": "40000"},
        {"port": True},
        {"port": 22},
        {"port": 70000},
        {"port": 40000.5},
        {"port": [40000]},
        {},
        [40000],
        "40000",
        "{",
        json.dumps({"port": 40000}) + " " * 500,
    ],
)
def test_a_job_can_tell_a_port_and_nothing_else(tmp_path: Path, launch: str, body: Any) -> None:
    assert asyncio.run(tell(tmp_path, launch, body)) == 400
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{launch}.hub"]
    assert asyncio.run(tell(tmp_path, launch, {"port": 40000})) == 204
    assert (tmp_path / f"{launch}.port").read_text() == "40000"


def test_the_first_port_stands_and_only_its_own_launch_may_tell_it(tmp_path: Path, launch: str) -> None:
    other = launch_id_new()
    (tmp_path / f"{other}.hub").write_text(json.dumps({"secret": "another", "api_token": "x"}))
    assert asyncio.run(tell(tmp_path, other, {"port": 40000})) == 403
    assert asyncio.run(tell(tmp_path, launch_id_new(), {"port": 40000})) == 403
    assert asyncio.run(tell(tmp_path, launch, {"port": 40000}, secret="")) == 403
    assert asyncio.run(tell(tmp_path, launch, {"port": 40000})) == 204
    assert asyncio.run(tell(tmp_path, launch, {"port": 40000})) == 204  # said again, because the answer was lost
    assert asyncio.run(tell(tmp_path, launch, {"port": 41000})) == 409
    assert (tmp_path / f"{launch}.port").read_text() == "40000"


@pytest.mark.parametrize("field", ["hub_username", "account", "partition"])
@pytest.mark.parametrize(
    "value", ["x\n#SBATCH --uid=0", "hpc --uid=root", "a;id", "../x", "-x", SHELL, "a,b", "a b", "'", "", "ü"]
)
def test_no_field_of_a_wish_takes_a_word_of_the_schedulers_language(field: str, value: str) -> None:
    good = {
        "hub_username": person_new(),
        "account": "a-1",
        "partition": "hpc",
        "cores": 1,
        "memory_gib": 1,
        "gpus": 0,
        "budget_minutes": 1,
    }
    BatchWish.model_validate(good)
    with pytest.raises(ValidationError):
        BatchWish.model_validate({**good, field: value})


@pytest.mark.parametrize("field", ["cores", "memory_gib", "gpus", "budget_minutes"])
@pytest.mark.parametrize("value", ["1 --uid=0", -1, 10**9, 1.5, None])
def test_no_number_of_a_wish_is_anything_else(field: str, value: Any) -> None:
    if field == "budget_minutes" and value == 10**9:
        return
    good = {
        "hub_username": person_new(),
        "account": "a-1",
        "partition": "hpc",
        "cores": 1,
        "memory_gib": 1,
        "budget_minutes": 1,
    }
    with pytest.raises(ValidationError):
        BatchWish.model_validate({**good, field: value})


@pytest.mark.parametrize("home", ["../../etc/x", "/root/u", "A-1/u/..", "A-1/../u", f"A-1/{SHELL}", "A 1/u", "A-1"])
def test_no_home_lies_outside_the_sites_homes(home: str) -> None:
    with pytest.raises(ValidationError):
        HomeWish(home=home, shared="A-1/shared", environment="base")
    with pytest.raises(ValidationError):
        HomeWish(home="A-1/uabc", shared="A-1/shared", environment=f"../{home}")


def test_an_id_that_is_not_ours_is_not_submitted() -> None:
    batch = BatchWish(hub_username=person_new(), account="a-1", partition="hpc", cores=1, memory_gib=1, budget_minutes=1)
    order = RunOrder(id="x", kind="session", parent="", instance=INSTANCE, argv=[], cwd="/", log="", batch=batch)
    for id in ("x", "s01 --uid=0", "../s", launch_id_new() + "\n", launch_id_new().upper()):
        with pytest.raises(ValueError, match="cannot be submitted"):
            submit_options(order.model_copy(update={"id": id}), home="/h")


def test_a_hostile_environment_stays_the_jobs_own(slurm: SlurmWorld) -> None:
    order = slurm.order('cd; printf %s "$HOSTILE" > said; sleep 60')
    hostile = "x\n#SBATCH --account=root\n$(touch owned)`touch owned`';touch owned;"
    slurm.start(
        order, HOSTILE=hostile, SBATCH_ACCOUNT="root", SBATCH_QOS="normal", SLURM_CONF="/nonexistent", LD_PRELOAD="/x.so"
    )
    slurm.running(order)
    said = slurm.job(order)
    assert "Account=cc01234567-a-9001" in said
    assert "QOS=cc01234567-a-9001" in said
    slurm.engine.stop(order.id)
    slurm.gone(order)
    home = Path(order.cwd)
    assert not (home / "owned").exists()
    if (home / "said").exists():
        assert (home / "said").read_text() == hostile


def test_a_jobs_name_cannot_pass_for_another_jobs_record(slurm: SlurmWorld) -> None:
    """A name may hold line breaks: one that looks like a record would have others' jobs cancelled, or a launch ended early."""
    victim = slurm.start(slurm.order())
    slurm.running(victim)
    account = f"c{victim.batch.hub_username}"
    number = int((slurm.engine.folder / f"{victim.id}.job").read_text())
    bystander = slurm.box.run("sbatch", "--parsable", "-A", "root", "-o", "/dev/null", "--wrap", "sleep 60").strip()
    name, said = "cc01234567-a-9001", "commons:0123456789ab"
    forged = [f"{bystander}|{name}|x|{account}|RUNNING|None|1|1|hpc1|"]
    ended = [str(number), victim.id, account, "COMPLETED", "0:0", "1", "1", "2", "hpc1", said]
    forged += [mark.join(ended) for mark in ("|", "\x1f", "||")]
    slurm.box.run("sbatch", "-A", "root", "-J", "\n".join(["x", *forged, "y"]), "-o", "/dev/null", "--wrap", "sleep 2")
    for _ in range(3):
        assert slurm.engine.look_fresh(victim.id).state == "alive"
        jobs = {job.job: job for job in slurm.engine.commands.squeue()}
        assert jobs[int(bystander)].account == "root"
        time.sleep(1)
    slurm.engine.stop(victim.id)
    assert slurm.gone(victim).ended > time.time() - 30
    assert slurm.box.run("squeue", "-h", "-t", "R", "-j", bystander, "-o", "%A").strip() == bystander
    slurm.box.run("scancel", bystander)


def test_a_person_cannot_be_submitted_for_in_anothers_name(slurm: SlurmWorld) -> None:
    victim = person_new()
    order = slurm.order("true")
    forged = order.model_copy(update={"cwd": str(slurm.home(victim))})
    with pytest.raises(SlurmRefused, match="account_missing"):
        slurm.start(forged)
    assert not slurm.home(victim).exists()


@pytest.mark.parametrize("account", ["root", "slurm", "nobody", "daemon", "", "no-such-account", "-x"])
def test_a_hook_cannot_have_jobs_run_as_anybody_the_site_did_not_set_aside(
    slurm: SlurmWorld, tmp_path: Path, account: str
) -> None:
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\necho {account}\n")
    hook.chmod(0o755)
    engine = slurm.engine_new(account_hook=[str(hook)])
    with pytest.raises(SlurmRefused, match="account_missing"):
        slurm.start(slurm.order("true"), engine)
