"""
Sets the project up on a machine that has only CPython: standard library alone, no Django.

Two environments are made: `.venv` beside `manage.py` for the portal and its servers, and
`$COMMONS_HOME/environments/base` for notebooks and Dask workers. Both come from locked requirements whose hashes are
checked. A stamp holds the fingerprint of what was installed, so a second start installs nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "deploy" / "requirements"
CLIENT = ROOT / "portal" / "client"
DEMO_TABLES = ROOT / "allocations" / "datasets" / "demo" / "tables.py"  # needs libraries that only notebooks have

# No pop-up about news or updates: they ask the internet, and updating is not the person's job. A notebook starts its kernel
# without asking which. All cells are in the page, so that the browser's search and a screen reader find them. What is typed is
# on disk a quarter of a minute later: sessions end at their deadline.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosaveInterval": 15},
    "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True, "windowingMode": "defer"},
}

# Commands that need what only tests need (pytest, Playwright, linters).
TEST_COMMANDS = {"test", "check_all", "bench"}

_began = time.monotonic()


def say(text: str) -> None:
    """Tell the person at the terminal what is happening, with the seconds since the start. Stdout stays for results."""
    print(f"[{time.monotonic() - _began:5.1f} s] {text}", file=sys.stderr, flush=True)


def fail(text: str) -> None:
    """End with one line that says what to do."""
    sys.exit(f"commons: {text}")


def commons_home() -> Path:
    """The state folder: `$COMMONS_HOME`, or `.commons` beside manage.py."""
    return Path(os.environ.get("COMMONS_HOME") or ROOT / ".commons").expanduser().absolute()


def home_prepare(home: Path) -> None:
    """Make the state folder, private to its owner; a folder that cannot be written ends with one line."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = home / f".probe-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        fail(
            f"cannot write to the state folder {home} ({error.strerror}). "
            "Choose another: COMMONS_HOME=/path/to/folder python3 manage.py up"
        )


def environment_enter(command: str) -> None:
    """
    Re-execute this command inside `.venv`, making or refreshing it first when its stamp is not current.

    `up` builds the notebook environment at the same time, because both wait mostly for the network.
    """
    wants_tests = command in TEST_COMMANDS
    inside = Path(sys.prefix).resolve() == VENV.resolve()
    if command == "up":
        home_prepare(commons_home())
    notebook_home = commons_home() if command == "up" and not _site_brings_its_own() else None

    portal_current = _portal_is_current(wants_tests)
    notebook_current = notebook_home is None or notebook_is_current(notebook_home)
    if not (portal_current and notebook_current):
        with _install_lock():
            _install(wants_tests=wants_tests, notebook_home=notebook_home)

    if not inside:
        python = str(VENV / "bin" / "python")
        os.execv(python, [python, str(ROOT / "manage.py"), *sys.argv[1:]])


def _site_brings_its_own() -> bool:
    """A Slurm site has a notebook environment of its own, which job accounts can read (`slurm.py`)."""
    if "slurm" in sys.argv or "--site=slurm" in sys.argv:
        return True
    try:
        return json.loads((commons_home() / "installation.json").read_text()).get("site") == "slurm"
    except (OSError, ValueError):
        return False


def notebook_environment(home: Path) -> Path:
    """Where the notebook environment of this state folder lies."""
    return home / "environments" / "base"


def notebook_is_current(home: Path) -> bool:
    """Whether the notebook environment is installed from today's locked requirements."""
    return _stamp_matches(notebook_environment(home), "notebook", _fingerprint("notebook"))


def notebook_install(home: Path, *, python: str = "") -> None:
    """
    Install the notebook environment alone, for callers already inside `.venv` (tests, other sites).

    :param python: the interpreter to build on; accounts that run in the environment must be able to read it
    """
    with _install_lock():
        if not notebook_is_current(home):
            _environment_install(notebook_environment(home), "notebook", python=python)


def servers_install(folder: Path, *, python: str) -> Path:
    """
    An environment of the portal's servers that an account of its own can read, for a site whose servers do not run as we do.

    :param python: an interpreter that every account can read
    :return: its Python
    """
    with _install_lock():
        if not _stamp_matches(folder, "portal", _fingerprint("portal")):
            _environment_install(folder, "portal", python=python)
    return folder / "bin" / "python"


def _portal_is_current(wants_tests: bool) -> bool:
    test = _stamp_matches(VENV, "test", _fingerprint("test"))
    return test if wants_tests else test or _stamp_matches(VENV, "portal", _fingerprint("portal"))


