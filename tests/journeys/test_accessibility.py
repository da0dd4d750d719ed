"""
Every kind of page keeps the rules of WCAG 2.2 AA that a machine can check (axe-core), on a desk and on a phone of 360 px.

The kinds are read from the URL configuration: a page that nobody visits here, and for which no reason is given, fails.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.support.browser import DESK, PHONE, Person
from tests.support.routes import pages
from tests.support.story import ANSWERS, Story
from tests.support.up import Up

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# Who → the kinds of page they look at, and where. A path that ends in "*" follows the first link in the page's main part;
# what stands in braces is told by `facts`.
VISITS: dict[str, dict[str, str]] = {
    "": {
        "home": "/",
        "account_signup": "/accounts/signup/",
        "account_login": "/accounts/login/",
        "account_reset_password": "/accounts/password/reset/",
        "account_reset_password_done": "/accounts/password/reset/done/",
        "account_reset_password_from_key": "/accounts/password/reset/key/a-key/",
        "account_reset_password_from_key_done": "/accounts/password/reset/key/done/",
        "account_email_verification_sent": "/accounts/confirm-email/",
        "account_confirm_email": "/accounts/confirm-email/a-key/",
        "account_inactive": "/accounts/inactive/",
        "outbox": "/outbox/",
        "api_docs": "/api/v1/docs",
        "datasets:list": "/datasets/",
        "datasets:detail": "/datasets/el-nino/",
        "calls:list": "/calls/",
        "calls:detail": "/calls/build/",
        "calls:check": "/calls/check/?country=KE&headcount=7&turnover_eur=100000",
        "calls:estimate": "/calls/estimate/?by=runs&runs-runs=20&runs-hours_each=2&runs-devices=1"
        "&runs-overhead_percent=25&runs-credits_hour=6",
        "calls:versions": "/calls/build/versions/",
        "awards:register": "/awards/",
        "awards:figures": "/awards/figures/",
        "awards:rules": "/awards/rules/",
        "first_operator": "/first-operator/a-token/",  # the demo has an operator: what was refused, as a page
        "organisations:join": "{join}",
        "no such page": "/nowhere/",
    },
    "founder": {
        "home of an owner": "/",
        "person": "/me/",
        "api_tokens": "/me/tokens/",
        "account_email": "/accounts/email/",
        "account_change_password": "/accounts/password/change/",
        "account_logout": "/accounts/logout/",
        "account_reauthenticate": "/accounts/reauthenticate/",
        "mfa_index": "/accounts/2fa/",
        "mfa_activate_totp": "/accounts/2fa/totp/activate/",
        "organisations:mine": "/enterprise/",
        "organisations:new": "/enterprise/new/",
        "organisations:edit": "/enterprise/{firm}/edit/",
        "organisations:facts": "/enterprise/{firm}/facts/",
        "allocations:list": "/allocations/",
        "allocations:detail": "/allocations/A-2001/",
        "allocations:statement": "/allocations/A-2001/statement/",
        "allocations:deed": "/allocations/A-2001/change/ask/",
        "storage:files": "/allocations/A-2001/files/",
        "batch:history": "/allocations/A-2001/batch-holds/",
        "batch:new": "/allocations/A-2001/batch-holds/new/",
        "sessions:launch": "/launch/",
        "sessions:list": "/sessions/",
        "sessions:detail": "/sessions/{session}/",
        "applications:list": "/applications/",
        "applications:new": "/apply/build/",
        "applications:edit": "/applications/{draft}/edit/1/",
        "last page of the wizard": "/applications/{draft}/edit/3/",
        "applications:files": "/applications/{draft}/files/",
        "applications:screening": "/applications/{draft}/screening/",
        "applications:check": "/applications/{draft}/check/",
        "awards:calendar": "/calendar/",
        "reports:list": "/reports/",
        "a dataset with terms": "/datasets/handwritten-digits/",
        "datasets:offer": "/datasets/offer/",
        "datasets:manage": "/datasets/roofs/manage/",
        "datasets:edit": "/datasets/roofs/edit/",
    },
    "rival": {
        "applications:detail": "/applications/{decided}/",
        "applications:history": "/applications/{decided}/history/",
        "awards:letter": "/applications/{rejected}/decision/",
        "reports:detail": "/reports/*",
        "awards:wish": "/allocations/{allocation}/ask/extension/",
    },
    "officer": {
        "home of an officer": "/",
        "awards:queue": "/queue/",
        "awards:panel": "/queue/panel/build/",
        "awards:appeal": "/appeals/{appeal}/",
        "an application to decide": "/applications/{judged}/",
        "organisations:detail": "/enterprise/{firm}/",
        "allocations:all": "/allocations/all/",
        "calls:staff": "/calls/edit/",
        "calls:begin": "/calls/new/",
        "calls:edit": "/calls/build/edit/",
        "calls:item": "/calls/build/edit/part/form/0/",
        "calls:part": "/calls/build/edit/part/about/",
        "calls:preview": "/calls/build/edit/preview/",
        "awards:dry_run": "/calls/build/edit/dry-run/",
    },
    "reviewer-a": {
        "home of a reviewer": "/",
        "reviews:list": "/reviews/",
        "reviews:profile": "/reviews/profile/",
        "reviews:detail": "/reviews/{writing}/",
        "a review before the declaration": "/reviews/{asked}/",
    },
    "steward": {
        "home of a steward": "/",
        "datasets:queue": "/dataset-requests/",
        "datasets:decide": "/dataset-requests/{request}/",
        "datasets:review": "/datasets/roofs/versions/1/",
    },
    "operator": {
        "home of an operator": "/",
        "sessions:outages": "/outages/",
        "sessions:outage": "/outages/1/",
        "people": "/people/",
        "people_one": "/people/*",
    },
}
# Named addresses that answer GET and are no page of their own.
NO_PAGES = {
    "for programs": {
        "health_live",
        "health_ready",
        "sessions:data_datasets",
        "sessions:data_dataset",
        "sessions:data_session",
        "sessions:site_spec",
        "storage:credentials",
        "datasets:upload_look",
    },
    "a file": {
        "allocations:statement_file",
        "applications:file",
        "awards:awards_csv",
        "awards:awards_json",
        "awards:calendar_feed",
        "awards:calls_json",
        "awards:dry_run_file",
        "awards:figures_json",
        "awards:letter_pdf",
        "awards:subsidy_pdf",
        "datasets:catalogue",
        "datasets:croissant",
        "datasets:dcat",
        "datasets:download",
        "datasets:sitemap",
        "mfa_download_recovery_codes",
        "storage:content",
        "storage:everything",
        "storage:list",
    },
    "a part of a page that is visited": {"sessions:live", "sessions:quote", "datasets:upload_live"},
    "sends on to a document": {"datasets:agreement"},
    "needs a batch scheduler, which this demo has not": {"batch:detail"},
    "allauth's, drawn by the form template of the pages visited; needs a second step that the demo leaves out": {
        "account_confirm_login_code",
        "mfa_authenticate",
        "mfa_deactivate_totp",
        "mfa_generate_recovery_codes",
        "mfa_reauthenticate",
        "mfa_view_recovery_codes",
        "account_set_password",
    },
}


def test_every_kind_of_page_is_visited_or_has_a_reason() -> None:
    there = {route.name for route in pages() if "GET" in route.methods and not route.name.startswith("idp:")}
    looked_at = {name for visits in VISITS.values() for name in visits}
    excused = set().union(*NO_PAGES.values())
    forgotten, gone = sorted(there - looked_at - excused), sorted(excused - there)
    assert not forgotten, f"look at these pages, or say why not: {forgotten}"
    assert not gone, f"no longer there: {gone}"
    assert not looked_at & excused


@pytest.fixture(scope="module")
def facts(up: Up) -> Iterator[dict[str, Any]]:
    """The demo in situations that show every page full: applications at each stage, a call with files, a dataset on its way."""
    story = Story(up)
    assert up.manage("shell", "-c", CALL_WITH_FILES_AND_AN_OUTAGE).returncode == 0
    drafted = {"call": "papers", "organisation": story.firm("founder"), "title": "Cold chain", "answers": ANSWERS}
    draft = up.api("founder", "POST", "/applications", json=drafted).json()["id"]
    writing, asked = story.asked(title="Being judged"), story.asked(title="To be declared")
    review = story.review("reviewer-a", writing)
    assert up.api("reviewer-a", "POST", f"/reviews/{review}/conflict", json={"has_conflict": False}).is_success
    rejected = story.decided(outcome="reject", title="Not this time")
    appealed = story.decided(outcome="reject", title="Once more")
    assert up.api("rival", "POST", f"/applications/{appealed}/appeal", json={"text": "It was misread."}).is_success
    firm = story.firm("founder")
    invited = up.api("founder", "POST", f"/organisations/{firm}/invitations", json={"email": "a@b.example", "role": "member"})
    session = up.launch_only("founder")["id"]
    wanted = {"allocation": up.allocation("founder")["id"], "purpose": "To read digits.", "terms": 1}
    controlled = up.api("founder", "POST", f"/datasets/{controlled_dataset(up)}/requests", json=wanted)
    assert controlled.is_success, controlled.text
    dataset_handed_in(up, firm)
    decided = story.decided(title="Granted")
    yield {
        "firm": firm,
        "draft": draft,
        "writing": review,
        "asked": story.review("reviewer-a", asked),
        "judged": story.judged(title="To be decided"),
        "decided": decided,
        "allocation": up.api("rival", "GET", f"/applications/{decided}").json()["allocation"],
        "rejected": rejected,
        "appeal": 1,
        "join": invited.json()["url"].removeprefix(up.portal),
        "session": session,
        "request": controlled.json()["id"],
    }
    up.api("founder", "POST", f"/sessions/{session}/stop")


CALL_WITH_FILES_AND_AN_OUTAGE = """
import json
from datetime import timedelta
from django.utils import timezone
from allocations.catalogue.models import Site
from notebooks_svc.sessions.outages import outage_tell
from portal.accounts.models import User
from allocations.calls.models import Call
from allocations.calls.seeds import DEMO
from allocations.calls.services import call_create
document = json.loads((DEMO / "build.json").read_text()) | {"title": "Papers", "ai_screening": True}
document["attachments"] = [{"key": "plan", "label": "Your plan", "kinds": ["pdf", "text"]}]
Call.objects.filter(slug="papers") or call_create(
    slug="papers", document=document, by=None, at=timezone.now(), published=True)
