"""The whole path from sign-up to award, through the pages and through the HTTP API; and who may open which page."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from allocations.applications.models import Application
from allocations.awards import automatic
from allocations.ledger.selectors import balance
from allocations.ledger.verify import verify
from portal.accounts.models import User
from portal.api.tokens import token_create
from portal.audit.models import Letter
from portal.core.quantities import MICRO
from tests.support.programme import ANSWERS, Programme

pytestmark = pytest.mark.django_db(databases="__all__")  # web sessions have a database of their own


def browser(user: User | None = None) -> Client:
    """A browser, signed in or not."""
    client = Client(headers={"host": settings.PORTAL_HOST})
    if user is not None:
        client.force_login(user)
    return client


class Caller:
    """A program with somebody's token."""

    def __init__(self, user: User, programme: Programme) -> None:
        self.token = token_create(user=user, name="test", at=programme.now)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = Client(headers={"host": settings.PORTAL_HOST}).generic(
            method,
            f"/api/v1{path}",
            json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}", **headers},
        )
        return answer.status_code, json.loads(answer.content) if answer.content else None


def test_from_sign_up_to_award_through_the_pages(programme: Programme) -> None:
    # A new person signs up, verifies the address, enters an enterprise and is told what it qualifies for.
    client = browser()
    client.post("/accounts/signup/", {"email": "new@example.org", "password1": "long-enough-4-all", "full_name": "Neema"})
    letter = Letter.objects.filter(to="new@example.org").first()
    if letter is None:  # allauth mails at once
        from django.core import mail

        body = mail.outbox[-1].body
    else:
        body = letter.body
    link = re.search(r"/accounts/confirm-email/[^/\s]+/", str(body))
    assert link, body
    client.post(link.group())
    answer = client.post(
        "/enterprise/new/",
        {"name": "Neema Ltd", "country": "KE", "registry_id": "X-1", "headcount": 3, "turnover_eur": 1000},
        follow=True,
    )
    assert "You qualify" in answer.content.decode()

    # The wizard: what is wrong is said and kept; then it is sent, once.
    answer = client.get("/apply/build/")
    firm = answer.context["answers"][0][0]
    answer = client.post("/apply/build/", {"organisation": firm.pk}, follow=True)
    row = Application.objects.get(organisation=firm)
    page = f"/applications/{row.code}"
    wrong = client.post(f"{page}/edit/1/", {"version": "0", "title": "Maize", "problem": "word " * 201})
    assert wrong.status_code == 422
    assert "At most 200 words" in wrong.content.decode()
    row.refresh_from_db()
    assert row.answers["title"] == "Maize"
    assert row.answers["problem"].startswith("word word")
    given = {key: {True: "yes", False: "no"}.get(value, value) for key, value in ANSWERS["build"].items()}
    assert client.post(f"{page}/edit/1/", {"version": row.revision, "title": "Maize", **given}).url.endswith("/edit/2/")
    row.refresh_from_db()
    assert client.post(f"{page}/edit/2/", {"version": row.revision, **given}).url.endswith("/edit/3/")
    row.refresh_from_db()
    asked = {"ask-credits": "500", "ask-months": "6", "ask-resources": ["cpu"]}
    saved = client.post(f"{page}/edit/3/save/", {"version": row.revision, **asked})
    assert (saved.status_code, saved["Content-Type"]) == (200, "text/plain")
    row.refresh_from_db()
    assert saved["X-Version"] == str(row.revision)
    assert "looked at before you can send" not in client.get(f"{page}/check/").content.decode()
    for _ in range(2):
        assert client.post(f"{page}/submit/").url == f"{page}/"
    row.refresh_from_db()
    assert (row.state, row.snapshots.count(), row.requested_credits) == ("submitted", 1, 500 * MICRO)
    assert "an officer" in client.get(f"{page}/").content.decode()

    # The officer asks two reviewers; each declares, scores with reasons, and sees the other only when both are in.
    officer = browser(programme.officer)
    assert "Maize" in officer.get("/queue/").content.decode()
    officer.post(f"{page}/assign/", {"reviewers": [str(reviewer.pk) for reviewer in programme.reviewers]})
    assert len(row.reviews.all()) == 2
    for number, review in enumerate(row.reviews.order_by("pk")):
        reviewer = browser(review.reviewer)
        at = f"/reviews/{review.pk}/"
        assert "Fish rot" not in reviewer.get(at).content.decode()
        assert reviewer.get(f"{page}/").status_code == 404
        reviewer.post(f"{at}declare/", {"has_conflict": "no"})
        assert "Fish rot" in reviewer.get(at).content.decode()
        scores = {f"score-{key}": "4" for key in ("value", "plan", "fit")}
        reasons = {f"reason-{key}": f"secret {number}" for key in ("value", "plan", "fit")}
        missing = reviewer.post(f"{at}submit/", {**scores, **reasons, "reason-fit": ""})
        assert missing.status_code == 422
        draft = reviewer.post(f"{at}save/", {**scores, **reasons, "version": "0"})
        assert draft["X-Version"] == "1"
        for _ in range(2):
            reviewer.post(f"{at}submit/", {**scores, **reasons, "recommended": "400"})
        assert ("secret 0" in reviewer.get(at).content.decode()) is True if number == 0 else True
    first = row.reviews.order_by("pk")[0]
    assert "secret 1" in browser(first.reviewer).get(f"/reviews/{first.pk}/").content.decode()

    # The officer awards less than was asked for, with a reason; pressing twice is once.
    deciding = {"outcome": "award", "credits": "350", "months": "6", "resources": ["cpu"], "reason": "The plan needs less."}
    for _ in range(2):
        assert officer.post(f"{page}/decide/", deciding).url == f"{page}/decision/"
    row.refresh_from_db()
    assert programme.left() == 650
    assert row.allocation is not None
    assert balance(code=row.allocation.account).available == 350 * MICRO

    # The applicant reads the letter with both reviews, without names, and opens the allocation.
    said = client.get(f"{page}/decision/").content.decode()
    for words in ("350", "The plan needs less.", "secret 0", "secret 1", "Reviewer 2"):
        assert words in said
    assert str(programme.reviewers[0]) not in said
    assert client.get(f"/allocations/{row.allocation.code}/").status_code == 200
    verify(chain=True)


