"""More time, reminders, delegates, many decisions at once, signed agreements, use codes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from allocations.datasets import agreements, selectors, services
from allocations.datasets.due import working_days_after
from allocations.datasets.duo import CODES, duo_findings, excludes_enterprises
from allocations.datasets.models import Access, Agreement
from portal.accounts.models import Role
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from tests.support import portal

from .conftest import Library
from .test_access import ask, decide, get, read
from .test_pages import browser

pytestmark = pytest.mark.django_db(databases=settings.DATABASES.keys())
PDF = b"%PDF-1.7\nsigned"


def sweep(library: Library, *, days: float) -> datetime:
    at = library.now + timedelta(days=days)
    services.accesses_by_date(at=at)
    return at


def test_more_time_is_asked_for_while_reading_goes_on(library: Library) -> None:
    first = decide(library, ask(library, until=library.now.date() + timedelta(days=20)))
    more = ask(library, purpose="One more month.")
    assert (more.state, more.renews_id) == ("requested", first.pk)
    assert read(library, "faces") == "1"
    assert library.letters(library.steward)[-1].endswith("asks for more time with Faces")
    decide(library, more, until=library.now.date() + timedelta(days=50))
    first.refresh_from_db()
    assert (first.state, more.state) == ("renewed", "granted")
    assert read(library, "faces", at=library.now + timedelta(days=40)) == "1"


def test_a_refused_renewal_leaves_the_grant_as_it_is(library: Library) -> None:
    first = decide(library, ask(library))
    decide(library, ask(library), "reject", "Enough.")
    first.refresh_from_db()
    assert first.state == "granted"
    assert read(library, "faces") == "1"


def test_a_steward_is_reminded_before_the_due_date_and_while_late_and_never_twice(library: Library) -> None:
    ask(library)  # asked Monday 2 March, due Monday 16 March
    assert len(library.letters(library.steward)) == 1
    sweep(library, days=10)
    assert len(library.letters(library.steward)) == 1
    for days, count in ((11, 2), (11.1, 2), (13, 2), (14.5, 3), (15, 3), (18, 4)):
        sweep(library, days=days)
        assert len(library.letters(library.steward)) == count, days
    assert library.letters(library.steward)[1].startswith("Due: ")
    assert library.letters(library.steward)[3].startswith("Late: ")


def test_a_project_hears_two_weeks_before_its_grant_ends(library: Library) -> None:
    decide(library, ask(library, until=library.now.date() + timedelta(days=30)))
    for days, count in ((15, 1), (16, 2), (20, 2), (29, 2)):
        sweep(library, days=days)
        assert len(library.letters(library.founder)) == count, days
    assert library.letters(library.founder)[1] == "Access to Faces ends on 2026-04-01"


def test_a_delegate_decides_too_until_the_day(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    other = portal.person("other", Role.STEWARD, at=library.now)
    with pytest.raises(NotAllowed):
        decide(library, ask(library), by=other)
    day = library.now.date() + timedelta(days=5)
    with pytest.raises(Malformed, match="no data steward"):
        services.delegate_set(dataset=get("faces"), delegate=library.rival, until=day, by=library.steward, at=library.now)
    with pytest.raises(NotAllowed):
        services.delegate_set(dataset=get("faces"), delegate=other, until=day, by=other, at=library.now)
    services.delegate_set(dataset=get("faces"), delegate=other, until=day, by=library.steward, at=library.now)

    waiting = list(selectors.queue_for_steward(user=other))
    assert len(waiting) == 1
    assert decide(library, waiting[0], by=other).state == "granted"
    decided = selectors.access_get_for_user(user=library.steward, pk=waiting[0].pk)
    monkeypatch.setattr("django.utils.timezone.now", lambda: library.now + timedelta(days=6))
    with pytest.raises(NotAllowed):
        services.access_revoke(access=decided, reason="x", by=other, at=library.now)
    with pytest.raises(NotYours):
        selectors.access_get_for_user(user=other, pk=decided.pk)


def test_many_are_decided_at_once_and_one_that_cannot_be_holds_up_no_other(library: Library) -> None:
    rows = [ask(library), ask(library, allocation=library.rivals, by=library.rival)]
    stale = Access.objects.select_related("dataset", "allocation__organisation").get(pk=rows[0].pk)
    services.access_withdraw(access=rows[0], by=library.founder, at=library.now)
    done = services.accesses_decide(accesses=[stale, rows[1]], outcome="grant", reason="", by=library.steward, at=library.now)
    assert [bool(error) for _, error in done] == [True, False]
    assert [Access.objects.get(pk=row.pk).state for row in rows] == ["withdrawn", "granted"]


def test_a_signed_agreement_is_uploaded_once_and_used_again(library: Library) -> None:
    firm = library.allocation.organisation
    dataset = library.dataset("genes", "controlled", needs_agreement=True)
    with pytest.raises(Refusal) as refusal:
        ask(library, "genes")
    assert refusal.value.code == "agreement_missing"

    def add(**changes: Any) -> Any:
        values = {"organisation": firm, "title": "DUA", "body": PDF, "by": library.founder, "at": library.now, **changes}
        return agreements.agreement_add(**values)

    made = add()
    assert add(title="again").pk == made.pk
    row = ask(library, "genes", agreement=made)
    assert row.agreement == made
    with pytest.raises(NotYours):
        ask(library, "genes", agreement=made, allocation=library.rivals, by=library.rival)
    for body, words in ((b"", "empty"), (b"MZ\x90 program", "PDF"), (PDF + b"x" * 10**7, "10 MB")):
        with pytest.raises(Malformed, match=words):
            add(body=body)

    for person in (library.founder, library.colleague, library.steward):
        assert "/agreements/" in agreements.agreement_link(agreement=made, user=person, at=library.now)
    with pytest.raises(Refusal):
        agreements.agreement_link(agreement=made, user=library.rival, at=library.now)
    assert dataset.needs_agreement


def test_codes_are_compared_with_the_request_and_decide_nothing(library: Library) -> None:
    def fits(code: str, **said: Any) -> str:
        return duo_findings([code], **said)[0].fits

    assert [fits(code) for code in ("GRU", "NCU", "HMB", "TS", "XYZ")] == ["yes", "no", "ask", "ask", "ask"]
    assert [fits("HMB", use=use) for use in ("health", "disease", "general")] == ["yes", "yes", "no"]
    assert [fits("DS", use=use) for use in ("disease", "health")] == ["ask", "no"]
    assert [fits("NMDS", use=use) for use in ("methods", "general")] == ["no", "yes"]
    assert fits("TS", ends=True) == "yes"
    assert {finding.fits for finding in duo_findings(list(CODES))} <= {"yes", "no", "ask"}
    assert excludes_enterprises(["GRU", "NPU"])
    assert not excludes_enterprises(["GRU"])
    library.dataset("academic", "controlled", duo_codes=["NPU"])
    assert decide(library, ask(library, "academic")).state == "granted"  # the steward may know better


def test_a_page_takes_an_agreement_once_compares_codes_and_shows_both_to_the_steward(library: Library) -> None:
    codes = ["HMB", "NMDS", "IRB"]
    for slug in ("genes", "cells"):
        library.dataset(slug, "controlled", needs_agreement=True, agreement_text="Sign here.", duo_codes=codes)
    founder, steward = browser(library.founder), browser(library.steward)
    said = {"allocation": library.allocation.code, "purpose": "To learn.", "use": "methods"}
    assert founder.post("/datasets/genes/ask/", said).status_code == 409
    program = SimpleUploadedFile("signed.pdf", b"MZ\x90 no agreement")
    assert "is a PDF" in founder.post("/datasets/genes/ask/", {**said, "upload": program}).content.decode()
    assert not Access.objects.exists()
    asked = founder.post("/datasets/genes/ask/", {**said, "upload": SimpleUploadedFile("signed.pdf", PDF)}, follow=True)
    assert "Waiting for the steward" in asked.content.decode()
    made = Agreement.objects.get()
    form = founder.get("/datasets/cells/").content.decode()
    assert f'<option value="{made.pk}">signed.pdf' in form, "uploaded once, offered again"
    founder.post("/datasets/cells/ask/", {**said, "use": "health", "agreement": made.pk})
    assert list(Access.objects.values_list("agreement", flat=True)) == [made.pk, made.pk]
    first, second = Access.objects.order_by("pk")
    page = steward.get(f"/dataset-requests/{first.pk}/").content.decode()
    assert page.count("<b>does not fit</b>") == 2
    assert page.count("please see") == 1
    assert f'href="/agreements/{made.pk}/"' in page
    assert "<b>does not fit</b>" not in steward.get(f"/dataset-requests/{second.pk}/").content.decode()
    assert "/o/" in steward.get(f"/agreements/{made.pk}/")["Location"]
    assert browser(library.rival).get(f"/agreements/{made.pk}/").status_code == 404


def test_working_days_leave_out_the_weekend() -> None:
    friday = datetime(2026, 3, 6).date()
    assert [working_days_after(friday, n).isoformat() for n in (0, 1, 5)] == ["2026-03-06", "2026-03-09", "2026-03-13"]


def test_documents_that_no_row_names_are_deleted_after_a_day(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"organisation": library.allocation.organisation, "title": "Signed", "by": library.founder, "at": library.now}
    kept = agreements.agreement_add(**values, body=b"%PDF-kept")
    gone = agreements.agreement_add(**values, body=b"%PDF-gone")
    Agreement.objects.filter(pk=gone.pk).delete()
    monkeypatch.setattr(agreements, "orphans_due", lambda prefix: prefix == "agreements/")
    monkeypatch.setattr("portal.objects.orphans.store", agreements.store)
    modified = agreements.store().stat(gone.key).modified
    agreements.agreements_orphaned(at=modified + timedelta(hours=23))
    assert agreements.store().stat(gone.key), "a row may still be on its way"
    agreements.agreements_orphaned(at=modified + timedelta(hours=25))
    assert [one.key for one in agreements.store().list("agreements/")] == [kept.key]
