"""A notebook that reaches its deadline on the real Slurm: what was typed just before is on disk, and kernels close in order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import ChromiumMissing, Person, chromium
from tests.support.needs import needed
from tests.support.slurm import SlurmUp

LEFT_S = 22  # between the last key pressed and the deadline


@pytest.fixture
def colleague(demo: SlurmUp) -> Iterator[Person]:
    """The colleague at a browser."""
    with needed(ChromiumMissing), chromium() as browser:
        person = Person(browser, demo.portal)
        person.sign_in("colleague@commons.example", demo.password)
        yield person


def test_what_was_typed_less_than_a_minute_before_the_deadline_is_on_disk(demo: SlurmUp, colleague: Person) -> None:
    session = demo.launch(minutes=30)
    home = demo.slurm_folder / "homes" / session["allocation"] / session["url"].rstrip("/").split("/")[-2]
    page = colleague.go(f"/sessions/{session['id']}/")
    page.get_by_role("link", name="Open the notebook").click()
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=60_000)
    types(page, "import atexit, pathlib; atexit.register(lambda: pathlib.Path('closed').write_text('in order')); print(40 + 2)")
    page.keyboard.press("Shift+Enter")
    page.locator(".jp-OutputArea-output", has_text="42").first.wait_for(timeout=30_000)
    deadline = deadline_move(demo, session["id"], time.time() + LEFT_S)
    types(page, "# the last thought before the end")
    assert "the last thought" not in (home / "start-here.ipynb").read_text()
    expect(page.locator("body")).to_contain_text("This notebook ends in", timeout=25_000)
    demo.wait_session(session["id"], "ended", limit_s=LEFT_S + 40)
    assert "the last thought" in (home / "start-here.ipynb").read_text()
    assert (home / "closed").read_text() == "in order"
    journal = json.loads((demo.engine / f"{session['id']}.json").read_text())
    assert deadline <= journal["ended"] + 1 < deadline + 10
    assert demo.live_jobs() == []
    demo.verify()


def types(page: Page, words: str) -> None:
    """Write into a new cell at the notebook's end."""
    page.locator(".jp-Notebook .jp-Cell").last.click()
    for key in ("Escape", "b", "Enter"):  # command mode, a cell below, edit it
        page.keyboard.press(key)
    page.keyboard.insert_text(words)


def deadline_move(demo: SlurmUp, id: str, moment: float) -> float:
    """Have the session end sooner, at the portal and at its site, so that the test need not wait for its minutes."""
    code = (
        "from datetime import UTC, datetime; from notebooks_svc.sessions.models import Session;"
        f"Session.objects.filter(pk={id!r}).update(deadline=datetime.fromtimestamp({moment!r}, UTC))"
    )
    done = demo.manage("shell", "-c", code)
    assert done.returncode == 0, done.stderr
    (demo.engine / f"{id}.deadline").write_text(repr(moment))
    return moment