def _install(*, wants_tests: bool, notebook_home: Path | None) -> None:
    kind = "test" if wants_tests else "portal"
    if not (VENV / "bin" / "uv").exists():
        _venv_make(VENV)
        say("installing uv (the installer)")
        _run(
            [
                str(VENV / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                str(REQUIREMENTS / "uv.txt"),
            ]
        )

    child = None
    if notebook_home is not None and not notebook_is_current(notebook_home):
        child = _fork(lambda: _environment_install(notebook_environment(notebook_home), "notebook"))
    if not _portal_is_current(wants_tests):
        _environment_install(VENV, kind)
    if child is not None and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        fail("the notebook environment could not be installed; the lines above say why. Run the command again to resume.")


def _environment_install(path: Path, kind: str, *, python: str = "") -> None:
    names = {"portal": "the portal", "test": "the portal and its tests", "notebook": "the notebook environment"}
    fingerprint = _fingerprint(kind)
    if not (path / "bin" / "python").exists():
        _venv_make(path, with_pip=False, python=python)
    unfinished = path / f".installing-{kind}"
    # A killed installation can leave half a package behind: then everything is laid down anew.
    again = ["--reinstall"] if unfinished.exists() else []
    unfinished.touch()
    packages = (REQUIREMENTS / f"{kind}.txt").read_text().count("==")
    say(f"installing {names[kind]}: {packages} packages")
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(path / "bin" / "python"), "--compile-bytecode"]
    _run([*uv, *again, "--require-hashes", "-r", str(REQUIREMENTS / f"{kind}.txt")])
    if kind == "notebook":
        _run([*uv, "--reinstall", "--no-deps", str(CLIENT)])
        _lab_settings_write(path)
        _run([str(path / "bin" / "python"), str(DEMO_TABLES), str(path / "share" / "commons" / "demo")])
    (path / f".stamp-{kind}").write_text(fingerprint)
    unfinished.unlink()
    say(f"installed {names[kind]}")


def _lab_settings_write(path: Path) -> None:
    folder = path / "share" / "jupyter" / "lab" / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "overrides.json").write_text(json.dumps(LAB_SETTINGS))


def _venv_make(path: Path, *, with_pip: bool = True, python: str = "") -> None:
    if with_pip and importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        fail(f"this Python has no ensurepip. On Debian or Ubuntu: apt-get install python{version}-venv. Then run this again.")
    say(f"making the environment {path}")
    base = python or getattr(sys, "_base_executable", sys.executable)
    _run([base, "-m", "venv", *([] if with_pip else ["--without-pip"]), "--clear", str(path)])


def _run(argv: list[str]) -> None:
    env = {**os.environ, "UV_PYTHON_PREFERENCE": "only-system", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    # uv does not read pip's settings; a person who set pip's mirror meant this installer too.
    if "PIP_INDEX_URL" in env:
        env.setdefault("UV_DEFAULT_INDEX", env["PIP_INDEX_URL"])
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # bytecode is compiled on purpose: a first start without it is slow
    done = subprocess.run(argv, env=env, check=False)
    if done.returncode != 0:
        fail(f"`{' '.join(argv[:4])} …` failed; the lines above say why. Run the command again to resume.")


def _fork(work) -> int:  # type: ignore[no-untyped-def]
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except SystemExit as stop:
        print(stop.code, file=sys.stderr)
        os._exit(1)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _fingerprint(kind: str) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    digest.update((REQUIREMENTS / f"{kind}.txt").read_bytes())
    if kind == "notebook":
        digest.update(json.dumps(LAB_SETTINGS).encode())
        for path in [*sorted(CLIENT.rglob("*.*")), DEMO_TABLES]:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamp_matches(path: Path, kind: str, fingerprint: str) -> bool:
    try:
        return (path / f".stamp-{kind}").read_text() == fingerprint and (path / "bin" / "python").exists()
    except OSError:
        return False


@contextlib.contextmanager
def _install_lock() -> Iterator[None]:
    """One installation at a time: a second command waits, then finds everything installed."""
    try:
        handle = open(ROOT / ".venv.lock", "w")  # noqa: SIM115 (held for the whole installation)
    except OSError as error:
        fail(f"cannot write beside manage.py in {ROOT} ({error.strerror}). Clone the project into a folder you own.")
        raise
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
