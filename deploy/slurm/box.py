"""Brings a site in a box up and down. Idempotent: what lives is left alone, what died is started again."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import packages
from .configure import configure, hostname_on_loopback, hosts_restore, unlink
from .daemons import BoxTrouble, command, is_ours, pid_read, port_open, spawn, stop, wait_for
from .settings import BoxSettings, settings_read, settings_write

ROOT = Path(__file__).resolve().parents[2]
GOOD = ("idle", "mixed", "allocated", "completing", "planned")


class Box:
    """One real Slurm on this machine, in one folder."""

    def __init__(self, folder: Path, **said: object) -> None:
        self.folder = folder
        self.settings: BoxSettings = settings_read(folder, **said)

    @property
    def conf(self) -> Path:
        """What `SLURM_CONF` is to name."""
        return self.folder / "etc/slurm.conf"

    def run(self, *argv: object, check: bool = True, text: str | None = None) -> str:
        """Run a Slurm command as root and return what it printed."""
        return command(self.folder, *argv, check=check, text=text)

    def daemons(self) -> list[tuple[str, Path, str]]:
        """Label, pid file and program of each daemon, in the order they are started."""
        run, s = self.folder / "run", self.settings
        return [
            ("munged", run / "munge/munged.pid", "munged"),
            ("mariadbd", run / "mysql/mysqld.pid", "mariadbd"),
            ("slurmdbd", run / "slurmdbd.pid", "slurmdbd"),
            ("slurmctld", run / "slurmctld.pid", "slurmctld"),
            *((f"slurmd {n}", run / f"slurmd.{n}.pid", "slurmd") for n in s.hpc_nodes),
            ("cloud", run / "cloud.pid", "deploy.slurm"),
            *((f"slurmd {n}", run / f"slurmd.{n}.pid", "slurmd") for n in s.burst_nodes),
        ]

    def pids(self) -> dict[str, int | None]:
        """The process of each daemon, or None when it does not live."""
        return {label: pid_read(self.folder, file, program) for label, file, program in self.daemons()}

    # --- up -------------------------------------------------------------------------------------------------------------

    def up(self) -> None:
        """
        Start what does not live.

        :raises BoxTrouble: with the end of the log of what did not come up
        """
        if os.geteuid() != 0:
            raise BoxTrouble("a site in a box runs daemons as several users and needs root")
        (self.folder / "log").mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        with self._lock():
            packages.install(self.folder / "log/apt.log")
            hostname_on_loopback(self.folder)
            settings_write(self.folder, self.settings)
            if configure(self.folder, self.settings):
                self._stop_for_new_configuration()
            alive = self.pids()
            self._check_ports(alive)
            self._munged(alive)
            self._mariadbd(alive)
            self._slurmdbd(alive)
            self._slurmctld(alive)
            self._nodes(alive)
            if not alive["cloud"] and self.settings.cloud_nodes:
                argv = [sys.executable, "-m", "deploy.slurm", "--folder", self.folder, "cloud"]
                spawn(self.folder, *argv, pid_file=self._pid("cloud"), log=self._log("cloud"), cwd=ROOT)

    def _pid(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.pid"

    def _log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with open(f"{self.folder}.lock", "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _stop_for_new_configuration(self) -> None:
        """New nodes or ports need a restart; running jobs survive it."""
        for label, file, program in self.daemons():
            pid = pid_read(self.folder, file, program)
            if pid and (program in ("slurmctld", "slurmd") or label == "cloud"):
                stop(self.folder, pid, program)

    def _check_ports(self, alive: dict[str, int | None]) -> None:
        s = self.settings
        for label, port in (("mariadbd", s.port_mysql), ("slurmdbd", s.port_dbd), ("slurmctld", s.port_ctld)):
            if not alive[label] and port_open(port):
                raise BoxTrouble(f"port {port} ({label}) is taken by something else; choose another --port-base")

    def _munged(self, alive: dict[str, int | None]) -> None:
        if alive["munged"]:
            return
        f = self.folder
        socket = f / "run/munge/munge.socket.2"
        spawn(
            f,
            "munged",
            "--foreground",
            f"--key-file={f}/etc/munge.key",
            f"--socket={socket}",
            f"--pid-file={f}/run/munge/munged.pid",
            f"--log-file={f}/log/munge/munged.log",
            f"--seed-file={f}/state/munge/seed",
            "--num-threads=4",
            "--force",
            pid_file=f / "run/munge/spawn.pid",
            log=self._log("munged"),
            user="munge",
        )
        ask = ["munge", "-n", "-S", socket]
        wait_for("munged", lambda: socket.exists() and self.run(*ask, check=False), log=self._log("munged"))

    def _mariadbd(self, alive: dict[str, int | None]) -> None:
        if alive["mariadbd"]:
            return
        f = self.folder
        defaults = f"--defaults-file={f}/etc/my.cnf"
        if not (f / "mysql/mysql").exists():
            how = ["--skip-test-db", "--auth-root-authentication-method=socket", "--user=mysql"]
            self.run("mariadb-install-db", defaults, *how)
        spawn(f, "mariadbd", defaults, pid_file=f / "run/mysql/spawn.pid", log=self._log("mariadb.out"), user="mysql")
        client = ["mariadb", "--no-defaults", "-S", f / "run/mysql/mysqld.sock", "-u", "root"]
        wait_for("mariadbd", lambda: self.run(*client, "-e", "select 1", check=False), log=self._log("mariadb"), seconds=60)
        password = (f / "etc/dbpass").read_text()
        self.run(
            *client,
            text="create database if not exists slurm_acct_db;\n"
            f"create or replace user slurm@'127.0.0.1' identified by '{password}';\n"
            "grant all on slurm_acct_db.* to slurm@'127.0.0.1';\n",
        )

    def _slurmdbd(self, alive: dict[str, int | None]) -> None:
        if not alive["slurmdbd"]:
            self.run("slurmdbd")
            wait_for("slurmdbd", lambda: port_open(self.settings.port_dbd), log=self._log("slurmdbd"), seconds=60)
        # At its very first start it is still making its tables when the port opens.
        show = ["sacctmgr", "-nP", "show", "cluster", "format=cluster"]
        wait_for("sacctmgr", lambda: self._answers(*show), log=self._log("slurmdbd"), seconds=60)
        if self.settings.cluster not in self.run(*show).split():
            self.run("sacctmgr", "-i", "add", "cluster", self.settings.cluster)

    def _answers(self, *argv: str) -> bool:
        try:
            self.run(*argv)
        except BoxTrouble:
            return False
        return True

    def _slurmctld(self, alive: dict[str, int | None]) -> None:
        if not alive["slurmctld"]:
            self.run("slurmctld")
        ping = ["scontrol", "ping"]
        wait_for("slurmctld", lambda: " UP" in self.run(*ping, check=False), log=self._log("slurmctld"), seconds=60)

    def _nodes(self, alive: dict[str, int | None]) -> None:
        for node in self.settings.hpc_nodes:
            if not alive[f"slurmd {node}"]:
                self.node_start(node)
        wanted = ",".join(self.settings.hpc_nodes)

        def ready() -> bool:
            states = self.run("sinfo", "-hN", "-n", wanted, "-o", "%T", check=False).split()
            return bool(states) and all(state in GOOD for state in states)

        wait_for("slurmd", ready, log=self._log(f"slurmd.{self.settings.hpc_nodes[0]}"), seconds=60)

    def node_start(self, node: str, *, booted: bool = False) -> None:
        """Start a node's slurmd; `booted` counts as a reboot of a cloud node."""
        (self.folder / f"state/slurmd.{node}").mkdir(exist_ok=True)
        self.run("slurmd", "-N", node, *(["-b"] if booted else []))

    def node_stop(self, node: str) -> None:
        """Stop a node's slurmd; steps outlive it by design."""
        if pid := pid_read(self.folder, self._pid(f"slurmd.{node}"), "slurmd"):
            stop(self.folder, pid, "slurmd")

    # --- down -----------------------------------------------------------------------------------------------------------

    def down(self, *, wipe: bool = False) -> None:
        """Cancel jobs, wait until accounting has them, stop every daemon; `wipe` removes the folder too."""
        if not self.conf.exists():
            return
        with self._lock():
            alive = self.pids()
            if alive["slurmctld"] and alive["munged"]:
                self._jobs_end()
            order = {"cloud": 0, "slurmctld": 3, "slurmdbd": 4, "mariadbd": 5, "munged": 6}
            for _, file, program in sorted(self.daemons(), key=lambda d: order.get(d[0], 2)):
                if pid := pid_read(self.folder, file, program):
                    stop(self.folder, pid, program, seconds=20 if program in ("slurmdbd", "mariadbd") else 10)
                file.unlink(missing_ok=True)
            self._remains_end()
            hosts_restore(self.folder)
            unlink(self.conf)
            if wipe:
                shutil.rmtree(self.folder)

    def _jobs_end(self) -> None:
        for state in ("PENDING", "SUSPENDED", "RUNNING"):
            self.run("scancel", "-Q", f"--state={state}", check=False)
        end = time.monotonic() + 8
        while time.monotonic() < end and self.run("squeue", "-h", "-t", "R,CG,S", "-o", "%i", check=False).strip():
            time.sleep(0.1)
        end = time.monotonic() + 5  # let the accounting daemon have what the controller still holds for it
        while time.monotonic() < end and "DBD Agent queue size: 0" not in self.run("sdiag", check=False):
            time.sleep(0.1)

    def _remains_end(self) -> None:
        for entry in Path("/proc").glob("[0-9]*"):
            if is_ours(self.folder, int(entry.name), "slurmstepd"):
                stop(self.folder, int(entry.name), "slurmstepd", seconds=2)
        s = self.settings
        for node in s.hpc_nodes + s.burst_nodes:  # control groups left by slurmd; only empty ones go
            for top in Path("/sys/fs/cgroup").glob(f"*/slurm_{node}"):
                for path, _, _ in os.walk(top, topdown=False):
                    with suppress(OSError):
                        os.rmdir(path)
        for wish in (self.folder / "cloud").glob("*.want"):
            wish.unlink()

    # --- status ---------------------------------------------------------------------------------------------------------

    def status(self) -> tuple[bool, dict[str, object]]:
        """Whether everything that should live lives, and what does."""
        alive = self.pids()
        nodes = {}
        if alive["slurmctld"]:
            for line in self.run("sinfo", "-hN", "-o", "%N %T", check=False).splitlines():
                name, _, state = line.partition(" ")
                nodes[name] = state
        must = [label for label in alive if not any(label == f"slurmd {n}" for n in self.settings.burst_nodes)]
        good = all(alive[label] for label in must) and all(nodes.get(n) in GOOD for n in self.settings.hpc_nodes)
        return good, {"folder": str(self.folder), "ok": good, "daemons": alive, "nodes": nodes, "conf": str(self.conf)}