now = timezone.now()
outage_tell(
    site=Site.objects.first(), begin=now - timedelta(hours=2), end=now - timedelta(hours=1), reason="cooling failed",
    by=User.objects.get(email="operator@commons.example"), at=now)
"""


def controlled_dataset(up: Up) -> str:
    """A dataset whose steward decides."""
    return up.api("founder", "GET", "/datasets?access_class=controlled").json()["items"][0]["slug"]


def dataset_handed_in(up: Up, firm: int) -> None:
    """A version of the founder's that waits for its review."""
    said = {
        "organisation": firm,
        "slug": "roofs",
        "title": "Roofs",
        "summary": "Yield of roofs.",
        "access_class": "open",
        "commercial_use": True,
        "licence": "CC-BY-4.0",
        "domain": "Energy",
    }
    body = b"roof,kwh\n1,2\n"
    assert up.api("founder", "POST", "/datasets", json=said).is_success
    assert up.api("founder", "POST", "/datasets/roofs/versions", json={"version": "1"}).is_success
    file = {"version": "1", "path": "yield.csv", "size_bytes": len(body)}
    upload = up.api("founder", "POST", "/datasets/roofs/uploads", json=file).json()
    assert httpx.put(upload["parts"][0]["url"], content=body).is_success
    assert up.api("founder", "POST", f"/dataset-uploads/{upload['id']}/complete").is_success
    for _ in range(120):
        if up.api("founder", "GET", f"/dataset-uploads/{upload['id']}").json()["state"] == "stored":
            break
        time.sleep(0.25)
    handed = up.api("founder", "POST", "/datasets/roofs/versions/1/submit", json={"people": "no"})
    assert handed.is_success, handed.text


