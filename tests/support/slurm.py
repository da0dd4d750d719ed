"""A real Slurm for tests: a site in a box of this run's own, an engine on it, orders that run small programs."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.embedded.bootstrap import notebook_install
from deploy.slurm import packages
from deploy.slurm.box import Box
from deploy.slurm.daemons import BoxTrouble
from notebooks_svc.agent.slurm.engine import SlurmEngine
from notebooks_svc.agent.slurm.install import libexec_install
from notebooks_svc.agent.slurm.site import SlurmSite
from notebooks_svc.wire import BatchWish, HomeWish, LookItem, RunOrder
from portal.core.ids import launch_id_new
from tests.support.up import Up

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = Path("/var/lib/commons-test/environments")  # below no private folder: jobs of other accounts run in it
SERVERS = ENVIRONMENTS.with_name("servers")  # and the hub's and agent's own, which their user can read
INSTANCE = "0123456789ab"
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class SlurmMissing(Exception):
    """This machine has no Slurm and cannot get it."""


def slurm_check() -> None:
    """
    Let a machine pass on which a site in a box can be brought up.

    :raises SlurmMissing: otherwise
    """
    if os.geteuid() != 0:
        raise SlurmMissing("a real Slurm runs daemons as several users: the tests of tests/slurm need root")
    if packages.missing() and not shutil.which("apt-get"):
        raise SlurmMissing(f"these packages are missing: {' '.join(packages.missing())}")


def person_new() -> str:
    """A site name of a person that nobody has."""
    return "u" + "".join(secrets.choice(LETTERS) for _ in range(16))


def environments_make() -> None:
    """The notebook environment that jobs of any account can read; installed when it is not there."""
    notebook_install(ENVIRONMENTS.parent, python="/usr/bin/python3")


class SlurmUp(Up):
    """The whole demo on a Slurm of its own."""

    def __init__(self) -> None:
        slurm_check()
        super().__init__(options=("--site", "slurm"), resource="slurm-hpc")
        self.slurm_folder = Path(tempfile.mkdtemp(prefix="commons-site-"))
        self.slurm_folder.chmod(0o755)
        self.env["COMMONS_SLURM_FOLDER"] = str(self.slurm_folder)
        self.box = Box(self.slurm_folder / "box", port_base=self.base + 200)

    def start(self) -> float:
        """As `Up.start`, with an environment that all runs of a machine share and job accounts can read."""
        shared = self.slurm_folder / "environments"
        if not shared.exists():
            environments_make()
            shared.symlink_to(ENVIRONMENTS)
            SERVERS.mkdir(exist_ok=True)
            (self.slurm_folder / "servers").symlink_to(SERVERS)
        return super().start()

    @property
    def engine(self) -> Path:
        """The site's engine folder."""
        return self.slurm_folder / "site/engine"

    def __exit__(self, *_: object) -> None:
        people = [path.stem for path in (self.engine / "people").glob("*.json")]
        super().__exit__()
        for person in people:
            subprocess.run(["userdel", f"c{person}"], check=False, capture_output=True)
        shutil.rmtree(self.slurm_folder, ignore_errors=True)

    def wait_parts(self) -> None:
        """Wait until every part answers."""
        end = time.monotonic() + 60
        while self.manage("status").returncode != 0:
            assert time.monotonic() < end
            time.sleep(0.5)

    def sessions_end(self) -> None:
        """Stop what a test left, so that the next begins with nothing held."""
        rows = self.api("colleague", "GET", "/sessions?limit=50").json()["items"]
        left = [row["id"] for row in rows if row["state"] not in ("ended", "failed")]
        for id in left:
            self.api("colleague", "POST", f"/sessions/{id}/stop")
        for id in left:
            self.wait_session(id, "ended", "failed", limit_s=60)

    def daemon_kill(self, label: str) -> None:
        """`kill -9` of one of Slurm's daemons."""
        pid = self.box.pids()[label]
        assert pid, f"{label} does not live"
        os.kill(pid, signal.SIGKILL)

    def live_jobs(self) -> list[str]:
        """Names of jobs that are not over."""
        return self.box.run("squeue", "-ah", "-t", "PD,R,CF,S", "-o", "%j").split()

    def records(self, id: str) -> list[list[str]]:
        """Accounting's lines of a launch: job, state, start, end."""
        argv = ["sacct", "-nXPDa", "--name", id, "-S", "now-1hour", "-o", "JobIDRaw,State,Start,End"]
        return [line.split("|") for line in self.box.run(*argv).splitlines() if line]


