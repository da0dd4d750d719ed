"""The one command: it comes up, says what is wrong in one line, heals, stops clean, and goes on with the same data."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.up import ROOT, Up


def up_refused(env: dict[str, str]) -> str:
    """Run `up` where it must refuse; return its one line."""
    done = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode not in (0, None)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def test_it_comes_up_prints_where_it_is_and_every_part_answers(up: Up) -> None:
    assert f"Compute Commons is up: {up.portal}" in up.said
    assert "Password of all:" in up.said
    status = up.manage("status")
    assert status.returncode == 0, status.stdout
    for part in ("portal", "worker", "reconciler", "hub", "gateway", "agent"):
        assert re.search(rf"{part}\s+answers", status.stdout), status.stdout
    assert (up.home / "keys" / "demo_password").stat().st_mode & 0o077 == 0


def test_a_second_up_on_the_same_folder_says_so_in_one_line(up: Up) -> None:
    said = up_refused({"COMMONS_HOME": str(up.home), "COMMONS_PORT_BASE": str(up.base)})
    assert "already up" in said
    assert up.portal in said


def test_a_taken_port_says_how_to_move_all_ports(tmp_path: Path) -> None:
    base = Up(tmp_path).base
    (tmp_path / "environments").symlink_to(ROOT / ".commons" / "environments")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 100))
        taken.listen()
        said = up_refused({"COMMONS_HOME": str(tmp_path), "COMMONS_PORT_BASE": str(base)})
    assert f"port {base + 100} (notebooks) is taken" in said
    assert f"COMMONS_PORT_BASE={base + 1000}" in said


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = up_refused({"COMMONS_HOME": str(tmp_path / "file" / "below")})
    assert "cannot write to the state folder" in said
    assert "COMMONS_HOME=" in said


def test_a_port_base_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "environments").symlink_to(ROOT / ".commons" / "environments")
    assert "is no port" in up_refused({"COMMONS_HOME": str(tmp_path), "COMMONS_PORT_BASE": "eighty"})


def test_equal_host_names_are_refused_at_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "COMMONS_HOME": str(tmp_path), "COMMONS_NOTEBOOKS_URL": "http://127.0.0.1:9999"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "share one host name" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("COMMONS_MODE", "testing", "'embedded' or 'production'"),
        ("COMMONS_PORTAL_URL", "http://192.168.1.5:8000", "stays on this machine"),
        ("COMMONS_LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("COMMONS_DATABASE_URL", "mysql://x/y", "must begin with postgresql://"),
    ],
)
def test_a_wrong_setting_names_itself_and_the_legal_values(tmp_path: Path, variable: str, value: str, words: str) -> None:
    env = {**os.environ, "COMMONS_HOME": str(tmp_path), variable: value}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert variable in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_python_gets_one_line() -> None:
    """No old Python is at hand: the door itself is asked, with the version it would see."""
    code = "import sys; sys.version_info = (3, 9, 1); sys.argv = ['manage.py', 'up']; import manage; manage.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("Compute Commons needs Python 3.11 or newer; this is 3.9")


@pytest.mark.parametrize("part", ["portal", "files", "worker", "reconciler", "hub", "gateway", "agent"])
def test_a_killed_part_is_started_again_and_said_so(up: Up, part: str) -> None:
    before = up.parts()[part]["pid"]
    up.kill(part)
    end = time.monotonic() + 60
    while up.parts()[part]["pid"] == before or up.manage("status").returncode != 0:
        assert time.monotonic() < end, up.manage("status").stdout
        time.sleep(0.3)
    assert f"{part} was killed (signal 9); starting it again" in (up.home / "up.log").read_text()


def test_the_wrong_host_is_answered_421_before_any_cookie(up: Up) -> None:
    for url, host in (
        (up.portal, f"localhost:{up.base}"),
        (up.portal, f"localhost:{up.base + 100}"),
        (up.portal, f"127.0.0.1:{up.base + 100}"),
        (f"http://127.0.0.1:{up.base + 100}", f"127.0.0.1:{up.base}"),
        (f"http://127.0.0.1:{up.base + 100}", f"127.0.0.1:{up.base + 100}"),
        (f"http://127.0.0.1:{up.base + 102}", f"localhost:{up.base + 102}"),
    ):
        answer = httpx.get(f"{url}/", headers={"Host": host, "Cookie": "portal_session=stolen"})
        assert answer.status_code == 421, (url, host)
        assert "set-cookie" not in answer.headers
    assert httpx.get(f"{up.portal}/").status_code == 200
    assert httpx.get(f"{up.notebooks}/hub/api/").status_code == 200


def busy() -> float:
    """How much longer a program takes than it computes, for what other tests do beside this one: 1 on an idle machine."""
    began, before = time.monotonic(), os.times()
    subprocess.run([sys.executable, "-c", "sum(n * n for n in range(6_000_000))"], check=True)
    after = os.times()
    computed = after.children_user + after.children_system - before.children_user - before.children_system
    return max(1.0, (time.monotonic() - began) / computed)


def test_ctrl_c_ends_sessions_with_their_charges_and_leaves_no_process_and_up_goes_on() -> None:
    with Up() as up:
        session = up.launch()
        time.sleep(2)
        took = up.stop()
        assert took < 10
        assert up.processes() == []
        assert "everything has stopped" in up.said
        assert "the sum is 0." in up.verify()

        before = busy()
        warm = up.start()
        assert warm < 15 * max(before, busy())
        after = up.api("colleague", "GET", f"/sessions/{session['id']}").json()
        assert after["state"] == "ended"
        assert after["end_reason"] == "The portal was shut down."
        allocation = up.allocation()
        assert float(allocation["spent"]) > 0
        assert allocation["held"] == "0"

        up.kill_supervisor()
        time.sleep(0.5)
        up.start()
        assert up.manage("status").returncode == 0
        assert up.api("colleague", "GET", f"/sessions/{session['id']}").json()["state"] == "ended"


def test_a_notebook_outlives_the_supervisor_is_adopted_and_then_paid() -> None:
    with Up() as up:
        session = up.launch()
        up.kill_supervisor()
        time.sleep(4)
        assert any("jupyterhub.singleuser" in line for line in up.processes())
        up.start()
        assert up.wait_session(session["id"], "ready")["deadline"] == session["deadline"]
        url, token = up.notebook_token(session["id"])
        assert httpx.get(f"{url}api/status", headers={"Authorization": f"token {token}"}).status_code == 200
        up.api("colleague", "POST", f"/sessions/{session['id']}/stop")
        up.wait_session(session["id"], "ended")
        up.verify()


def test_without_demo_there_is_a_single_use_link_for_the_first_operator() -> None:
    with Up(options=("--no-demo",), from_nothing=True) as up:
        link = re.search(r"http://127.0.0.1:\d+/first-operator/\S+", up.said)
        assert link, up.said
        with httpx.Client(follow_redirects=True) as browser:
            page = browser.get(link[0])
            assert page.status_code == 200
            csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
            assert csrf
            form = {
                "csrfmiddlewaretoken": csrf[1],
                "full_name": "First",
                "email": "first@example.org",
                "password": "a-long-enough-password",
            }
            done = browser.post(link[0], data=form, headers={"Referer": link[0]})
            assert done.status_code == 200
            assert httpx.get(link[0]).status_code == 410
        said = up.manage("token_create", "first@example.org")
        assert said.returncode == 0
        me = httpx.get(f"{up.portal}/api/v1/me", headers={"Authorization": f"Bearer {said.stdout.strip()}"}).json()
        assert me["roles"] == ["operator"]


def test_nothing_of_it_needs_the_folder_it_was_cloned_into_to_be_called_anything(tmp_path: Path) -> None:
    """Spaces in the path of the state folder."""
    home = tmp_path / "state of things"
    with Up(home, from_nothing=True) as up:
        assert up.manage("status").returncode == 0
    shutil.rmtree(home)