@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", list(VISITS), ids=lambda who: who or "stranger")
def test_no_page_breaks_a_rule(up: Up, facts: dict[str, Any], browser: Browser, who: str) -> None:
    person = Person(browser, up.portal)
    if who:
        person.sign_in(f"{who}@commons.example", up.password)
    broken = [found for path in VISITS[who].values() for found in broken_rules(person, path.format(**facts))]
    # A browser says of every page that is refused or not there that it was not loaded.
    complaints = [said for said in person.complaints if "Failed to load resource" not in said]
    person.context.close()
    assert not broken, "\n".join(broken)
    assert not complaints, complaints


def broken_rules(person: Person, path: str) -> list[str]:
    """What axe finds on a page at both sizes, and how much wider than a phone it is."""
    page, found = person.page, []
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    person.go(path.removesuffix("*"))
    if path.endswith("*"):
        page.locator("main h2 a, main td a, main li a").first.click()
        page.wait_for_load_state()
    for size in (DESK, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        said = Axe().run(page, options=RULES).response["violations"]
        found += [
            f"{path} at {size['width']} px: {rule['id']} ({rule['impact']}): {rule['help']}: {rule['nodes'][0]['html'][:160]}"
            for rule in said
        ]
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if width > 0:
        found.append(f"{path}: wider than the phone by {width} px")
    return found