def test_the_same_path_through_the_api(programme: Programme) -> None:
    founder, officer = Caller(programme.founder, programme), Caller(programme.officer, programme)
    status, listed = founder("GET", "/calls")
    assert (status, {call["slug"]: call["open"] for call in listed["items"]}) == (200, {"build": True, "starter": True})
    _, call = founder("GET", "/calls/build")
    assert set(call["form"]["required"]) == {"title", *ANSWERS["build"]}
    _, told = founder("POST", "/calls/build/eligibility", {"organisation": programme.firm.pk})
    assert told["eligible"] is True
    assert told["reasons"]

    body = {"call": "build", "organisation": programme.firm.pk, "answers": {"title": "Maize", **ANSWERS["build"]}}
    status, row = founder("POST", "/applications", body)
    assert (status, row["state"], row["allocation"]) == (201, "draft", None)
    status, wrong = founder("POST", f"/applications/{row['id']}/submit")
    assert (status, wrong["code"], set(wrong["problems"])) == (
        422,
        "incomplete",
        {"ask-credits", "ask-months", "ask-resources"},
    )
    asked = {"credits": "500", "months": 6, "resources": ["cpu"], "datasets": []}
    status, row = founder("PATCH", f"/applications/{row['id']}", {"requested": asked, "revision": row["revision"]})
    assert (status, row["requested"]["credits"]) == (200, "500")
    at = f"/applications/{row['id']}"
    assert officer("GET", at)[0] == 404  # a draft is nobody's but the enterprise's
    status, row = founder("POST", f"{at}/submit")
    assert (status, row["state"], row["turn"], row["promised_on"]) == (200, "submitted", "officer", "2026-03-16")
    assert founder("POST", f"{at}/submit")[1]["code"] == "move_not_allowed"

    assert founder("POST", f"{at}/return", {"message": "x"})[0] == 403
    status, row = officer("POST", f"{at}/return", {"message": "Which users?"})
    assert (row["state"], row["returned_message"], row["promised_on"]) == ("returned", "Which users?", None)
    founder("PATCH", at, {"answers": {"problem": "Farmers' maize rots."}})
    founder("POST", f"{at}/submit")

    assert founder("POST", f"{at}/assign", {"reviewers": [programme.reviewers[0].email]})[0] == 403
    assert officer("POST", f"{at}/assign", {"reviewers": ["nobody@example.org"]})[0] == 422
    status, row = officer("POST", f"{at}/assign", {"reviewers": [r.email for r in programme.reviewers]})
    assert (status, row["state"], len(row["reviews"])) == (200, "in_review", 2)
    for number, person in enumerate(programme.reviewers):
        reviewer = Caller(person, programme)
        (listed,) = reviewer("GET", "/reviews")[1]["items"]
        mine = f"/reviews/{listed['id']}"
        assert "answers" not in reviewer("GET", mine)[1]["application"]
        assert reviewer("GET", at)[0] == 404
        assert officer("POST", f"{mine}/submit", {"scores": []})[0] == 404
        reviewer("POST", f"{mine}/conflict", {"has_conflict": False})
        _, whole = reviewer("GET", mine)
        assert whole["application"]["answers"]["problem"] == "Farmers' maize rots."
        scores = [{"criterion": c["key"], "score": 4, "reason": "Sound."} for c in whole["criteria"]]
        assert reviewer("POST", f"{mine}/submit", {"scores": scores[:1]})[0] == 422
        status, whole = reviewer("POST", f"{mine}/submit", {"scores": scores, "recommended": {"credits": "400"}})
        assert (status, whole["state"]) == (200, "submitted")
        assert (whole["others"] is None) is (number == 0)

    decision = {"outcome": "award", "credits": "350", "months": 6, "resources": ["cpu"], "reason": "The plan needs less."}
    assert founder("POST", f"{at}/decide", decision)[0] == 403
    assert officer("POST", f"{at}/decide", {**decision, "credits": "501"})[0] == 422
    keyed = {"Idempotency-Key": "award-1"}
    status, row = officer("POST", f"{at}/decide", decision, **keyed)
    assert (status, row["outcome"], row["decision"]["credits"]) == (200, "awarded", "350")
    assert officer("POST", f"{at}/decide", decision, **keyed)[1] == row
    assert officer("POST", f"{at}/decide", decision)[0] == 409
    assert programme.left() == 650
    _, allocation = founder("GET", f"/allocations/{row['allocation']}")
    assert (allocation["granted"], allocation["available"]) == ("350", "350")
    assert founder("POST", f"{at}/appeal", {"text": "More, please."})[1]["appeal"]["state"] == "open"


