"""The site agent as an ordinary Unix user: Operator in Slurm, `sudo` for one program, and only its own portal's ids."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from notebooks_svc.wire import BatchWish, MirrorAccount, RunOrder, TestAsk
from portal.core.ids import launch_id_new
from tests.support.slurm import ENVIRONMENTS, INSTANCE, ROOT, SlurmWorld, environments_make, person_new
from tests.support.up import port_base_free

USER, TOKEN = "ccagent", "the-site-token"
SUDOERS = Path("/etc/sudoers.d/commons-test")
START = """
import json, sys
from pathlib import Path
from notebooks_svc.agent.slurm.engine import SlurmEngine
from notebooks_svc.agent.slurm.site import site_read
from notebooks_svc.wire import HomeWish, RunOrder
said = json.load(sys.stdin)
engine = SlurmEngine(Path(said["folder"]), site_read(Path(said["site"])))
engine.start(RunOrder.model_validate(said["order"]), said["env"], HomeWish.model_validate(said["home"]))
"""


class Agent:
    """A site agent that runs as `USER`, and what the portal would ask it."""

    def __init__(self, slurm: SlurmWorld) -> None:
        self.slurm, self.folder = slurm, slurm.folder / "agent"
        environments_make()
        subprocess.run(["useradd", "-M", "-s", "/usr/sbin/nologin", USER], check=False, capture_output=True)
        entry = pwd.getpwnam(USER)
        self.who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        (self.folder / "engine").mkdir(parents=True)
        for name in ("notebooks_svc/__init__.py", "notebooks_svc/wire.py"):
            (self.folder / "code/notebooks_svc").mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / "code" / name)
        shutil.copytree(ROOT / "notebooks_svc/agent", self.folder / "code/notebooks_svc/agent")
        (self.folder / "token").write_text(TOKEN)
        hook = ["sudo", "-n", *slurm.site.account_hook]
        accounts = ["sudo", "-n", "-u", "slurm", "/usr/bin/sacctmgr"]
        site = slurm.site.model_copy(update={"account_hook": hook, "accounts_command": accounts})
        (self.folder / "site.json").write_text(site.model_dump_json())
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, entry.pw_uid, entry.pw_gid)
        submit = f"/usr/bin/python3 -s -E {slurm.site.libexec}/submit.py"
        SUDOERS.write_text(
            f"{USER} ALL=(%commons-people) NOPASSWD: {submit}\n"
            f"{USER} ALL=(root) NOPASSWD: {' '.join(slurm.site.account_hook)} *\n"
            f'Defaults:{USER} env_keep += "SLURM_CONF"\n'
            f"{USER} ALL=(slurm) NOPASSWD: /usr/bin/sacctmgr -i -Q *\n"
        )
        SUDOERS.chmod(0o440)
        slurm.box.run("sacctmgr", "-i", "add", "user", USER, "account=root", "adminlevel=operator", check=False)
        self.port = port_base_free() + 450
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        env = {
            **self.env,
            "COMMONS_ENGINE_FOLDER": str(self.folder / "engine"),
            "COMMONS_INSTANCE_ID": INSTANCE,
            "COMMONS_SITE_TOKEN_FILE": str(self.folder / "token"),
            "COMMONS_AGENT_LISTEN": f"127.0.0.1:{self.port}",
            "COMMONS_SLURM_FILE": str(self.folder / "site.json"),
        }
        argv = [str(ENVIRONMENTS / "base/bin/python"), "-m", "notebooks_svc.agent.server"]
        self.process = subprocess.Popen(argv, cwd="/", env=env, **self.who)  # type: ignore[call-overload]
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/v1/health").status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError("the agent does not answer")

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait()

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(self.folder / "code"), "HOME": "/nonexistent"}

    def launch(self, order: RunOrder) -> None:
        """Submit as the hub would, as the same ordinary user."""
        said = {
            "folder": str(self.folder / "engine"),
            "site": str(self.folder / "site.json"),
            "order": order.model_dump(),
            "env": self.slurm.env(order),
            "home": self.slurm.wish(order).model_dump(),
        }
        argv = [str(ENVIRONMENTS / "base/bin/python"), "-c", START]
        done = subprocess.run(
            argv, input=json.dumps(said), cwd="/", env=self.env, capture_output=True, text=True, check=False, **self.who
        )  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr

    def ask(self, method: str, path: str, body: object = None, token: str = TOKEN) -> httpx.Response:
        """As the portal asks."""
        data = body if isinstance(body, str) else json.dumps(body)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return httpx.request(method, f"http://127.0.0.1:{self.port}/v1{path}", content=data, headers=headers, timeout=30)

    def item(self, id: str) -> dict[str, object]:
        """What a look says of one launch."""
        look = self.ask("GET", "/look?since=0").json()
        return next((item for item in look["items"] if item["id"] == id), {})

    def wait(self, id: str, **facts: object) -> dict[str, object]:
        """Wait until a look says so."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            item = self.item(id)
            if item and all(item[name] == value for name, value in facts.items()):
                return item
            time.sleep(0.3)
        raise AssertionError(f"{id} is {self.item(id)}")


