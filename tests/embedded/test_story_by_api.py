"""
The main story once more through the HTTP API, as a program would that knows nothing but the documented names: from an
enterprise to an award, a notebook with data and a Dask cluster, and exact books.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from portal.core.quantities import MICRO, charge
from tests.support.kernel import run_in_kernel
from tests.support.up import Up


def ok(answer: Any, status: int = 200) -> Any:
    """The body of an answer that must have that status."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json()


def every(up: Up, who: str, path: str) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        separator = "&" if "?" in path else "?"
        page = ok(up.api(who, "GET", f"{path}{separator}limit=2&cursor={cursor}"))
        assert set(page) >= {"items", "next"}
        items += page["items"]
        cursor = page["next"]
    return items


def filled(schema: dict[str, Any]) -> dict[str, Any]:
    """Answers that a JSON Schema accepts, made from nothing but the schema."""
    answers = {}
    for name, part in schema["properties"].items():
        if "enum" in part:
            answers[name] = part["enum"][0]
        elif "oneOf" in part:
            answers[name] = part["oneOf"][0]["const"]
        elif part.get("type") == "boolean":
            answers[name] = True
        elif part.get("type") in ("number", "integer"):
            answers[name] = part.get("minimum", 1)
        elif part.get("type") == "array":
            item = part["items"]
            answers[name] = [item["enum"][0] if "enum" in item else item["oneOf"][0]["const"]]
        else:
            words = "We forecast the load of village mini-grids from public weather data. " * 20
            answers[name] = words[: min(part.get("maxLength", 300), 300)]
    return answers


def awarded(up: Up, *, asked: int, given: int, dataset: str) -> dict[str, Any]:
    """From an application of the founder to an award by the officer, and what everybody sees on the way."""
    organisation = every(up, "founder", "/organisations")[0]
    told = ok(up.api("founder", "POST", "/calls/build/eligibility", json={"organisation": organisation["id"]}))
    assert told["eligible"] is True
    assert told["reasons"]
    call = ok(up.api("founder", "GET", "/calls/build"))
    assert call["open"] is True
    wish = {"credits": str(asked), "months": 6, "resources": ["commons-cpu"], "datasets": [dataset]}
    body = {"call": "build", "organisation": organisation["id"], "answers": filled(call["form"]), "requested": wish}
    once = {"Idempotency-Key": "apply-once"}
    row = ok(up.api("founder", "POST", "/applications", json=body, headers=once), 201)
    assert ok(up.api("founder", "POST", "/applications", json=body, headers=once), 201)["id"] == row["id"]
    id = row["id"]
    assert up.api("rival", "GET", f"/applications/{id}").status_code == 404

    row = ok(up.api("founder", "POST", f"/applications/{id}/submit"))
    assert row["state"] == "submitted"
    assert row["promised_on"]
    assert up.api("founder", "POST", f"/applications/{id}/decide", json={"outcome": "award"}).status_code in (403, 422)
    reviewers = [f"reviewer-{letter}@commons.example" for letter in "ab"]
    assert ok(up.api("officer", "POST", f"/applications/{id}/assign", json={"reviewers": reviewers}))["state"] == "in_review"

    decision = {
        "outcome": "award",
        "credits": str(given),
        "months": 6,
        "resources": ["commons-cpu"],
        "datasets": [dataset],
        "reason": "A sound plan; the first months need less.",
    }
    for number, name in enumerate(("reviewer-a", "reviewer-b")):
        review(up, name, id, last=number == 1)
    row = ok(up.api("officer", "POST", f"/applications/{id}/decide", json=decision))
    assert (row["state"], row["outcome"]) == ("decided", "awarded")
    again = up.api("officer", "POST", f"/applications/{id}/decide", json=decision)
    assert again.status_code == 409, "the second press of Award changes nothing"
    return ok(up.api("founder", "GET", f"/allocations/{row['allocation']}"))


def review(up: Up, name: str, application: str, *, last: bool) -> None:
    """One reviewer's work; the other's is seen only when both are in."""
    mine = next(r for r in every(up, name, "/reviews") if str(application) in (r["application"], str(r["application"])))
    refused = up.api(name, "POST", f"/reviews/{mine['id']}/submit", json={"scores": [], "recommended": {"credits": "1"}})
    assert refused.status_code in (409, 422), "no scores before the conflict was answered"
    nothing = {"has_conflict": False, "kind": "", "note": ""}
    ok(up.api(name, "POST", f"/reviews/{mine['id']}/conflict", json=nothing))
    whole = ok(up.api(name, "GET", f"/reviews/{mine['id']}"))
    assert whole["others"] is None
    scores = [{"criterion": c["key"], "score": 4, "reason": "Clear and feasible."} for c in whole["criteria"]]
    scored = {"scores": scores, "recommended": {"credits": "90"}}
    ok(up.api(name, "POST", f"/reviews/{mine['id']}/submit", json=scored))
    others = ok(up.api(name, "GET", f"/reviews/{mine['id']}"))["others"]
    assert (others is not None) is last


