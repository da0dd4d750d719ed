"""
`up --site slurm`: a Slurm site in a box beside the portal, with accounts, homes and an environment that jobs can read.

Hub, gateway and site agent run as the site's service user, an ordinary account, in a folder of its own: they hold the keys they
need, and reach neither the portal's nor its database.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.slurm import service
from deploy.slurm.box import Box
from deploy.slurm.daemons import BoxTrouble

from .bootstrap import ROOT, VENV, fail, notebook_install, say, servers_install
from .layout import Layout

PORT_OFFSET = 200  # of the box's own ports, above ours
PYTHON_MIN = (3, 11)


@dataclass(frozen=True)
class Seat:
    """Who a part runs as, where, and with what: another user can read neither our code nor our environment."""

    uid: int
    gid: int
    folder: Path
    python: str
    code: Path


def seat_of(layout: Layout) -> Seat | None:
    """The seat of hub, gateway and agent; None where they run as we do."""
    if layout.site == "local":
        return None
    entry = service.user_ensure()
    return Seat(entry.pw_uid, entry.pw_gid, layout.site_home, str(_servers_python(layout)), layout.slurm_folder / "code")


def _servers_python(layout: Layout) -> Path:
    own = VENV / "bin" / "python"
    return own if _readable(own.resolve()) and _readable(own.parent) else layout.slurm_folder / "servers" / "bin" / "python"


def slurm_up(layout: Layout) -> None:
    """Bring the site up, or end with one line that says what is missing."""
    if os.geteuid() != 0:
        fail("--site slurm runs daemons and jobs as several users and needs root. Without it: python3 manage.py up")
    folder = layout.slurm_folder
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    say(f"bringing up the Slurm site in {folder}")
    try:
        box(layout).up()
    except BoxTrouble as trouble:
        fail(str(trouble))
    notebook_install(folder, python=_readable_python())
    if not _servers_python(layout).is_relative_to(VENV):
        servers_install(folder / "servers", python=_readable_python())
    code_lay(folder / "code")
    site_write(layout)
    say("Slurm answers")


def slurm_down(layout: Layout) -> None:
    """End jobs and daemons; homes and accounting stay for the next `up`."""
    try:
        service.disallow(box(layout))
        box(layout).down()
    except (BoxTrouble, OSError) as trouble:
        say(f"the Slurm site did not stop cleanly: {trouble}")


def box(layout: Layout) -> Box:
    """The site's cluster."""
    return Box(layout.slurm_folder / "box", port_base=layout.port_base + PORT_OFFSET)


def site_write(layout: Layout) -> None:
    """Describe the site for hub, gateway and agent, and lay down the programs that run as people."""
    from notebooks_svc.agent.slurm.install import libexec_install

    folder = layout.slurm_folder
    libexec = folder / "libexec"
    cluster = box(layout)
    libexec_install(libexec, conf=cluster.conf)
    shutil.copyfile(ROOT / "deploy" / "slurm" / "account_hook.py", libexec / "account_hook.py")
    (libexec / "account_hook.py").chmod(0o755)
    (folder / "homes").mkdir(mode=0o755, exist_ok=True)
    layout.site_home.mkdir(mode=0o700, exist_ok=True)
    layout.site_home.chmod(0o700)
    try:
        service.user_ensure()
        service.allow(cluster, libexec)
    except BoxTrouble as trouble:
        fail(str(trouble))
    layout.slurm_file.write_text(
        json.dumps(
            {
                "conf": str(cluster.conf),
                "cluster": cluster.settings.cluster,
                "homes": str(folder / "homes"),
                "environments": str(folder / "environments"),
                "libexec": str(libexec),
                "account_hook": service.hook_command(libexec),
                "accounts_command": service.accounts_command(libexec),
                "bind": "127.0.0.1",
                "callback_url": f"http://127.0.0.1:{layout.port('hub')}/hub/commons/port",
                "node_addresses": {"*": "127.0.0.1"},
            },
            indent=1,
        )
    )


def code_lay(folder: Path) -> None:
    """What runs at a site, and nothing else of ours: it holds no Django and no word of the portal's."""
    draft = folder.with_name("code.draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "notebooks_svc").mkdir(mode=0o755, parents=True)
    for name in ("__init__.py", "wire.py"):
        shutil.copyfile(ROOT / "notebooks_svc" / name, draft / "notebooks_svc" / name)
    for name in ("agent", "hub", "gateway"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "notebooks_svc" / name, draft / "notebooks_svc" / name, ignore=ignore)
    compileall.compile_dir(draft, quiet=2)
    for path in (draft, *draft.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def site_own(layout: Layout, keys: Iterable[str]) -> None:
    """Give the service user its folder: copies of the keys a site needs, for its eyes alone, and all it wrote before."""
    entry = service.user_ensure()
    home = layout.site_home
    (home / "keys").mkdir(mode=0o700, exist_ok=True)
    for name in keys:
        file_keep(home / "keys" / name, (layout.home / "keys" / name).read_text())
    for path in (home, home / "keys", *(home / "keys").iterdir(), *home.glob("*.json")):
        os.chown(path, entry.pw_uid, entry.pw_gid)


def file_keep(path: Path, text: str) -> None:
    """Have a file hold a text, readable by its owner alone. By rename: a part that starts just now reads it whole."""
    if path.exists() and path.read_text() == text:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    if path.exists():
        os.chown(draft, path.stat().st_uid, path.stat().st_gid)
    draft.replace(path)


def _readable_python() -> str:
    """An interpreter that people's accounts can run: one below root's own home is not."""
    for path in ("/usr/bin/python3", sys.executable):
        version = os.popen(f"{path} -c 'import sys; print(*sys.version_info[:2])'").read().split()  # noqa: S605
        if tuple(map(int, version or ["0"])) >= PYTHON_MIN and _readable(Path(os.path.realpath(path))):
            return path
    fail("--site slurm needs a Python 3.11 or newer that every account can read, for example Debian's /usr/bin/python3")
    raise AssertionError


def _readable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.parents) and bool(path.stat().st_mode & 0o005)