def test_the_api_takes_a_starter_to_an_award_by_rule(programme: Programme) -> None:
    founder = Caller(programme.founder, programme)
    body = {
        "call": "starter",
        "organisation": programme.firm.pk,
        "title": "Try",
        "answers": ANSWERS["starter"],
        "requested": {"credits": "20", "months": 1, "resources": ["cpu"]},
    }
    _, row = founder("POST", "/applications", body)
    founder("POST", f"/applications/{row['id']}/submit")
    automatic.decide_due(at=programme.now)
    _, row = founder("GET", f"/applications/{row['id']}")
    assert (row["outcome"], row["decision"]["automatic"], bool(row["decision"]["rule"])) == ("awarded", True, True)
    said = browser(programme.founder).get(f"/applications/{row['id']}/decision/").content.decode()
    assert "not by a person" in said
    assert "Let a person look" in said


def test_the_api_says_what_is_wrong(programme: Programme) -> None:
    founder = Caller(programme.founder, programme)
    body: dict[str, Any] = {"call": "build", "organisation": programme.firm.pk}
    for changes, field in (
        ({"answers": {"nonsense": 1}}, "nonsense"),
        ({"answers": {"stage": "ripe"}}, "stage"),
        ({"answers": {"civil_use": "perhaps"}}, "civil_use"),
        ({"requested": {"credits": "1001"}}, "requested.credits"),
        ({"requested": {"months": 5}}, "requested.months"),
        ({"requested": {"resources": ["moon"]}}, "requested.resources"),
        ({"requested": {"datasets": ["none-such"]}}, "requested.datasets"),
    ):
        status, wrong = founder("POST", "/applications", {**body, **changes})
        assert (status, wrong["field"]) == (422, field)
    assert founder("POST", "/applications", {**body, "call": "none"})[0] == 404
    assert founder("POST", "/applications", {**body, "organisation": programme.rivals_firm.pk})[0] == 404
    assert not Application.objects.exists()


def test_a_co_applicant_is_refused_rather_than_overwriting(programme: Programme) -> None:
    row = programme.draft()
    founder = Caller(programme.founder, programme)
    before = row.revision
    assert founder("PATCH", f"/applications/{row.code}", {"answers": {"plan": "One"}, "revision": before})[0] == 200
    status, refused = founder("PATCH", f"/applications/{row.code}", {"answers": {"plan": "Two"}, "revision": before})
    assert (status, refused["code"], refused["conflicts"]) == (409, "changed_meanwhile", {"plan": "One"})
    page = browser(programme.founder).post(f"/applications/{row.code}/edit/1/", {"version": before, "plan": "Two"})
    assert page.status_code in (409, 422)
    assert "One" in page.content.decode()
    assert "Two" in page.content.decode()


