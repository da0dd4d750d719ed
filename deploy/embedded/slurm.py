"""`up --site slurm`: a Slurm site in a box beside the portal, with accounts, homes and an environment that jobs can read."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from deploy.slurm.box import Box
from deploy.slurm.daemons import BoxTrouble

from .bootstrap import ROOT, fail, notebook_install, say
from .layout import Layout

PORT_OFFSET = 200  # of the box's own ports, above ours
PYTHON_MIN = (3, 11)


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
    site_write(layout)
    say("Slurm answers")


def slurm_down(layout: Layout) -> None:
    """End jobs and daemons; homes and accounting stay for the next `up`."""
    try:
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
    libexec_install(libexec)
    shutil.copyfile(ROOT / "deploy" / "slurm" / "account_hook.py", libexec / "account_hook.py")
    (libexec / "account_hook.py").chmod(0o755)
    (folder / "homes").mkdir(mode=0o755, exist_ok=True)
    cluster = box(layout)
    layout.slurm_file.write_text(
        json.dumps(
            {
                "conf": str(cluster.conf),
                "cluster": cluster.settings.cluster,
                "homes": str(folder / "homes"),
                "environments": str(folder / "environments"),
                "libexec": str(libexec),
                "account_hook": ["/usr/bin/python3", str(libexec / "account_hook.py")],
                "bind": "127.0.0.1",
                "callback_url": f"http://127.0.0.1:{layout.port('hub')}/hub/commons/port",
                "node_addresses": {"*": "127.0.0.1"},
            },
            indent=1,
        )
    )


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
