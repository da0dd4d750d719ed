"""Drafts, sending, returning, withdrawing, the clock."""

from __future__ import annotations

from datetime import date

import pytest

from allocations.applications import drafts, services
from allocations.applications.clock import working_day_after, working_days_between
from allocations.applications.models import Application, Snapshot
from allocations.applications.states import S
from allocations.calls import services as calls
from portal.audit.models import Event, Letter
from portal.core.errors import NotAllowed, NotYours, Refusal
from portal.core.quantities import MICRO
from tests.support.programme import Programme, document


def refusal(code: str):  # type: ignore[no-untyped-def]
    """Expect a refusal by its code."""
    return pytest.raises(Refusal, check=lambda refused: refused.code == code)


# --- who ----------------------------------------------------------------------------------------------------------------
def test_only_owners_and_managers_begin_an_application(programme: Programme) -> None:
    assert programme.draft().state == S.DRAFT
    with pytest.raises(NotAllowed):
        programme.draft(by=programme.colleague)
    with pytest.raises(NotYours):
        drafts.draft_create(call=programme.build, organisation=programme.firm, by=programme.rival, at=programme.now)
    assert Application.objects.count() == 1


def test_an_enterprise_that_does_not_qualify_is_told_why_and_nothing_is_made(programme: Programme) -> None:
    programme.firm.headcount, programme.firm.turnover_eur = 900, 90_000_000
    programme.firm.save()
    with refusal("not_eligible") as refused:
        programme.draft()
    assert "micro, small or medium" in refused.value.message
    assert not Application.objects.exists()


def test_a_closed_call_takes_no_draft(programme: Programme) -> None:
    intake = {"kind": "dated", "closes_at": "2026-03-02T08:00:00Z"}
    calls.version_add(call=programme.build, document=document("build", intake=intake), reason="x", by=None, at=programme.now)
    with refusal("call_closed"):
        programme.draft()


# --- two who write at once ------------------------------------------------------------------------------------------------
def test_two_who_write_different_answers_both_keep_theirs(programme: Programme) -> None:
    row = programme.draft()
    base = row.revision
    other = Application.objects.get(pk=row.pk)
    one = drafts.draft_save(application=row, changes={"problem": "Mine"}, base=base, by=programme.founder, at=programme.now)
    two = drafts.draft_save(application=other, changes={"plan": "Theirs"}, base=base, by=programme.founder, at=programme.now)
    row.refresh_from_db()
    assert (one, two) == ({}, {})
    assert (row.answers["problem"], row.answers["plan"]) == ("Mine", "Theirs")


def test_the_second_who_writes_the_same_answer_is_shown_the_first(programme: Programme) -> None:
    row = programme.draft()
    base = row.revision
    other = Application.objects.get(pk=row.pk)
    drafts.draft_save(application=row, changes={"plan": "First"}, base=base, by=programme.founder, at=programme.now)
    conflicts = drafts.draft_save(
        application=other,
        changes={"plan": "Second", "problem": "New"},
        base=base,
        by=programme.founder,
        at=programme.now,
    )
    row.refresh_from_db()
    assert conflicts == {"plan": "First"}
    assert (row.answers["plan"], row.answers["problem"]) == ("First", "New")
    again = drafts.draft_save(
        application=other, changes={"plan": "Both"}, base=other.revision, by=programme.founder, at=programme.now
    )
    row.refresh_from_db()
    assert (again, row.answers["plan"]) == ({}, "Both")


# --- sending --------------------------------------------------------------------------------------------------------------
def test_sending_happens_once_and_promises_a_day(programme: Programme) -> None:
    row = programme.draft()
    stale = Application.objects.get(pk=row.pk)
    services.application_submit(application=row, by=programme.founder, at=programme.now)
    with refusal("changed_meanwhile"):
        services.application_submit(application=stale, by=programme.founder, at=programme.now)
    assert row.promised_on == date(2026, 3, 16)  # ten working days after Monday 2 March
    assert Snapshot.objects.filter(application=row).count() == 1
    assert Letter.objects.filter(kind="application.submitted").count() == 1
    programme.build.refresh_from_db()
    assert programme.build.submitted_count == 1


def test_what_is_missing_is_named_and_nothing_is_sent(programme: Programme) -> None:
    row = programme.draft(plan=None)
    with refusal("incomplete") as refused:
        services.application_submit(application=row, by=programme.founder, at=programme.now)
    assert set(refused.value.facts["problems"]) == {"plan"}
    row.refresh_from_db()
    assert (row.state, row.submitted_at) == (S.DRAFT, None)
    programme.build.refresh_from_db()
    assert programme.build.submitted_count == 0


