"""Cloud nodes: one contract for the door to EC2 (against moto) and to the stand-in; and the whole path on a real Slurm."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from deploy.slurm.cloud.burst import Burst
from deploy.slurm.cloud.ec2 import EC2
from deploy.slurm.cloud.stand_in import StandIn
from tests.support.slurm import SlurmWorld

COMMON: dict[str, Any] = {
    "site": "north",
    "slurm_conf": "/nonexistent",
    "euros_per_hour": 2.0,
    "cap_euros_per_hour": 6.0,
    "boot_limit_s": 60,
}


def stand_in(folder: Path) -> dict[str, Any]:
    return {**COMMON, "door": "stand-in", "state": str(folder)}


def ec2(folder: Path) -> dict[str, Any]:
    client = boto3.client("ec2", region_name="eu-north-1")
    image = client.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    return {
        **COMMON,
        "door": "ec2",
        "state": str(folder),
        "region": "eu-north-1",
        "image": image,
        "machine": "t3.medium",
        "user_data": "#!/bin/sh\nslurmd -b -N {node}\n",
    }


@pytest.fixture(params=[stand_in, ec2])
def config(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A site's cloud, at either door."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield request.param(tmp_path)


class Site:
    """Power programs with a Slurm whose node states a test sets."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.door = EC2(config) if config["door"] == "ec2" else StandIn(config)
        self.states: dict[str, str] = {}
        self.said: list[str] = []
        self.burst = Burst(config, door=self.door, slurm=self._slurm)

    def _slurm(self, *argv: str) -> str:
        if argv[0] == "sinfo":
            if self.states.get("silent"):
                raise subprocess.TimeoutExpired("sinfo", 15)
            return "".join(f"{node}|x|{state}\n" for node, state in self.states.items())
        self.said.append(" ".join(argv))
        return ""

    def nodes(self) -> list[str]:
        return sorted(machine["node"] for machine in self.door.instances())


@pytest.fixture
def site(config: dict[str, Any]) -> Site:
    return Site(config)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass for the sweep."""
    real = time.time

    def pass_(seconds: float) -> None:
        monkeypatch.setattr("deploy.slurm.cloud.burst.time.time", lambda: real() + seconds)

    return pass_


def test_a_node_gets_one_machine_however_often_it_is_asked_for(site: Site) -> None:
    assert site.burst.resume(["b1", "b2"]) == ["b1", "b2"]
    assert site.burst.resume(["b1", "b2"]) == []
    assert site.nodes() == ["b1", "b2"]
    machines = site.door.instances()
    assert len({machine["instance"] for machine in machines}) == 2
    assert all(abs(machine["started"] - time.time()) < 60 for machine in machines)
    site.burst.suspend(["b1"])
    site.burst.suspend(["b1", "b9"])
    assert site.nodes() == ["b2"]
    site.door.terminate(["i-00000000000000000"])


def test_the_cap_is_kept_and_a_node_beyond_it_is_given_back(site: Site) -> None:
    assert site.burst.resume(["b1", "b2", "b3", "b4"]) == ["b1", "b2", "b3"]  # 2 euros an hour each, 6 at most
    assert site.nodes() == ["b1", "b2", "b3"]
    assert site.said == ["scontrol update nodename=b4 state=power_down_force reason=spending cap"]


def test_a_machine_that_never_boots_is_replaced_and_then_given_up(site: Site, later: Callable[[float], None]) -> None:
    site.burst.resume(["b1"])
    site.states = {"b1": "mixed#"}
    (first,) = site.door.instances()
    later(30)
    site.burst.sweep()
    assert site.door.instances()[0]["instance"] == first["instance"]
    seen = {first["instance"]}
    for number in (1, 2):
        later(70 * number)
        site.burst.sweep()
        (machine,) = site.door.instances()
        assert machine["instance"] not in seen
        seen.add(machine["instance"])
    later(210)
    site.burst.sweep()
    assert site.nodes() == []
    assert "scontrol update nodename=b1 state=down reason=machines do not boot" in site.said


def test_a_machine_that_joined_is_left_alone(site: Site, later: Callable[[float], None]) -> None:
    site.burst.resume(["b1"])
    site.states = {"b1": "allocated"}
    later(3600)
    site.burst.sweep()
    assert site.nodes() == ["b1"]


def test_what_nobody_tracks_is_ended_and_silence_ends_nothing(site: Site, later: Callable[[float], None]) -> None:
    site.door.run("b1")  # a machine whose start was noted nowhere: the power program died just then
    site.door.run("zz")
    site.states = {"silent": "yes"}
    later(20)
    site.burst.sweep()
    assert site.nodes() == ["b1", "zz"]
    site.states = {"b1": "idle~"}
    site.burst.sweep()
    assert site.nodes() == []


def test_machines_of_ec2_carry_their_site_and_node_and_are_told_who_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        config = ec2(tmp_path)
        north, south = EC2(config), EC2({**config, "site": "south"})
        instance = north.run("b1")
        south.run("b1")
        assert [machine["instance"] for machine in north.instances()] == [instance]
        assert north.user_data_of(instance) == "#!/bin/sh\nslurmd -b -N b1\n"
        client = boto3.client("ec2", region_name="eu-north-1")
        tags = client.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["Tags"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {
            "Name": "north-b1",
            "commons-site": "north",
            "commons-node": "b1",
        }
        site = Site(config)
        site.states = {"b1": "mixed#"}
        site.burst.sweep()
        assert any(word.startswith("scontrol update nodename=b1 nodeaddr=") for word in site.said)


def test_a_launch_waits_for_a_machine_whose_first_two_never_boot(slurm: SlurmWorld) -> None:
    etc = slurm.box.folder / "etc/burst.json"
    config = json.loads(etc.read_text())
    etc.write_text(json.dumps({**config, "boot_limit_s": 12}))
    (slurm.box.folder / "cloud/broken-next").write_text("1")
    order = slurm.start(slurm.order("sleep 2", partition="burst"))
    item = slurm.wait(order.id, lambda item: item.waiting == "A machine is being started for it.", limit_s=20)
    assert item.started is None
    item = slurm.wait(order.id, lambda item: item.started is not None or item.state == "gone", limit_s=75)
    item = slurm.gone(order, limit_s=30)
    assert item.reason == "exited", item
    log = (slurm.box.folder / "cloud/log").read_text()
    assert log.count(" replace ") == 1
    assert item.ended - item.started < 20  # of the time it waited nothing is in the account
    etc.write_text(json.dumps(config))
