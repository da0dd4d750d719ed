"""The site in a box: safe to bring up again, heard on this machine alone, and its command says how it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.slurm.configure import hostname_on_loopback, hosts_restore
from tests.support.slurm import ROOT, SlurmWorld


def box_command(slurm: SlurmWorld, verb: str) -> subprocess.CompletedProcess[str]:
    """`python3 -m deploy.slurm`, as a person types it."""
    argv = [sys.executable, "-m", "deploy.slurm", "--folder", str(slurm.box.folder), verb]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


def listeners(pids: set[int]) -> set[str]:
    """Addresses on which these processes listen, as `/proc/net/tcp` writes them: hexadecimal, bytes turned round."""
    inodes = set()
    for pid in pids:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            target = os.readlink(entry.path)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].split(":")[0])
    return found


def test_a_second_up_changes_nothing_and_what_died_is_started_again(slurm: SlurmWorld) -> None:
    before = slurm.box.pids()
    assert box_command(slurm, "up").returncode == 0
    assert slurm.box.pids() == before
    os.kill(before["slurmd thpc2"] or 0, 9)
    said = box_command(slurm, "status")
    assert said.returncode != 0
    assert json.loads(said.stdout)["daemons"]["slurmd thpc2"] is None
    assert box_command(slurm, "up").returncode == 0
    after = slurm.box.pids()
    assert after["slurmd thpc2"] not in (None, before["slurmd thpc2"])
    assert {**after, "slurmd thpc2": 0} == {**before, "slurmd thpc2": 0}
    said = box_command(slurm, "status")
    assert said.returncode == 0, said.stdout
    assert json.loads(said.stdout)["ok"]


def test_its_daemons_are_heard_on_this_machine_alone(slurm: SlurmWorld) -> None:
    pids = {pid for label, pid in slurm.box.pids().items() if pid and label != "cloud"}
    heard = listeners(pids)
    assert heard, "database, accounting, controller and nodes listen"
    assert heard <= {"0100007F"}, heard  # 127.0.0.1


def test_two_sites_on_a_machine_each_put_its_name_on_loopback_and_the_end_of_one_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    monkeypatch.setattr("deploy.slurm.configure.HOSTS", hosts)
    monkeypatch.setattr(
        "deploy.slurm.configure.socket.gethostbyname", lambda name: "127.0.0.1" if name in hosts.read_text() else "10.0.0.7"
    )
    one, two, name = tmp_path / "one", tmp_path / "two", socket.gethostname()
    for folder in (one, two, one):
        hostname_on_loopback(folder)
    assert hosts.read_text().count(f"127.0.0.1 {name} ") == 2
    hosts_restore(one)
    assert hosts.read_text().count(f"127.0.0.1 {name} ") == 1
    hosts_restore(two)
    assert hosts.read_text() == "127.0.0.1 localhost\n"
    hosts.write_text(f"127.0.0.1 {name}\n")
    hostname_on_loopback(one)
    assert hosts.read_text() == f"127.0.0.1 {name}\n", "it was there already"