def test_a_question_that_does_not_apply_is_not_asked_for(programme: Programme) -> None:
    row = programme.draft(personal_data=True)
    assert set(drafts.draft_problems(row)) == {"personal_data_how"}
    drafts.draft_save(application=row, changes={"personal_data": False}, base=None, by=programme.founder, at=programme.now)
    assert drafts.draft_problems(row) == {}


def test_changed_rules_are_told_and_the_draft_is_kept(programme: Programme) -> None:
    row = programme.draft()
    calls.version_add(
        call=programme.build, document=document("build", promise_working_days=20), reason="more time", by=None, at=programme.now
    )
    row = Application.objects.get(pk=row.pk)
    with refusal("call_changed") as refused:
        services.application_submit(application=row, by=programme.founder, at=programme.now)
    assert "more time" in refused.value.message
    drafts.draft_renew(application=row, by=programme.founder, at=programme.now)
    services.application_submit(application=row, by=programme.founder, at=programme.now)
    assert row.version.number == 2
    assert row.answers["problem"] == "Fish rot on the way."


def test_a_call_that_closes_by_count_closes_exactly_there(programme: Programme) -> None:
    calls.version_add(
        call=programme.build,
        document=document("build", intake={"kind": "rolling", "applications_max": 1}),
        reason="one only",
        by=None,
        at=programme.now,
    )
    first, second = programme.draft(), programme.draft(by=programme.rival)
    services.application_submit(application=first, by=programme.founder, at=programme.now)
    second = Application.objects.get(pk=second.pk)
    with refusal("call_closed"):
        services.application_submit(application=second, by=programme.rival, at=programme.now)
    second.refresh_from_db()
    assert second.state == S.DRAFT


def test_credits_below_or_above_what_the_call_gives_are_named(programme: Programme) -> None:
    row = programme.draft()
    for amount in (9, 1001):
        Application.objects.filter(pk=row.pk).update(requested_credits=amount * MICRO)
        row.refresh_from_db()
        assert set(drafts.draft_problems(row)) == {"ask-credits"}


# --- returned, and the clock ----------------------------------------------------------------------------------------------
def test_the_clock_stands_still_while_it_is_returned(programme: Programme) -> None:
    row = programme.sent()
    programme.later(days=2)  # Wednesday: two working days used
    services.application_return(application=row, message="Name the users.", by=programme.officer, at=programme.now)
    assert (row.state, row.clock_used, row.promised_on) == (S.RETURNED, 2, None)
    letter = Letter.objects.get(kind="application.returned")
    assert "Name the users." in letter.body
    programme.later(days=5)  # Monday 9 March
    services.application_submit(application=row, by=programme.founder, at=programme.now)
    assert row.promised_on == date(2026, 3, 19)  # eight working days that were left
    assert Snapshot.objects.filter(application=row).count() == 2
    programme.build.refresh_from_db()
    assert programme.build.submitted_count == 1


def test_returning_needs_an_officer_from_elsewhere_and_a_message(programme: Programme) -> None:
    row = programme.sent()
    for person in (programme.founder, programme.reviewers[0], programme.operator):
        with pytest.raises(NotAllowed):
            services.application_return(application=row, message="x", by=person, at=programme.now)
    with pytest.raises(Refusal):
        services.application_return(application=row, message="  ", by=programme.officer, at=programme.now)
    row.refresh_from_db()
    assert row.state == S.SUBMITTED


def test_a_returned_application_that_is_not_answered_expires(programme: Programme) -> None:
    row = programme.sent()
    services.application_return(application=row, message="x", by=programme.officer, at=programme.now)
    services.applications_expire(at=programme.later(days=30))
    row.refresh_from_db()
    assert row.state == S.RETURNED
    services.applications_expire(at=programme.later(days=1))
    row.refresh_from_db()
    assert row.state == S.EXPIRED


def test_withdrawn_is_for_good(programme: Programme) -> None:
    row = programme.sent()
    services.application_withdraw(application=row, by=programme.founder, at=programme.now)
    with refusal("move_not_allowed"):
        services.application_submit(application=row, by=programme.founder, at=programme.now)
    assert [e.kind for e in Event.objects.filter(about=f"application:{row.code}").order_by("pk")] == [
        "application.begun",
        "application.submitted",
        "application.withdrawn",
    ]


def test_working_days_skip_weekends_and_holidays() -> None:
    # Belgium 2026: Good Friday is no holiday there, Easter Monday (6 April) is.
    assert working_day_after(date(2026, 4, 3), days=1, country="BE") == date(2026, 4, 7)
    assert working_day_after(date(2026, 4, 4), days=0, country="BE") == date(2026, 4, 7)
    assert working_days_between(date(2026, 4, 3), date(2026, 4, 8), country="BE") == 2
    assert working_day_after(date(2026, 4, 3), days=1, country="KE") == date(2026, 4, 7)  # Easter Monday there too
