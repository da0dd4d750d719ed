"""What `up` starts, in which order, and how each part is asked whether it answers."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from portal.core.keys import key_file

from .bootstrap import ROOT
from .layout import Layout
from .slurm import Seat, file_keep, seat_of, site_own

PULSE_LIFE_S = 30.0


@dataclass
class Part:
    """One server process. `seat` is who and where it runs when it is not ours; then it is told nothing of our environment."""

    name: str
    argv: list[str]
    answers: Callable[[], bool]
    after: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    stop_s: float = 2.0
    seat: Seat | None = None


def answers_http(url: str, host: str = "", want: tuple[int, ...] = (200,)) -> bool:
    """Whether a GET is answered as wanted within two seconds."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.status in want
    except urllib.error.HTTPError as error:
        return error.code in want
    except OSError:
        return False


def _pulse(path: Path, since: float) -> bool:
    """Whether a part without a port has shown life since it was started, and lately."""
    try:
        touched = path.stat().st_mtime
    except OSError:
        return False
    return touched >= since and time.time() - touched < PULSE_LIFE_S


def parts(layout: Layout) -> list[Part]:
    """All parts. `prepare` (migrations, seeds) is a step of the supervisor that "portal" and its like come after."""
    python, began = sys.executable, time.time()
    local = "http://127.0.0.1"
    settings = _site_settings(layout)
    seat = seat_of(layout)
    site_python, code = (seat.python, seat.code) if seat else (python, ROOT)
    gunicorn = [
        python,
        "-m",
        "gunicorn",
        "--worker-class",
        "gthread",
        "--threads",
        "8",
        "--timeout",
        "60",
        "--graceful-timeout",
        "2",
        "--no-control-socket",
        "--preload",
        "--worker-tmp-dir",
        str(layout.run),
    ]
    return [
        Part(
            "agent",
            [site_python, "-m", "notebooks_svc.agent.server"],
            lambda: answers_http(f"{local}:{layout.port('agent')}/v1/health"),
            seat=seat,
            env={
                "COMMONS_ENGINE_FOLDER": str(layout.site_home / "engine"),
                "COMMONS_SLURM_FILE": str(layout.slurm_file) if layout.site == "slurm" else "",
                "COMMONS_INSTANCE_ID": key_file(layout.home, "instance_id")[:12],
                "COMMONS_SITE_TOKEN_FILE": str(layout.site_home / "keys" / "site_token"),
                "COMMONS_AGENT_LISTEN": f"127.0.0.1:{layout.port('agent')}",
            },
        ),
        Part(
            "portal",
            [*gunicorn, "--workers", "2", "--bind", f"127.0.0.1:{layout.port('portal')}", "portal.config.wsgi:application"],
            lambda: answers_http(f"{layout.portal_url}/health/ready"),
            after=("prepare",),
            stop_s=3.0,
        ),
        Part(
            "files",
            [
                *gunicorn,
                "--workers",
                "1",
                "--bind",
                f"127.0.0.1:{layout.port('files')}",
                "portal.config.files_wsgi:application",
            ],
            lambda: answers_http(f"{local}:{layout.port('files')}/health"),
            after=("prepare",),
        ),
        Part(
            "gateway",
            [site_python, "-m", "dask_gateway_server", "-f", str(code / "notebooks_svc" / "gateway" / "config.py")],
            lambda: answers_http(f"{local}:{layout.port('gateway_api')}/api/health"),
            env={"COMMONS_HUB_SETTINGS": str(settings)},
            seat=seat,
            stop_s=2.0,
        ),
        Part(
            "hub",
            [site_python, "-m", "jupyterhub", "-f", str(code / "notebooks_svc" / "hub" / "config.py")],
            lambda: answers_http(f"{local}:{layout.port('notebooks')}/hub/api/", f"localhost:{layout.port('notebooks')}"),
            # The hub asks whether the gateway is there before it routes anything.
            after=("gateway",),
            env={"COMMONS_HUB_SETTINGS": str(settings)},
            seat=seat,
            stop_s=3.0,
        ),
        Part(
            "worker",
            [
                python,
                "-m",
                "celery",
                "-A",
                "portal.config.celery",
                "worker",
                "--pool",
                "threads",
                "--concurrency",
                "4",
                "-B",
                "--schedule",
                str(layout.run / "beat"),
                "--loglevel",
                "INFO",
                "--without-gossip",
                "--without-mingle",
            ],
            lambda: _pulse(layout.run / "worker.pulse", began),
            after=("prepare",),
            stop_s=1.0,
        ),
        Part(
            "reconciler",
            [python, str(ROOT / "manage.py"), "reconcile"],
            lambda: _pulse(layout.run / "reconciler.pulse", began),
            after=("prepare",),
            stop_s=2.0,
        ),
    ]


SITE_KEYS = (
    "hub_cookie_secret",
    "hub_crypt_key",
    "hub_service_token",
    "gateway_service_token",
    "site_token",
    "oidc_client_secret",
    "gateway_proxy_token",
    "gateway_db_key",
)


def _site_settings(layout: Layout) -> Path:
    """What hub and gateway of this machine are told, as a JSON file; secrets stay in their own files."""
    for name in SITE_KEYS:
        key_file(layout.home, name)
    path = (layout.run if layout.site == "local" else layout.site_home) / "site.json"
    file_keep(
        path,
        json.dumps(
            {
                "home": str(layout.site_home),
                "portal_url": layout.portal_url,
                "notebooks_url": layout.notebooks_url,
                "notebooks_host": f"localhost:{layout.port('notebooks')}",
                "hub_url": f"http://127.0.0.1:{layout.port('hub')}",
                "gateway_url": f"http://127.0.0.1:{layout.port('gateway')}",
                "gateway_api": f"127.0.0.1:{layout.port('gateway_api')}",
                "gateway_tcp_url": f"tls://127.0.0.1:{layout.port('gateway_tcp')}",
                "portal_cookies": ["portal_session", "portal_csrf", "__Host-portal_session", "__Host-portal_csrf"],
                "oidc_client_id": "jupyterhub",
                "start_timeout_s": 25 * 3600,
                "instance": key_file(layout.home, "instance_id")[:12],
                "slurm_file": str(layout.slurm_file) if layout.site == "slurm" else "",
            },
            indent=1,
        ),
    )
    if layout.site != "local":
        site_own(layout, SITE_KEYS)
    return path
