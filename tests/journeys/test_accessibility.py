"""Every kind of page keeps the rules of WCAG 2.2 AA that a machine can check (axe-core), on a desk and on a phone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.support.browser import Person
from tests.support.up import Up

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# Who → pages of theirs. A path that ends in "*" follows the first link in the page's main part.
PAGES: dict[str, list[str]] = {
    "": [
        "/",
        "/accounts/signup/",
        "/accounts/login/",
        "/accounts/password/reset/",
        "/outbox/",
        "/api/v1/docs",
        "/nowhere/",
        "/datasets/",
        "/datasets/*",
        "/calls/",
        "/calls/build/",
        "/calls/check/?country=KE&headcount=7&turnover_eur=100000",
        "/calls/estimate/",
        "/calls/build/versions/",
        "/awards/",
        "/awards/figures/",
        "/awards/rules/",
    ],
    "founder": [
        "/",
        "/enterprise/",
        "/allocations/",
        "/allocations/*",
        "/allocations/A-2001/files/",
        "/launch/",
        "/sessions/",
        "/me/",
        "/applications/",
        "/apply/build/",
        "/calendar/",
        "/reports/",
        "/datasets/el-nino/",
        "/datasets/handwritten-digits/",
        "/datasets/offer/",
    ],
    "officer": [
        "/",
        "/queue/",
        "/queue/panel/build/",
        "/reports/",
        "/calls/edit/",
        "/calls/new/",
        "/calls/build/edit/",
        "/calls/build/edit/part/form/0/",
        "/calls/build/edit/preview/",
        "/calls/build/edit/dry-run/",
    ],
    "reviewer-a": ["/", "/reviews/", "/reviews/profile/"],
    "steward": ["/", "/dataset-requests/"],
}


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("who", list(PAGES), ids=lambda who: who or "stranger")
def test_no_page_breaks_a_rule(up: Up, browser: Browser, who: str, phone: bool) -> None:
    person = Person(browser, up.portal, phone=phone)
    if who:
        person.sign_in(f"{who}@commons.example", up.password)
    broken = []
    for path in PAGES[who]:
        person.go(path.removesuffix("*"))
        if path.endswith("*"):
            person.page.locator("main h2 a, main td a, main li a").first.click()
            person.page.wait_for_load_state()
        found = Axe().run(person.page, options=RULES)
        broken += [
            f"{path}: {rule['id']} ({rule['impact']}): {rule['help']}: {rule['nodes'][0]['html'][:160]}"
            for rule in found.response["violations"]
        ]
        width = person.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if width > 0:
            broken.append(f"{path}: wider than the window by {width} px")
    complaints = [said for said in person.complaints if "404 (Not Found)" not in said or "/nowhere/" not in PAGES[who]]
    assert not complaints, complaints
    person.context.close()
    assert not broken, "\n".join(broken)
