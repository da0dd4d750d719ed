"""A real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

PATH = "/usr/bin/chromium"
# It starts as root in a machine without a screen, and talks to nobody but the pages it is sent to.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK, PHONE = {"width": 1200, "height": 900}, {"width": 360, "height": 800}
PATIENCE_MS = 20_000


class ChromiumMissing(Exception):
    """No Chromium on this machine: says how to get it."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """
    A headless browser.

    :raises ChromiumMissing: naming the package
    """
    path = PATH if Path(PATH).exists() else shutil.which("chromium")
    if path is None:
        raise ChromiumMissing("chromium is not installed; apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Person:
    """Somebody at a browser of their own. Notes what the page complained of and how heavy each page was."""

    def __init__(self, browser: Browser, portal: str, *, javascript: bool = True, phone: bool = False) -> None:
        self.portal = portal
        self.context = browser.new_context(viewport=PHONE if phone else DESK, java_script_enabled=javascript)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def go(self, path: str) -> Page:
        """Open an address of the portal."""
        self.page.goto(path if path.startswith("http") else self.portal + path)
        return self.page

    def sign_in(self, email: str, password: str) -> Page:
        """Sign in by e-mail."""
        self.go("/accounts/login/")
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.locator("main").get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(self.portal + "/")
        return self.page

    def sees(self, text: str) -> None:
        """Wait until the page shows the words."""
        expect(self.page.locator("body")).to_contain_text(text)

    def press(self, name: str) -> None:
        """Press a button or follow a link by its words."""
        main = self.page.locator("main")
        self.page.wait_for_load_state()
        main.get_by_role("button", name=name, exact=True).or_(main.get_by_role("link", name=name, exact=True)).first.click()

    def shot(self, name: str) -> None:
        """
        Keep a picture of the page, where the run was asked to keep them: `COMMONS_SCREENSHOTS=docs/guide/pictures` renews those
        of the guide.
        """
        folder = os.environ.get("COMMONS_SCREENSHOTS")
        if folder:
            self.page.wait_for_load_state()
            self.page.evaluate("document.activeElement?.blur(); window.scrollTo(0, 0)")
            Path(folder).mkdir(parents=True, exist_ok=True)
            whole = self.page.url.startswith(self.portal)
            self.page.screenshot(path=f"{folder}/{name}.jpg", type="jpeg", quality=70, full_page=whole)

    def weigh(self, path: str) -> int:
        """Bytes over the wire for a page and all it needs, headers included, with whatever this browser has kept."""
        weights: list[Response] = []

        def note(response: Response) -> None:
            weights.append(response)

        self.page.on("response", note)
        self.go(path)
        self.page.wait_for_load_state("networkidle")
        self.page.remove_listener("response", note)
        total = 0
        for response in weights:
            sizes = response.request.sizes()
            total += sizes["responseBodySize"] + sizes["responseHeadersSize"]
        return total
