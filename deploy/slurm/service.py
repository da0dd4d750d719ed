"""
The service user of a site: what hub, gateway and site agent run as. An ordinary account; Operator in Slurm; `sudo` to people
for one program, which makes their home ready and calls sbatch. Three lines of sudoers, nothing else.
"""

from __future__ import annotations

import pwd
import subprocess
import tempfile
from pathlib import Path

from .box import Box
from .daemons import BoxTrouble

USER, GROUP = "commons-site", "commons-people"
SUDOERS = Path("/etc/sudoers.d")
PYTHON = "/usr/bin/python3"


def user_ensure(name: str = USER) -> pwd.struct_passwd:
    """The account, made when it is not there."""
    argv = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    for words in (["groupadd", "-f", GROUP], [*argv, "--shell", "/usr/sbin/nologin", name]):
        subprocess.run(words, check=False, capture_output=True)  # there already is fine
    return pwd.getpwnam(name)


def submit_command(libexec: Path) -> list[str]:
    """What may run as a person."""
    return [PYTHON, "-s", "-E", str(libexec / "submit.py")]


def hook_command(libexec: Path) -> list[str]:
    """What may run as root: it makes accounts and homes."""
    return ["sudo", "-n", PYTHON, str(libexec / "account_hook.py")]


def accounts_command(libexec: Path) -> list[str]:
    """What may run as Slurm's own user: it changes the portals' accounts in Slurm."""
    return ["sudo", "-n", "-u", "slurm", PYTHON, "-s", "-E", str(libexec / "change.py")]


def allow(box: Box, libexec: Path, *, name: str = USER) -> None:
    """
    Give the service user its rights: the lines of sudoers, and Operator in Slurm.

    :raises BoxTrouble: when sudo would not take the lines
    """
    lines = (
        f"{name} ALL=(%{GROUP}) NOPASSWD: {' '.join(submit_command(libexec))}\n"
        f"{name} ALL=(root) NOPASSWD: {' '.join(hook_command(libexec)[2:])} ensure *\n"
        f"{name} ALL=(slurm) NOPASSWD: {' '.join(accounts_command(libexec)[4:])} -i -Q *\n"
    )
    with tempfile.NamedTemporaryFile("w") as draft:
        draft.write(lines)
        draft.flush()
        done = subprocess.run(["visudo", "-c", "-f", draft.name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BoxTrouble(f"sudo does not take the lines of the service user: {done.stdout}{done.stderr}")
    path = _sudoers(box)
    path.write_text(lines)
    path.chmod(0o440)
    box.run("sacctmgr", "-i", "add", "user", name, "account=root", "adminlevel=operator", check=False)


def disallow(box: Box) -> None:
    """Take the lines of sudoers away; the account stays."""
    _sudoers(box).unlink(missing_ok=True)


def _sudoers(box: Box) -> Path:
    # One file for each site of this machine; sudo reads no name with a point in it.
    return SUDOERS / f"commons-site-{box.settings.port_base}"