# --- who may open what ----------------------------------------------------------------------------------------------------
WHO = ("nobody", "founder", "colleague", "rival", "officer", "reviewer", "operator", "steward")
SIGN_IN = 302
# Page of the founder's application in review → status by person, in the order of WHO. `reviewer` has declared no conflict.
PAGES: dict[str, tuple[int, ...]] = {
    "/calls/": (200,) * 8,
    "/calls/build/": (200,) * 8,
    "/calls/check/": (200,) * 8,
    "/apply/build/": (SIGN_IN, 200, 200, 200, 200, 200, 200, 200),
    "/applications/": (SIGN_IN, 200, 200, 200, 200, 200, 200, 200),
    "/applications/{code}/": (SIGN_IN, 200, 200, 404, 200, 200, 404, 404),
    "/applications/{code}/edit/1/": (SIGN_IN, 409, 403, 404, 404, 404, 404, 404),
    "/applications/{code}/check/": (SIGN_IN, 409, 403, 404, 404, 404, 404, 404),
    "/applications/{code}/decision/": (SIGN_IN, 404, 404, 404, 404, 404, 404, 404),
    "/queue/": (SIGN_IN, 403, 403, 403, 200, 403, 403, 403),
    "/reviews/": (SIGN_IN, 403, 403, 403, 403, 200, 403, 403),
    "/reviews/{review}/": (SIGN_IN, 404, 404, 404, 404, 200, 404, 404),
}
POSTS: dict[str, tuple[int, ...]] = {
    "/applications/{code}/return/": (SIGN_IN, 403, 403, 404, 422, 403, 404, 404),
    "/applications/{code}/assign/": (SIGN_IN, 403, 403, 404, 302, 403, 404, 404),
    "/applications/{code}/decide/": (SIGN_IN, 403, 403, 404, 422, 403, 404, 404),
    "/applications/{code}/appeal/": (SIGN_IN, 422, 403, 404, 404, 404, 404, 404),
    "/applications/{code}/renew/": (SIGN_IN, 409, 403, 404, 404, 404, 404, 404),
    "/reviews/{review}/release/": (SIGN_IN, 404, 404, 404, 302, 403, 404, 404),
    "/reviews/{review}/reopen/": (SIGN_IN, 404, 404, 404, 422, 403, 404, 404),
}


def people(programme: Programme) -> dict[str, User | None]:
    """One of each."""
    p = programme
    return dict(
        zip(WHO, (None, p.founder, p.colleague, p.rival, p.officer, p.reviewers[0], p.operator, p.steward), strict=True)
    )


@pytest.fixture
def under_review(programme: Programme) -> dict[str, Any]:
    """An application in review whose first reviewer has declared no conflict."""
    from allocations.reviews import services as reviews

    row, (mine, _) = programme.in_review()
    reviews.conflict_declare(review=mine, has_conflict=False, by=mine.reviewer, at=programme.now)
    return {"code": row.code, "review": mine.pk}


def test_each_page_opens_to_those_it_is_for(programme: Programme, under_review: dict[str, Any]) -> None:
    found = {
        path: tuple(browser(user).get(path.format(**under_review)).status_code for user in people(programme).values())
        for path in PAGES
    }
    assert found == PAGES


@pytest.mark.parametrize("path", POSTS)
def test_each_button_works_for_those_it_is_for(programme: Programme, under_review: dict[str, Any], path: str) -> None:
    found = tuple(browser(user).post(path.format(**under_review)).status_code for user in people(programme).values())
    assert found == POSTS[path]


def test_an_officer_of_the_applicants_own_enterprise_may_not_act(programme: Programme) -> None:
    from portal.organisations.models import OrgRole
    from tests.support import portal

    row = programme.sent()
    portal.member(programme.firm, programme.officer, OrgRole.MANAGER, at=programme.now)
    officer = browser(programme.officer)
    assert row.title not in officer.get("/queue/").content.decode()
    for path in ("return", "assign", "decide"):
        assert officer.post(
            f"/applications/{row.code}/{path}/", {"message": "x", "outcome": "reject", "reason": "x"}
        ).status_code in (403, 422)
    row.refresh_from_db()
    assert row.state == "submitted"
