"""Hub, gateway and site agent of a Slurm site run as an ordinary user, who becomes a person for one program and nobody else."""

from __future__ import annotations

import json
import pwd
import subprocess
from pathlib import Path

import pytest

from deploy.slurm.service import USER, submit_command
from notebooks_svc.agent.slurm.change import refusal
from tests.support.slurm import SlurmUp

OURS = "cc01234567-a-9001"


def run_as(name: str, argv: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as an account of this machine."""
    entry = pwd.getpwnam(name)
    return subprocess.run(
        argv,
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=[],
        env={"PATH": "/usr/bin:/bin:/usr/sbin"},
        cwd="/",
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def person(demo: SlurmUp) -> str:
    """The account of somebody who has launched here."""
    session = demo.launch()
    demo.api("colleague", "POST", f"/sessions/{session['id']}/stop")
    demo.wait_session(session["id"], "ended")
    return "c" + session["url"].rstrip("/").split("/")[-2]


def test_the_servers_of_a_site_are_an_ordinary_user_and_people_read_nothing_of_theirs(demo: SlurmUp) -> None:
    uid, parts = pwd.getpwnam(USER).pw_uid, demo.parts()
    assert uid != 0
    for name in ("hub", "gateway", "agent"):
        said = Path(f"/proc/{parts[name]['pid']}/status").read_text()
        assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in said, name
        assert "COMMONS_HOME" not in Path(f"/proc/{parts[name]['pid']}/environ").read_text(), name
    assert demo.box.run("sacctmgr", "-nP", "show", "user", USER, "format=adminlevel").strip() == "Operator"
    account, site = person(demo), demo.slurm_folder / "site"
    assert site.stat().st_mode & 0o777 == 0o700
    token = (site / "keys/site_token").read_text()
    assert run_as(USER, ["cat", str(site / "keys/site_token")]).stdout == token  # so the refusals are not for want of it
    for path in ("keys/site_token", "keys/hub_service_token", "site.json", "slurm.json", "engine", "hub/jupyterhub.sqlite"):
        for argv in (["cat", str(site / path)], ["ls", str(site / path)]):
            done = run_as(account, argv)
            assert done.returncode != 0, argv
            assert "Permission denied" in done.stderr
    for argv in (
        ["cat", str(demo.home / "keys/demo_password")],
        ["ls", str(demo.home)],
        ["cat", str(demo.home / "portal.sqlite3")],
    ):
        assert "Permission denied" in run_as(USER, argv).stderr, "the site does not reach the portal's"


def test_sudo_lets_it_be_a_person_for_one_program_and_nobody_else(demo: SlurmUp) -> None:
    account, submit = person(demo), submit_command(demo.slurm_folder / "libexec")
    ask = json.dumps({"verb": "log", "path": "/nonexistent", "bytes": 10})
    assert run_as(USER, ["sudo", "-n", "-u", account, *submit], ask).stdout == '{"text": ""}'
    for who, argv in (
        ("root", submit),
        ("slurm", submit),
        ("daemon", submit),
        (account, ["id"]),
        (account, ["sbatch", "--wrap=id"]),
        (account, ["/bin/sh", "-c", "id"]),
        (account, [*submit, "more"]),
        (account, ["/usr/bin/python3", "-c", "print(1)"]),
        ("root", ["/usr/bin/python3", "-c", "print(1)"]),
        ("root", ["id"]),
        ("slurm", ["/usr/bin/sacctmgr", "-i", "-Q", "add", "user", "x", "adminlevel=admin"]),
    ):
        done = run_as(USER, ["sudo", "-n", "-u", who, *argv], ask)
        assert done.returncode != 0, (who, argv)
        assert "password is required" in done.stderr or "not allowed" in done.stderr, done.stderr
    # A person is nobody but themselves.
    assert run_as(account, ["sudo", "-n", "-u", account, *submit], ask).returncode != 0
    libexec = demo.slurm_folder / "libexec"
    change = ["sudo", "-n", "-u", "slurm", "/usr/bin/python3", "-s", "-E", str(libexec / "change.py"), "-i", "-Q"]
    done = run_as(USER, [*change, "modify", "user", f"name={USER}", "set", "adminlevel=admin"])
    assert "not for a portal to change" in done.stderr
    assert demo.box.run("sacctmgr", "-nP", "show", "user", USER, "format=adminlevel").strip() == "Operator"
    assert all(path.stat().st_uid == 0 and path.stat().st_mode & 0o022 == 0 for path in (libexec, *libexec.iterdir()))


@pytest.mark.parametrize(
    "words",
    [
        f"add qos {OURS} set Flags=DenyOnLimit,NoDecay GrpTRESMins=billing=600",
        f"add account {OURS} description=commons organization=commons qos={OURS} defaultqos={OURS}",
        f"add user cuabc account={OURS}",
        f"modify qos name={OURS} set GrpTRESMins=billing=5",
        f"delete user name=cuabc account={OURS}",
        f"delete user name=stranger account={OURS}",  # whoever got in by hand
        f"add user cuabc account={OURS} partition=hpc",
        f"modify qos name={OURS} set GrpTRESMins=billing=5 GrpSubmitJobs=-1 Flags=DenyOnLimit,NoDecay",
        f"modify user where name=cuabc account={OURS} set qos={OURS}",
        f"modify account where name={OURS} set qos={OURS}",
        f"modify user where name=cuabc set defaultaccount={OURS}",
        f"delete account name={OURS}",
        f"delete qos name={OURS}",
    ],
)
def test_what_a_portal_changes_is_let_through(words: str) -> None:
    assert refusal(["-i", "-Q", *words.split()], {"cuabc"}) == ""


@pytest.mark.parametrize(
    "words",
    [
        f"add user cuabc account={OURS} adminlevel=admin",
        "modify user name=cuabc set AdminLevel=Admin",
        "add user root account=root",
        "add user cuabc account=root",
        f"add user stranger account={OURS}",
        "delete user name=stranger",
        f"delete user name=stranger account={OURS} account=root",
        f"delete user name=stranger account={OURS},root",
        "add coordinator account=root names=cuabc",
        "modify qos name=normal set GrpTRESMins=billing=5",
        "modify qos set GrpTRESMins=billing=5",
        f"delete account name=root,{OURS}",
        "delete cluster commons",
        "dump commons file=/tmp/x",
        "load /tmp/x",
        "add qos",
        "",
    ],
)
def test_what_is_not_a_portals_to_change_is_refused(words: str) -> None:
    assert refusal(["-i", "-Q", *words.split()], {"cuabc"}) != ""
    assert refusal(words.split(), {"cuabc"}) != ""
