"""Writes the configuration files of a site in a box, its keys, its folders and its GPUs."""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import pwd
import secrets
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .settings import BoxSettings

HERE = Path(__file__).resolve().parent
ETC_CONF = Path("/etc/slurm/slurm.conf")
HOSTS = Path("/etc/hosts")
HOSTS_MARK = "# commons slurm box"
GPU_MAJOR = 240  # for local use: a character device without a driver, opening it answers ENXIO


def configure(folder: Path, settings: BoxSettings) -> bool:
    """Write everything; returns whether what daemons read at their start has changed."""
    _folders(folder)
    etc = folder / "etc"
    _secret(etc / "munge.key", secrets.token_bytes(128), "munge")
    _secret(etc / "dbpass", secrets.token_hex(16).encode(), "root")
    fenced = _gpus(folder, settings.gpus)
    values = _values(folder, settings, fenced=fenced)
    changed = [_write(etc / name, _fill(name, values)) for name in ("slurm.conf", "gres.conf", "cgroup.conf")]
    _write(etc / "slurmdbd.conf", _fill("slurmdbd.conf", values), "slurm", 0o600)
    _write(etc / "my.cnf", _fill("my.cnf", values), "mysql")
    _power_programs(folder, settings)
    if settings.link:
        _link(etc / "slurm.conf")
    return any(changed)


def _folders(folder: Path) -> None:
    _mkdir(folder)
    for name in ("etc", "state", "dev"):
        _mkdir(folder / name)
    for name, user, mode in (
        ("run/munge", "munge", 0o755),
        ("log/munge", "munge", 0o700),
        ("state/munge", "munge", 0o711),
        ("run/mysql", "mysql", 0o755),
        ("mysql", "mysql", 0o700),
        ("state/slurmctld", "slurm", 0o700),
        ("cloud", "slurm", 0o755),
    ):
        _mkdir(folder / name, user, mode)
    for name in ("lock", "log"):  # root's sweep and Slurm's own calls both write them
        (folder / "cloud" / name).touch()
        os.chown(folder / "cloud" / name, *_ids("slurm"))
    for name in ("run", "log"):  # slurmctld and slurmdbd write here after they have dropped root
        (folder / name).chmod(0o1777)


def _values(folder: Path, settings: BoxSettings, *, fenced: bool) -> dict[str, object]:
    cgroup_v1 = all(os.access(f"/sys/fs/cgroup/{c}/cgroup.procs", os.W_OK) for c in ("freezer", "memory", "devices"))
    hpc, burst = ",".join(settings.hpc_nodes), ",".join(settings.burst_nodes)
    weights = f'TRESBillingWeights="{settings.billing}"'
    lines = _node_lines(settings)
    lines.append(f"PartitionName=hpc Nodes={hpc} Default=YES DefaultTime=60 MaxTime=1600 State=UP {weights}")
    if burst:
        lines.append(f"PartitionName=burst Nodes={burst} DefaultTime=60 MaxTime=1600 State=UP {weights}")
    gpus = [f"{folder}/dev/gpu{number}" for number in range(settings.gpus)]
    gres = [f"NodeName={node} Name=gpu Type=fake File={gpu}" for node in settings.hpc_nodes for gpu in gpus]
    return {
        "FOLDER": folder,
        "HOST": socket.gethostname(),
        "CLUSTER": settings.cluster,
        "PORT_CTLD": settings.port_ctld,
        "PORT_DBD": settings.port_dbd,
        "PORT_MYSQL": settings.port_mysql,
        "PORT_SLURMD": settings.port_base + 18,
        "DBPASS": (folder / "etc/dbpass").read_text(),
        # Where cgroup v1 can be written, memory and device limits are enforced and stray processes reaped by it.
        "PROCTRACK": "proctrack/cgroup" if cgroup_v1 else "proctrack/linuxproc",
        "TASKPLUGIN": "task/cgroup" if cgroup_v1 else "task/none",
        "MEMORY_LIMIT": "PrologFlags=Contain" if cgroup_v1 else "JobAcctGatherParams=OverMemoryKill",
        "FENCE": "yes" if fenced else "no",
        "CGROUP_PLUGIN": "cgroup/v1" if cgroup_v1 else "autodetect",
        "SUSPEND_S": settings.suspend_s,
        "NODES": "\n".join(lines),
        "GRES": "\n".join(gres),
    }