@pytest.fixture(scope="module")
def agent(slurm: SlurmWorld) -> Iterator[Agent]:
    """An agent as an ordinary user."""
    made = Agent(slurm)
    yield made
    made.kill()
    SUDOERS.unlink(missing_ok=True)
    subprocess.run(["userdel", USER], check=False, capture_output=True)


def test_an_ordinary_user_launches_looks_extends_and_ends_for_people(agent: Agent) -> None:
    order = agent.slurm.order("id -un > who; sleep 60", minutes=1)
    agent.launch(order)
    item = agent.wait(order.id, state="alive", waiting="")
    assert item["source"] == "scheduler"
    (agent.folder / f"engine/{order.id}.ready").write_text(repr(time.time()))
    later = time.time() + 900
    assert agent.ask("POST", "/extend", {"id": order.id, "deadline": later}).json() == {"ok": True}
    said = agent.slurm.box.run("scontrol", "-o", "show", "job", *agent.slurm.jobs(order))
    assert any(f"TimeLimit=00:{minutes}:00" in said for minutes in (19, 20, 21)), said
    agent.kill()  # it keeps nothing in memory
    agent.start()
    assert agent.ask("POST", "/cancel", {"id": order.id, "reason": "person"}).json() == {"ok": True}
    item = agent.wait(order.id, state="gone")
    assert item["reason"] == "stopped"
    assert (Path(order.cwd) / "who").read_text().strip() == f"c{order.batch.hub_username}"
    assert agent.ask("POST", "/extend", {"id": order.id, "deadline": later}).status_code == 409


def test_the_agent_ends_what_is_past_its_deadline_by_itself(agent: Agent) -> None:
    order = agent.slurm.order(minutes=1)
    agent.launch(order)
    agent.wait(order.id, state="alive", waiting="")
    (agent.folder / f"engine/{order.id}.ready").write_text(repr(time.time() - 58))
    assert agent.wait(order.id, state="gone")["reason"] == "deadline"


def test_ids_that_are_not_this_portals_are_refused(agent: Agent) -> None:
    foreign = agent.slurm.order()
    (agent.folder / f"engine/{foreign.id}.order.json").write_text(
        foreign.model_copy(update={"instance": "anotherportl"}).model_dump_json()
    )
    for id in (launch_id_new(), foreign.id, "../../etc/passwd", "s01; id", "", "x" * 500):
        assert agent.ask("POST", "/cancel", {"id": id, "reason": "x"}).status_code == 404
        assert agent.ask("POST", "/extend", {"id": id, "deadline": 1.0}).status_code == 404
    assert agent.item(foreign.id) == {}
    for method, path in (("GET", "/look?since=0"), ("POST", "/cancel"), ("POST", "/accounts_sync"), ("POST", "/test_only")):
        assert agent.ask(method, path, {}, token="guessed").status_code == 401
    assert agent.ask("POST", "/cancel", {"id": foreign.id}).status_code == 422
    assert (
        agent.ask("POST", "/accounts_sync", {"accounts": [{"account": "a;b", "people": [], "budget_minutes": 1}]}).status_code
        == 422
    )


def test_the_agent_estimates_and_keeps_the_accounts(agent: Agent) -> None:
    batch = BatchWish(hub_username=person_new(), account="a-1", partition="hpc", cores=1, memory_gib=1, budget_minutes=1)
    answer = agent.ask("POST", "/test_only", TestAsk(batch=batch, minutes=10).model_dump_json()).json()
    assert answer["refusal"] == ""
    assert answer["starts_in_s"] is not None
    order = agent.slurm.order("true", account="a-9301")
    agent.launch(order)
    agent.wait(order.id, state="gone")
    name, person = "cc01234567-a-9301", order.batch.hub_username
    wanted = [MirrorAccount(account="a-9301", people=[], budget_minutes=100).model_dump()]
    others = [MirrorAccount(account="a-9001", people=[], budget_minutes=60_000).model_dump()]
    answer = agent.ask("POST", "/accounts_sync", {"accounts": [*wanted, *others]}).json()
    assert f"removed c{person} from {name}" in answer["changes"]


def test_the_ordinary_user_can_become_nobody_else(agent: Agent) -> None:
    for argv in (
        ["sudo", "-n", "-u", "root", "/usr/bin/python3", "-s", "-E", f"{agent.slurm.site.libexec}/submit.py"],
        ["sudo", "-n", "-u", "root", "id"],
        ["sudo", "-n", "-u", "daemon", "/usr/bin/python3", "-s", "-E", f"{agent.slurm.site.libexec}/submit.py"],
    ):
        done = subprocess.run(
            argv, input="{}", cwd="/", env=agent.env, capture_output=True, text=True, check=False, **agent.who
        )
        assert done.returncode != 0, argv
        assert "password is required" in done.stderr or "not allowed" in done.stderr
