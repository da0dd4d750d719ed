"""What the site itself refuses, beside what it allows: servers come from the portal only, and nobody enters another's."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.support.kernel import run_in_kernel
from tests.support.up import Up


@pytest.fixture(scope="module")
def session(up: Up) -> dict[str, Any]:
    """A running notebook of the colleague."""
    return up.launch()


@pytest.fixture(scope="module")
def hub_username(up: Up, session: dict[str, Any]) -> str:
    """The name the site knows the colleague by."""
    match = re.search(r"/user/(u[a-z2-7]+)/", session["url"])
    assert match
    return match[1]


def signed_in(up: Up, name: str) -> httpx.Client:
    """A browser that has signed in at the portal and been at the hub."""
    browser = httpx.Client(follow_redirects=True, timeout=20)
    page = browser.get(f"{up.portal}/accounts/login/")
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert csrf
    form = {"csrfmiddlewaretoken": csrf[1], "login": f"{name}@commons.example", "password": up.password}
    assert browser.post(f"{up.portal}/accounts/login/", data=form, headers={"Referer": str(page.url)}).status_code == 200
    assert browser.get(f"{up.notebooks}/hub/home").status_code == 200
    return browser


def test_the_owner_enters_and_another_does_not(up: Up, session: dict[str, Any]) -> None:
    with closing(signed_in(up, "colleague")) as owner:
        assert owner.get(session["url"]).status_code == 200
    with closing(signed_in(up, "founder")) as other:
        answer = other.get(session["url"])
        assert answer.status_code in (403, 404)
        assert "jupyter-config-data" not in answer.text


def test_nobody_starts_a_server_at_the_hub_by_page_or_by_api(up: Up, session: dict[str, Any], hub_username: str) -> None:
    url, token = up.notebook_token(session["id"])
    hub = f"{up.notebooks}/hub"
    with closing(signed_in(up, "colleague")) as browser:
        for path in ("spawn", f"spawn/{hub_username}", f"spawn/{hub_username}/extra"):
            assert browser.get(f"{hub}/{path}").status_code == 403, path
        xsrf = browser.cookies.get("_xsrf", domain="localhost.local", path="/hub/") or ""
        assert xsrf, "without it everything is refused, for another reason"
        posted = browser.post(f"{hub}/spawn/{hub_username}/extra", data={"_xsrf": xsrf})
        assert posted.status_code == 403
        for method, path in (
            ("POST", f"users/{hub_username}/servers/extra"),
            ("POST", f"users/{hub_username}/server"),
            ("DELETE", f"users/{hub_username}/servers/{session['id']}"),
            ("POST", f"users/{hub_username}/tokens"),
        ):
            answer = browser.request(method, f"{hub}/api/{path}", headers={"X-XSRFToken": xsrf}, params={"_xsrf": xsrf})
            assert answer.status_code == 403, (method, path, answer.text)
            assert "not authorized with current scopes" in answer.text or "no permissions to" in answer.text
            answer = httpx.request(method, f"{hub}/api/{path}", headers={"Authorization": f"token {token}"})
            assert answer.status_code in (403, 404), (method, path, answer.text)
    assert httpx.get(f"{url}api/status", headers={"Authorization": f"token {token}"}).status_code == 200


def test_the_token_in_a_notebook_opens_nothing_but_its_own_server(up: Up, session: dict[str, Any], hub_username: str) -> None:
    url, token = up.notebook_token(session["id"])
    code = """
import os, urllib.request, urllib.error
def ask(method, path):
    request = urllib.request.Request(os.environ["JUPYTERHUB_API_URL"] + path, method=method)
    request.data = b"{}" if method == "POST" else None
    request.add_header("Authorization", "token " + os.environ["JUPYTERHUB_API_TOKEN"])
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code
name = os.environ["JUPYTERHUB_USER"]
print(ask("GET", "/user"), ask("POST", f"/users/{name}/servers/extra"), ask("POST", f"/users/{name}/tokens"))
print(ask("GET", "/users"), ask("POST", "/shutdown"), ask("DELETE", f"/users/{name}"))
"""
    answer = run_in_kernel(url, token, code)
    assert not answer.error, answer.traceback
    mine, *others = answer.stdout.split()
    assert mine == "200"
    assert all(code in ("403", "404") for code in others), answer.stdout


def test_a_launch_of_somebody_else_is_not_yours_to_know(up: Up, session: dict[str, Any]) -> None:
    for method, path in (
        ("GET", ""),
        ("POST", "/stop"),
        ("POST", "/token"),
        ("GET", "/log"),
    ):
        assert up.api("rival", method, f"/sessions/{session['id']}{path}").status_code == 404, path
    assert up.api("rival", "POST", f"/sessions/{session['id']}/extend", json={"minutes": 5}).status_code == 404
    # The founder may see it, it is their enterprise's; entering it is another thing.
    assert up.api("founder", "GET", f"/sessions/{session['id']}").status_code == 200
    assert up.api("founder", "POST", f"/sessions/{session['id']}/token").status_code == 403
    assert up.api("colleague", "POST", f"/sessions/{session['id']}/token").status_code == 201


def test_a_spec_is_given_to_the_site_only_and_only_before_the_launch_is_ready(
    up: Up, session: dict[str, Any], hub_username: str
) -> None:
    path = f"{up.portal}/site/v1/sessions/{session['id']}/spec?hub_username={hub_username}"
    assert httpx.get(path).status_code == 401
    person = {"Authorization": f"Bearer {up.token('colleague')}"}
    assert httpx.get(path, headers=person).status_code == 401
    site = {"Authorization": f"Bearer {(up.home / 'keys' / 'site_token').read_text()}"}
    assert httpx.get(path, headers=site).status_code == 410, "it is ready: nobody needs its spec any more"
    foreign = path.replace(hub_username, "u" + "a" * 16)
    assert httpx.get(foreign, headers=site).status_code == 404
    assert httpx.get(path.replace(session["id"], "s" + "0" * 26), headers=site).status_code == 404