def _node_lines(settings: BoxSettings) -> list[str]:
    common = (
        f"NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 CPUs={settings.cpus} Boards=1 SocketsPerBoard=1 "
        f"CoresPerSocket={settings.cpus} ThreadsPerCore=1 RealMemory={settings.memory_mib}"
    )
    gres = f" Gres=gpu:fake:{settings.gpus}" if settings.gpus else ""
    port = settings.port_nodes
    lines = [f"NodeName={n} Port={port + i} {common}{gres} State=UNKNOWN" for i, n in enumerate(settings.hpc_nodes)]
    return lines + [f"NodeName={n} Port={port + 60 + i} {common} State=CLOUD" for i, n in enumerate(settings.burst_nodes)]


def _gpus(folder: Path, count: int) -> bool:
    """Make device files; returns whether they are real ones, so that jobs can be fenced off from them."""
    fenced = True
    for number in range(count):
        device = folder / f"dev/gpu{number}"
        if not device.is_char_device():
            device.unlink(missing_ok=True)
            try:
                os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(GPU_MAJOR, number))
                device.chmod(0o666)
            except OSError:
                device.symlink_to("/dev/null")
        fenced = fenced and not device.is_symlink()
    return fenced


def _power_programs(folder: Path, settings: BoxSettings) -> None:
    """Slurm starts and stops cloud nodes by our program; it must be readable by Slurm's user, so it is copied here."""
    for name in ("burst.py", "stand_in.py", "ec2.py"):
        shutil.copy(HERE / "cloud" / name, folder / "etc" / name)
        (folder / "etc" / name).chmod(0o755)
    for verb in ("resume", "suspend"):
        line = f'exec /usr/bin/python3 {folder}/etc/burst.py --config {folder}/etc/burst.json {verb} "$1"'
        _write(folder / "etc" / verb, f"#!/bin/sh\n{line}\n", mode=0o755)
    kept = {
        "door": "stand-in",
        "site": settings.cluster,
        "state": str(folder / "cloud"),
        "slurm_conf": str(folder / "etc/slurm.conf"),
        "euros_per_hour": 1.0,
        "cap_euros_per_hour": 50.0,
        "boot_limit_s": 60,
    }
    path = folder / "etc" / "burst.json"
    if not path.exists():
        _write(path, json.dumps(kept, indent=1))


def hostname_on_loopback(folder: Path) -> None:
    """
    Slurm listens on what the host name resolves to: that has to be a loopback address. `hosts_restore` undoes it.

    A second site on the machine writes a line of its own, so that the end of the first takes nothing from it.
    """
    with _hosts() as lines:
        if not any(HOSTS_MARK in line for line in lines) and _on_loopback():
            return
        if not any(_is_of(line, folder) for line in lines):
            lines.insert(0, f"127.0.0.1 {socket.gethostname()} {HOSTS_MARK} {folder}\n")


def hosts_restore(folder: Path) -> None:
    """Take a site's line out again."""
    with _hosts() as lines:
        lines[:] = [line for line in lines if not _is_of(line, folder)]


def _is_of(line: str, folder: Path) -> bool:
    return line.rstrip().endswith(f"{HOSTS_MARK} {folder}")


def _on_loopback() -> bool:
    try:
        return ipaddress.ip_address(socket.gethostbyname(socket.gethostname())).is_loopback
    except OSError:
        return False


@contextmanager
def _hosts() -> Iterator[list[str]]:
    """The lines of the hosts file, written back when they were changed, by one site at a time."""
    HOSTS.touch()
    with HOSTS.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        old = file.readlines()
        lines = list(old)
        yield lines
        if lines != old:  # rewritten in place: in a container it is a bind mount and cannot be renamed over
            file.seek(0)
            file.truncate()
            file.writelines(lines)


def _link(conf: Path) -> None:
    if ETC_CONF.exists():
        return
    ETC_CONF.parent.mkdir(exist_ok=True)
    ETC_CONF.unlink(missing_ok=True)
    ETC_CONF.symlink_to(conf)


def unlink(conf: Path) -> None:
    """Take the link of the plain commands away when it is ours."""
    if ETC_CONF.is_symlink() and ETC_CONF.readlink() == conf:
        ETC_CONF.unlink()


def _ids(user: str) -> tuple[int, int]:
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def _mkdir(path: Path, user: str = "root", mode: int = 0o755) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, *_ids(user))
    path.chmod(mode)


def _secret(path: Path, data: bytes, user: str) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(data)
    os.chown(path, *_ids(user))
    path.chmod(0o400)


def _fill(name: str, values: dict[str, object]) -> str:
    text = (HERE / "templates" / f"{name}.in").read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def _write(path: Path, text: str, user: str = "root", mode: int = 0o644) -> bool:
    changed = not (path.exists() and path.read_text() == text)
    if changed:
        path.write_text(text)
    os.chown(path, *_ids(user))
    path.chmod(mode)
    return changed
