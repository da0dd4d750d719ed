"""What pages weigh on the wire, in a real browser: a first visit with nothing kept, later pages with what was kept."""

from __future__ import annotations

from tests.support.browser import Person, chromium
from tests.support.up import Up

from .figures import say

FIRST_KB, LATER_KB = 100, 30
LATER = [
    "/calls/",
    "/datasets/",
    "/allocations/",
    "/launch/",
    "/sessions/",
    "/enterprise/",
    "/me/",
]


def run(*, long: bool) -> None:
    """Weigh the pages of a founder."""
    with Up() as up, chromium() as browser:
        stranger = Person(browser, up.portal, phone=True)
        first = stranger.weigh("/")
        say("first visit", first / 1000 / FIRST_KB, f"≤ 1, that is {FIRST_KB} kB", f"{first / 1000:.1f} kB")
        stranger.context.close()

        founder = Person(browser, up.portal, phone=True)
        founder.sign_in("founder@commons.example", up.password)
        heaviest = max((founder.weigh(path), path) for path in LATER)
        say(
            "heaviest later page",
            heaviest[0] / 1000 / LATER_KB,
            f"≤ 1, that is {LATER_KB} kB",
            f"{heaviest[0] / 1000:.1f} kB, {heaviest[1]}",
        )
        founder.context.close()