def pool(up: Up) -> int:
    """Micro-credits left in the pool of the call."""
    code = "from allocations.ledger.selectors import balance; print(balance(code='pool:build').available)"
    return int(up.manage("shell", "-v0", "-c", code).stdout.split()[-1])


def test_from_an_enterprise_to_exact_books(up: Up) -> None:
    controlled = next(d["slug"] for d in every(up, "founder", "/datasets") if d["access_class"] == "controlled")
    before = pool(up)
    allocation = awarded(up, asked=100, given=80, dataset=controlled)
    assert pool(up) == before - 80 * MICRO
    assert (allocation["granted"], allocation["available"], allocation["held"], allocation["spent"]) == ("80", "80", "0", "0")
    assert allocation["rates"][0]["resource"] == "commons-cpu"
    assert {"unit", "starts_on", "ends_on"} <= set(allocation)

    wish = next(r for r in every(up, "steward", "/dataset-requests") if r["allocation"] == allocation["id"])
    granted = ok(
        up.api(
            "steward",
            "POST",
            f"/dataset-requests/{wish['id']}/decide",
            json={"outcome": "grant", "reason": "Fits.", "until": None},
        )
    )
    assert granted["state"] == "granted"

    ask = {"allocation": allocation["id"], "resource": "commons-cpu", "profile": "small", "minutes": 60}
    offer = ok(up.api("colleague", "POST", "/quotes", json=ask))
    assert (offer["credits_max"], offer["left"]) == ("6", "74")
    session = ok(up.api("colleague", "POST", "/sessions", json={**ask, "datasets": [controlled]}), 201)
    assert session["hold"] == "6"
    session = up.wait_session(session["id"], "ready")
    url, token = up.notebook_token(session["id"])
    name = ok(up.api("colleague", "GET", f"/datasets/{controlled}/files"))["items"][0]["name"]
    reader = "parquet" if name.endswith(".parquet") else "csv"
    read = run_in_kernel(
        url, token, f"import pandas as pd\nprint(len(pd.read_{reader}('commons://{controlled}/{name}')))", timeout_s=120
    )
    assert int(read.stdout) > 0, read.traceback
    cluster = run_in_kernel(
        url,
        token,
        "from dask_gateway import Gateway\ncluster = Gateway().new_cluster()\ncluster.scale(2)\nclient = cluster.get_client()\n"
        "client.wait_for_workers(2)\nprint(client.submit(sum, range(100)).result())",
        timeout_s=120,
    )
    assert cluster.stdout.strip() == "4950", cluster.traceback
    assert ok(up.api("colleague", "GET", f"/sessions/{session['id']}"))["state"] == "ready"
    ok(up.api("colleague", "POST", f"/sessions/{session['id']}/stop"))
    up.wait_session(session["id"], "ended")
    books_are_exact(up, allocation["id"], session["id"])


def books_are_exact(up: Up, allocation: str, session: str) -> None:
    """Hold, charge and return of session and cluster, each with its formula; nothing held any more."""
    end = time.monotonic() + 60
    while ok(up.api("colleague", "GET", f"/allocations/{allocation}"))["held"] != "0" and time.monotonic() < end:
        time.sleep(0.5)
    after = ok(up.api("colleague", "GET", f"/allocations/{allocation}"))
    lines = every(up, "colleague", f"/allocations/{allocation}/statement")
    posts = [line for line in lines if line["kind"] == "post"]
    assert {line["subject"].split(":")[0] for line in posts} == {"session", "cluster"}
    assert all(line["formula"] for line in lines if line["kind"] in ("hold", "post"))
    spent = sum(Decimal(line["amount"]) for line in posts)
    assert Decimal(after["spent"]) == spent > 0
    assert Decimal(after["available"]) == Decimal(after["granted"]) - spent
    mine = next(line for line in posts if line["subject"] == f"session:{session}")
    seconds = int(mine["seconds"])
    assert Decimal(mine["amount"]) == Decimal(charge(rate_per_hour=6 * MICRO, unit_seconds=seconds)) / MICRO
    usage = every(up, "founder", f"/usage?allocation={allocation}")
    assert sum(Decimal(record["charge"]) for record in usage) == spent
    up.verify()
