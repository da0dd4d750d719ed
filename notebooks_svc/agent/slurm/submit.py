#!/usr/bin/env python3
"""
Runs as a person at a Slurm site: makes their home ready and submits one job. The only program the hub may run as people.

It reads one JSON document from its standard input and prints one. The job's environment goes to sbatch by a file descriptor:
no secret is ever in an argument, a file or the script. Standard library; `home.py` and `job.py` lie beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
SBATCH_LIMIT_S = 25
LOG_MAX = 64_000


def main() -> None:
    os.umask(0o077)
    os.environ.clear()
    os.environ["PATH"] = PATH
    said = json.load(sys.stdin)
    answer = {"submit": submit, "log": log}[said["verb"]](said)
    json.dump(answer, sys.stdout)


def submit(said: dict) -> dict:
    """Home first, then sbatch."""
    sys.path.insert(0, str(HERE))
    home = Path(said["home"])
    if said.get("environment"):
        from home import home_prepare

        if not os.path.exists(os.path.join(said["environment"], "bin", "python")):
            return {"error": "environment_missing", "words": "the environment is not installed at this site"}

        files = [SimpleNamespace(**file) for file in said["files"]]
        try:
            home_prepare(home=home, shared=Path(said["shared"]), environment=Path(said["environment"]), files=files)
        except (OSError, subprocess.CalledProcessError) as error:
            return {"error": "home_unwritable", "words": getattr(error, "strerror", "") or str(error)}
    try:
        private_write(home, said["private"])
        (home / ".local/share/commons/logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return {"error": "home_unwritable", "words": error.strerror or str(error)}
    return sbatch(said)


def private_write(home: Path, files: dict) -> None:
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
            handle.write(content)


def sbatch(said: dict) -> dict:
    pairs = [f"{name}={value}" for name, value in said["env"].items() if "\0" not in value]
    fd = os.memfd_create("environment", 0)
    os.write(fd, "\0".join(pairs).encode() + b"\0")
    os.lseek(fd, 0, os.SEEK_SET)
    argv = ["sbatch", "--parsable", f"--export-file={fd}", *said["options"], str(HERE / "job.py")]
    env = {"PATH": PATH, "SLURM_CONF": said["conf"], "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv, env=env, cwd="/", pass_fds=[fd], capture_output=True, text=True, timeout=SBATCH_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": "silent", "words": f"sbatch did not answer within {SBATCH_LIMIT_S} s"}
    if done.returncode != 0:
        return {"error": "sbatch", "words": done.stderr.strip()[-500:]}
    return {"job": int(done.stdout.strip().split(";")[0])}


def log(said: dict) -> dict:
    """The end of one of the person's own logs."""
    try:
        with open(said["path"], "rb") as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - min(said["bytes"], LOG_MAX)))
            return {"text": handle.read().decode(errors="replace")}
    except OSError:
        return {"text": ""}


if __name__ == "__main__":
    main()