class SlurmWorld:
    """A box, its site description, and one engine folder."""

    def __init__(self, port_base: int, **settings: Any) -> None:
        slurm_check()
        self.folder = Path(tempfile.mkdtemp(prefix="commons-slurm-"))
        self.folder.chmod(0o755)
        # Another prefix than the demo's, so that both may be up on one machine.
        self.box = Box(
            self.folder / "box", port_base=port_base, prefix="t", cluster="testing", link=False, suspend_s=10, **settings
        )
        try:
            self.box.up()
        except BoxTrouble as trouble:
            raise SlurmMissing(str(trouble)) from trouble
        self._lay_out()
        self.site = self._site()
        self.engine = self.engine_new()

    def _lay_out(self) -> None:
        libexec_install(self.folder / "libexec", conf=self.box.conf)
        shutil.copy(ROOT / "deploy/slurm/account_hook.py", self.folder / "libexec")
        (self.folder / "homes").mkdir()
        python = self.folder / "environments/base/bin/python"
        python.parent.mkdir(parents=True)
        python.symlink_to("/usr/bin/python3")

    def _site(self) -> SlurmSite:
        return SlurmSite(
            conf=self.box.conf,
            cluster="testing",
            homes=self.folder / "homes",
            environments=self.folder / "environments",
            libexec=self.folder / "libexec",
            account_hook=["/usr/bin/python3", str(self.folder / "libexec/account_hook.py")],
            bind="127.0.0.1",
            callback_url="http://127.0.0.1:1",
            node_addresses={"*": "127.0.0.1"},
            look_every_s=0.3,
            busy_look_every_s=0.3,
        )

    def engine_new(self, **changes: Any) -> SlurmEngine:
        """An engine on the same folder, as another process would make it."""
        return SlurmEngine(self.folder / "engine", self.site.model_copy(update=changes))

    def down(self) -> None:
        """Stop and remove everything, the accounts that were made included."""
        self.box.down()
        for path in (self.folder / "engine/people").glob("*.json"):
            subprocess.run(["userdel", f"c{path.stem}"], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        Path(f"{self.box.folder}.lock").unlink(missing_ok=True)

    # --- orders -----------------------------------------------------------------------------------------------------------

    def order(self, script: str = "sleep 60", *, person: str = "", minutes: int = 5, **batch: Any) -> RunOrder:
        """An order that runs a shell line as a person of allocation A-9001."""
        person = person or person_new()
        values: dict[str, Any] = {
            "hub_username": person,
            "account": "a-9001",
            "partition": "hpc",
            "cores": 1,
            "memory_gib": 1,
            "budget_minutes": 60_000,
            **batch,
        }
        return RunOrder(
            id=launch_id_new(),
            kind="session",
            parent="",
            instance=INSTANCE,
            argv=["/bin/sh", "-c", script],
            cwd=str(self.home(person)),
            log="",
            minutes=minutes,
            boot_s=120,
            engine="slurm",
            batch=BatchWish(**values),
        )

    def home(self, person: str, allocation: str = "A-9001") -> Path:
        """Where a person's home lies."""
        return self.site.homes / allocation / person

    def wish(self, order: RunOrder) -> HomeWish:
        """The home of an order."""
        place = Path(order.cwd).relative_to(self.site.homes)
        return HomeWish(home=str(place), shared=f"{place.parent}/shared", environment="base")

    def env(self, order: RunOrder, **more: str) -> dict[str, str]:
        """A job's environment."""
        import json

        return {
            "HOME": order.cwd,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "COMMONS_PROCESS": order.id,
            "COMMONS_INSTANCE": order.instance,
            "COMMONS_ARGV": json.dumps(order.argv),
            **more,
        }

    def start(self, order: RunOrder, engine: SlurmEngine | None = None, **env: str) -> RunOrder:
        """Start an order."""
        (engine or self.engine).start(order, self.env(order, **env), self.wish(order))
        return order

    def wait(self, id: str, test: Callable[[LookItem], object], *, limit_s: float = 20) -> LookItem:
        """Wait until what a look says of it is as wanted."""
        end = time.monotonic() + limit_s
        item = None
        while time.monotonic() < end:
            item = self.engine.look_one(id)
            if item is not None and test(item):
                return item
            time.sleep(0.1)
        raise AssertionError(f"{id} is {item}\n{self.box.run('squeue', '-a', check=False)}")

    def running(self, order: RunOrder) -> LookItem:
        """Wait until it runs."""
        return self.wait(order.id, lambda item: item.started is not None or item.state == "gone")

    def gone(self, order: RunOrder, *, limit_s: float = 25) -> LookItem:
        """Wait until accounting has its end."""
        return self.wait(order.id, lambda item: item.state == "gone", limit_s=limit_s)

    def jobs(self, order: RunOrder) -> list[str]:
        """Its jobs in the controller that are not over."""
        return self.box.run("squeue", "-ah", "-n", order.id, "-o", "%A").split()

    def records(self, order: RunOrder) -> list[str]:
        """Its lines in accounting: job and state."""
        lines = self.box.run("sacct", "-nXPDa", "--name", order.id, "-S", "now-1hour", "-o", "JobIDRaw,State").splitlines()
        return [line for line in lines if line]

    def job(self, order: RunOrder) -> str:
        """Everything the controller says of its first job."""
        number = (self.engine.folder / f"{order.id}.job").read_text()
        return self.box.run("scontrol", "-o", "show", "job", number)

    def as_account(self, person: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a person's account."""
        entry = pwd.getpwnam(f"c{person}")
        return subprocess.run(
            argv,
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=os.getgrouplist(entry.pw_name, entry.pw_gid),
            env={"PATH": "/usr/bin:/bin", "SLURM_CONF": str(self.box.conf)},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
