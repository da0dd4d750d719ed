"""Changed rules held against everything that was sent: facts of the day, scores, pools; nothing is written."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from allocations.applications.models import Application, Snapshot
from allocations.applications.selectors import eligibility_of
from allocations.awards import automatic, dryrun
from allocations.awards.dryrun import dry_run, pools_at_start
from allocations.calls import editing
from allocations.calls import services as calls
from allocations.calls.document import CallDocument
from allocations.calls.models import Call, CallDraft, CallVersion
from portal.accounts.models import User
from portal.core.quantities import MICRO
from portal.organisations.facts import subsidy_add
from tests.support.programme import Programme, document

pytestmark = pytest.mark.django_db(databases="__all__")


def browser(user: User) -> Client:
    client = Client(headers={"host": settings.PORTAL_HOST})
    client.force_login(user)
    return client


def rules(slug: str, **changes: Any) -> CallDocument:
    return CallDocument.model_validate(document(slug, **changes))


def copies(row: Application, number: int) -> None:
    """The same application sent so many times more, by the same firm."""
    made = [
        Application(
            code=f"P-X{place}", call=row.call, version=row.version, organisation=row.organisation, state="in_review",
            title="Copy", created_by=row.created_by, created_at=row.created_at, changed_at=row.changed_at,
            submitted_at=row.created_at + timedelta(seconds=place // 3),
        )
        for place in range(number)
    ]  # fmt: skip
    Application.objects.bulk_create(made)
    content = row.snapshots.get().content  # type: ignore[attr-defined]
    Snapshot.objects.bulk_create(Snapshot(application=one, number=1, content=content, at=row.created_at) for one in made)


def test_a_dry_run_names_those_who_would_be_decided_differently_and_writes_nothing(programme: Programme) -> None:
    small = programme.sent("starter", credits=10)
    large = programme.sent("starter", by=programme.rival, credits=40)
    client = browser(programme.officer)
    unchanged = client.get("/calls/starter/edit/dry-run/").content.decode()
    assert "Nobody: every application would go the same way." in unchanged
    draft = editing.draft_of(call=programme.starter, by=programme.officer, at=programme.now)
    changes = {"automatic": {**draft.document["automatic"], "credits_max": "20"}}
    country = {"kind": "country", "any_of": ["DK"], "why": "Only there."}
    changes["eligibility"] = [*draft.document["eligibility"], country]
    CallDraft.objects.filter(pk=draft.pk).update(document={**draft.document, **changes})
    # What is known of the enterprise today does not matter: the facts were kept when it was sent.
    programme.firm.country = "DK"
    programme.firm.save()
    before = CallVersion.objects.count()
    page = client.get("/calls/starter/edit/dry-run/").content.decode()
    assert "2 of 2" in page
    assert small.code in page
    assert "could not be sent" in page
    assert large.code in page
    assert "decided by people" in page
    assert (CallVersion.objects.count(), Call.objects.get(slug="starter").current) == (before, programme.starter.current)


def test_thresholds_are_held_against_what_reviewers_scored(programme: Programme) -> None:
    good, weak, unread = programme.judged(score=4), programme.judged(by=programme.rival, score=2), programme.sent()
    found = {
        row.application.code: row
        for row in dry_run(
            call=programme.build, rules=rules("build", review={**document("build")["review"], "percent_min": 60})
        )
    }
    assert [found[row.code].differs for row in (good, weak, unread)] == [False, True, False]
    after = found[weak.code].after
    assert (found[weak.code].before.outcome, after.outcome) == ("people", "below")
    assert "the reviews come to 40 of 100; this call is for at least 60 of 100".casefold() in after.reasons[0].casefold()


def test_where_a_rule_decides_the_pool_is_drawn_on_in_the_order_of_sending(programme: Programme) -> None:
    for number in range(3):
        programme.sent("starter", by=(programme.founder, programme.rival)[number % 2], credits=40)
        automatic.decide_due(at=programme.later(days=100))  # the call gives one award in some months
    start = pools_at_start(programme.starter)
    assert start["pool:starter"] == 200 * MICRO  # what the rule gave is in it again
    rows = list(dry_run(call=programme.starter, rules=rules("starter", pool="pool:build")))
    assert [row.before.outcome for row in rows].count("rule") == Application.objects.filter(outcome="awarded").count()
    dear = list(dry_run(call=programme.starter, rules=rules("starter", pool="pool:none")))
    assert {row.after.outcome for row in dear} == {"people"}
    assert "There is no pool:none." in dear[0].after.reasons


def test_a_pool_that_is_used_up_leaves_the_later_ones_to_people(programme: Programme) -> None:
    copies(programme.sent("starter", credits=50), 5)
    verdicts = [row.before for row in dry_run(call=programme.starter, rules=programme.starter.rules)]
    assert [one.outcome for one in verdicts] == ["rule"] * 4 + ["people"] * 2
    assert verdicts[4].reasons == ["50 credits; 0 would be left in pool:starter."]


def test_all_are_looked_at_a_batch_at_a_time(programme: Programme, monkeypatch: pytest.MonkeyPatch) -> None:
    copies(programme.sent("starter", credits=10), 620)
    changed = rules("starter", automatic={**document("starter")["automatic"], "credits_max": "5"})
    with CaptureQueriesContext(connection) as seen:
        assert sum(row.differs for row in dry_run(call=programme.starter, rules=changed)) == 20  # 200 credits in the pool
    assert len(seen) <= 3 * 4 + 3
    monkeypatch.setattr(dryrun, "BATCH", 7)
    codes = [row.application.code for row in dry_run(call=programme.starter, rules=changed)]
    assert (len(codes), len(set(codes))) == (621, 621)


def test_the_page_shows_the_newest_and_the_table_has_them_all(programme: Programme) -> None:
    copies(programme.sent("starter", credits=1), 230)
    client = browser(programme.officer)
    draft = editing.draft_of(call=programme.starter, by=programme.officer, at=programme.now)
    country = {"kind": "country", "any_of": ["DK"], "why": "Only there."}
    CallDraft.objects.filter(pk=draft.pk).update(document={**draft.document, "eligibility": [country]})
    page = client.get("/calls/starter/edit/dry-run/").content.decode()
    assert ("231 of 231" in page, "The newest 200 are shown." in page) == (True, True)
    answer = client.get("/calls/starter/edit/dry-run.csv")
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert (len(lines), {line["after"] for line in lines}) == (231, {"could not be sent"})
    assert browser(programme.founder).get("/calls/starter/edit/dry-run.csv").status_code == 403


def test_the_start_window_and_rules_that_cannot_be_told_leave_it_to_people(programme: Programme) -> None:
    programme.sent("starter", credits=10)
    calls.version_add(call=programme.starter, document=document("starter"), reason="again", by=None, at=programme.now)
    for changed in (
        {"start": {"approve_from": "2027-01-01"}},
        {"eligibility": [{"kind": "age", "years_below": 7, "why": "New."}]},
    ):
        (row,) = dry_run(call=programme.starter, rules=rules("starter", **changed))
        assert (row.before.outcome, row.after.outcome) == ("rule", "people")
        assert row.after.reasons


def test_aid_is_counted_over_the_years_of_the_rules_that_are_tried(programme: Programme) -> None:
    """What was received four years ago counts where a call looks back five years, and nowhere else."""
    received = {"granted_on": programme.now.date() - timedelta(days=4 * 365 + 90), "amount_eur": 290_000, "granted_by": "EU"}
    subsidy_add(organisation=programme.firm, **received, by=programme.founder, at=programme.now)
    row = programme.sent("starter", credits=10)
    assert row.snapshots.get().content["facts"]["subsidies_eur"] == 0  # type: ignore[attr-defined]
    room = {"kind": "aid_room", "below_eur": 200_000, "why": "It is a ceiling."}
    aid = {"eur_per_credit": "1000", "ceiling_eur": 299_000, "source": ""}
    for changed, outcome in (
        ({"eligibility": [room]}, "rule"),
        ({"eligibility": [{**room, "years": 5}]}, "refused"),
        ({"eligibility": [room], "aid": {**aid, "years": 5}}, "refused"),
        ({"eligibility": [{**room, "years": 3}], "aid": {**aid, "years": 4}}, "rule"),
        ({"eligibility": [], "aid": {**aid, "years": 3}}, "rule"),
        ({"eligibility": [], "aid": {**aid, "years": 5}}, "refused"),
    ):
        (replay,) = dry_run(call=programme.starter, rules=rules("starter", **changed))
        assert (replay.after.outcome, changed) == (outcome, changed)
    assert "€ 290,000 received in 5 years + € 10,000 for this award = € 300,000" in replay.after.reasons[0]


def test_who_may_apply_is_told_by_the_years_of_the_call(programme: Programme) -> None:
    received = {"granted_on": programme.now.date() - timedelta(days=4 * 365 + 90), "amount_eur": 290_000, "granted_by": "EU"}
    subsidy_add(organisation=programme.firm, **received, by=programme.founder, at=programme.now)
    room = {"kind": "aid_room", "below_eur": 200_000, "why": "It is a ceiling."}
    for years, eligible in ((3, True), (5, False)):
        aid = {"eur_per_credit": "1", "years": years}
        changed = document("starter", eligibility=[room], aid=aid)
        calls.version_add(call=programme.starter, document=changed, reason="r", by=None, at=programme.now)
        call = Call.objects.get(pk=programme.starter.pk)
        found = eligibility_of(call=call, organisation=programme.firm, today=programme.now.date())
        assert found.eligible is eligible
        page = Client(headers={"host": settings.PORTAL_HOST}).get("/calls/starter/").content.decode()
        assert f"over {'three' if years == 3 else 'five'} years" in page
