"""One sign-in opens both the portal and the notebooks; one sign-out ends both."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.support.browser import Person
from tests.support.up import Up


def test_signing_out_of_the_portal_closes_the_notebook_too(up: Up, browser: Browser) -> None:
    """
    1. The colleague signs in at the portal and launches a notebook.
    2. The browser lands in JupyterLab without a second sign-in.
    3. The colleague signs out at the portal and is back on its first page.
    4. The notebook's address now leads to the portal's sign-in page.
    """
    person = Person(browser, up.portal)
    person.sign_in("colleague@commons.example", up.password)
    person.go("/launch/")
    person.press("Launch")
    person.page.wait_for_url("**/lab/**", timeout=60_000)
    notebook = person.page.url
    person.page.wait_for_selector(".jp-Notebook", timeout=60_000)

    person.go("/")
    person.page.get_by_role("button", name="Sign out").click()
    person.page.wait_for_url(up.portal + "/")
    person.sees("You have signed out.")

    person.go(notebook)
    person.page.wait_for_url("**/accounts/login/**")
    assert person.page.url.startswith(up.portal)
    person.context.close()
