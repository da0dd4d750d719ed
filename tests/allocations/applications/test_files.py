"""Files: their type is found from their bytes, they lie outside of the web, and only readers of the application get them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from allocations.applications import drafts, files, services
from allocations.applications.filetypes import file_type
from allocations.applications.models import Application, AttachedFile
from allocations.calls import services as calls
from allocations.reviews import services as reviews
from portal.accounts.models import User
from portal.api.tokens import token_create
from portal.audit.models import Letter
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.objects.door import store
from tests.support.malware import EICAR
from tests.support.programme import Programme, document

pytestmark = pytest.mark.django_db(databases="__all__")

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
ASKED = [
    {"key": "plan", "label": "Your plan", "kinds": ["pdf"], "required": True, "size_mb_max": 1},
    {"key": "table", "label": "Figures", "kinds": ["csv", "xlsx"]},
]


@pytest.fixture(autouse=True)
def _own_store(request: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files of these tests lie in a folder of their own; no scanner of this machine is asked but where a test brings one."""
    if "scanner" not in request.fixturenames:
        monkeypatch.setattr("portal.objects.malware._programs", lambda: {})
    settings.OBJECTS_ROOT = tmp_path
    store.cache_clear()
    yield
    store.cache_clear()


def office(part: str, *more: str) -> bytes:
    """A small Office file."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in ("[Content_Types].xml", part, *more):
            archive.writestr(name, "x")
    return body.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PDF, "pdf"),
        (PDF[:-8], None),  # cut off
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0 and more", "jpeg"),
        (b"a,b\n1,2\n3,4\n", "csv"),
        ("Ein Plan für später.\n".encode(), "text"),
        (office("word/document.xml"), "docx"),
        (office("xl/workbook.xml"), "xlsx"),
        (office("word/document.xml", "word/vbaProject.bin"), None),
        (office("payload.exe"), None),
        (b"PK\x03\x04 broken", None),
        (b"MZ\x90 a program", None),
        (b"\x7fELF", None),
        (b"#!/bin/sh\nrm -rf /\n", None),
        (b"  <HTML><script>alert(1)</script>", None),
        (b"\xef\xbb\xbf<svg onload=alert(1)>", None),
        (b"GIF89a%PDF-1.7 %%EOF", None),  # the mark is not at the front
        (b"text with \x00 in it", None),
        (b"\xff\xfe\x00\x01", None),
    ],
)
def test_what_a_file_is_is_found_from_its_bytes(body: bytes, kind: str | None) -> None:
    found = file_type(body)
    assert found.kind == kind
    assert found.words


def test_a_name_loses_folders_control_signs_and_tricks() -> None:
    assert files.safe_name("../../etc/passwd") == "passwd"
    assert files.safe_name("C:\\tmp\\plan.pdf") == "plan.pdf"
    assert files.safe_name("inv\u202efdp.exe\r\n") == "invfdp.exe"
    assert files.safe_name("...") == "file"


@pytest.fixture
def draft(programme: Programme) -> Application:
    rules = document("build", attachments=ASKED)
    calls.version_add(call=programme.build, document=rules, reason="files", by=None, at=programme.now)
    programme.build.refresh_from_db()
    return programme.draft()


def add(programme: Programme, row: Application, body: bytes = PDF, *, key: str = "plan", by: User | None = None) -> Any:
    return files.file_add(
        application=row,
        key=key,
        name="plan.pdf",
        source=io.BytesIO(body),
        size=len(body),
        by=by or programme.founder,
        at=programme.now,
    )


def test_a_file_that_lies_about_its_type_is_refused_in_words_and_the_one_before_stays(
    programme: Programme, draft: Application
) -> None:
    first = add(programme, draft)
    for body, words in (
        (b"<html>hello", "is a web page or other markup, whatever its name says; this asks for a PDF"),
        (PNG, "is a PNG image"),
        (b"", "empty"),
        (PDF + b"x" * 10**6, "larger than 1 MB"),
    ):
        with pytest.raises(Malformed, match=words) as refused:
            add(programme, draft, body)
        assert refused.value.facts["field"] == "file-plan"
    assert files.files_of(draft)["plan"] == first
    with pytest.raises(NotYours):
        add(programme, draft, key="unknown")


def test_a_size_that_lies_is_found_out(programme: Programme, draft: Application) -> None:
    with pytest.raises(Malformed, match="larger than 1 MB"):
        files.file_add(
            application=draft,
            key="plan",
            name="x",
            source=io.BytesIO(PDF + b"x" * 10**6),
            size=5,
            by=programme.founder,
            at=programme.now,
        )


def test_it_cannot_be_sent_without_a_file_that_is_asked_for(programme: Programme, draft: Application) -> None:
    with pytest.raises(Refusal) as refused:
        services.application_submit(application=draft, by=programme.founder, at=programme.now)
    assert refused.value.facts["problems"] == {"file-plan": "Please add this file."}
    add(programme, draft)
    services.application_submit(application=draft, by=programme.founder, at=programme.now)
    with pytest.raises(Refusal, check=lambda refused: refused.code == "not_editable"):
        add(programme, draft, PDF + b"\n%%EOF")


def test_what_was_sent_stays_readable_after_it_is_replaced(programme: Programme, draft: Application) -> None:
    first = add(programme, draft)
    services.application_submit(application=draft, by=programme.founder, at=programme.now)
    services.application_return(application=draft, message="Newer plan, please.", by=programme.officer, at=programme.now)
    assert add(programme, draft) == first  # the same bytes again change nothing
    second = add(programme, draft, PDF + b"second %%EOF")
    services.application_submit(application=draft, by=programme.founder, at=programme.now)
    sent = [row.content["files"]["plan"]["sha256"] for row in draft.snapshots.order_by("number")]  # type: ignore[attr-defined]
    assert sent == [first.sha256, second.sha256]
    for row in (first, second):
        assert files.file_open(row)[0].read().startswith(b"%PDF")
    files_left = AttachedFile.objects.filter(application=draft, replaced_at__isnull=True)
    assert list(files_left) == [second]


# --- pages --------------------------------------------------------------------------------------------------------------
def browser(user: User) -> Client:
    client = Client(headers={"host": portal_settings.PORTAL_HOST})
    client.force_login(user)
    return client


def test_only_readers_of_the_application_get_the_file_and_only_as_a_download(programme: Programme, draft: Application) -> None:
    row = add(programme, draft)
    at = f"/applications/{draft.code}/files/{row.pk}/"

    def seen() -> dict[str, int]:
        people = {
            "founder": programme.founder,
            "colleague": programme.colleague,
            "rival": programme.rival,
            "officer": programme.officer,
            "reviewer": programme.reviewers[0],
            "operator": programme.operator,
        }
        return {name: browser(person).get(at).status_code for name, person in people.items()}

    hidden = {"rival": 404, "reviewer": 404, "operator": 404}
    assert seen() == {"founder": 200, "colleague": 200, "officer": 404, **hidden}
    services.application_submit(application=draft, by=programme.founder, at=programme.now)
    assert seen() == {"founder": 200, "colleague": 200, "officer": 200, **hidden}
    made = reviews.reviewers_assign(application=draft, reviewers=programme.reviewers, by=programme.officer, at=programme.now)
    assert seen()["reviewer"] == 404  # asked, but conflicts are not declared yet
    reviews.conflict_declare(review=made[0], has_conflict=False, by=programme.reviewers[0], at=programme.now)
    assert seen()["reviewer"] == 200
    answer = browser(programme.officer).get(at)
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"".join(answer.streaming_content) == PDF  # type: ignore[attr-defined]
    assert Client(headers={"host": portal_settings.PORTAL_HOST}).get(at).status_code == 302
    assert browser(programme.founder).get(f"/applications/{draft.code}/files/999999/").status_code == 404


def test_the_files_page_says_what_is_wrong_and_keeps_what_is_right(programme: Programme, draft: Application) -> None:
    client, at = browser(programme.founder), f"/applications/{draft.code}/files/"
    assert "at most 1 MB" in client.get(at).content.decode()
    assert client.post(at + "plan/add/").status_code == 422
    lie = SimpleUploadedFile("plan.pdf", b"<script>", content_type="application/pdf")
    wrong = client.post(at + "plan/add/", {"file": lie})
    assert (wrong.status_code, "whatever its name says" in wrong.content.decode()) == (422, True)
    for _ in range(2):
        assert client.post(at + "plan/add/", {"file": SimpleUploadedFile("my plan.pdf", PDF)}).status_code == 302
    assert AttachedFile.objects.count() == 1
    assert "my plan.pdf" in client.get(f"/applications/{draft.code}/check/").content.decode()
    for _ in range(2):
        assert client.post(at + "plan/remove/").status_code == 302
    assert not files.files_of(draft)
    with pytest.raises(NotAllowed):
        files.file_remove(application=draft, key="plan", by=programme.colleague, at=programme.now)
    services.application_withdraw(application=draft, by=programme.founder, at=programme.now)
    assert client.post(at + "plan/add/", {"file": SimpleUploadedFile("x.pdf", PDF)}).status_code == 409


# --- programs ------------------------------------------------------------------------------------------------------------
def test_a_program_attaches_a_file_and_is_told_the_same(programme: Programme, draft: Application) -> None:
    client = Client(headers={"host": portal_settings.PORTAL_HOST})
    token = token_create(user=programme.founder, name="test", at=programme.now)
    at, headers = f"/api/v1/applications/{draft.code}/files", {"Authorization": f"Bearer {token}"}
    wrong = client.post(f"{at}/plan", {"file": SimpleUploadedFile("plan.pdf", b"<html>")}, headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "malformed")
    right = client.post(f"{at}/plan", {"file": SimpleUploadedFile("plan.pdf", PDF)}, headers=headers)
    assert (right.status_code, right.json()["kind"]) == (201, "pdf")
    listed = client.get(at, headers=headers).json()["items"]
    assert [(row["key"], row["file"] is not None) for row in listed] == [("plan", True), ("table", False)]
    foreign = {"Authorization": f"Bearer {token_create(user=programme.rival, name='test', at=programme.now)}"}
    assert client.get(at, headers=foreign).status_code == 404
    assert client.post(f"{at}/plan", {"file": SimpleUploadedFile("x.pdf", PDF)}, headers=foreign).status_code == 404


def infected(programme: Programme) -> tuple[Application, dict[str, Any]]:
    """A draft that asks for text, and the test file every scanner knows."""
    asked = [{"key": "notes", "label": "Notes", "kinds": ["text"]}]
    call = calls.call_create(
        slug="notes", document=document("build", attachments=asked), by=None, at=programme.now, published=True
    )
    row = drafts.draft_create(call=call, organisation=programme.firm, by=programme.founder, at=programme.now)
    body = {"key": "notes", "name": "notes.txt", "source": io.BytesIO(EICAR), "size": len(EICAR)}
    return row, {**body, "application": row, "by": programme.founder, "at": programme.now}


def test_a_file_that_a_scanner_knows_is_refused_and_nothing_is_kept(programme: Programme, scanner: str) -> None:
    _row, sent = infected(programme)
    with pytest.raises(Malformed, match=r"“notes.txt” was stopped by a malware scanner: Eicar-Test-Signature") as refused:
        files.file_add(**sent)
    assert refused.value.code == "malware"
    assert not AttachedFile.objects.exists()
    assert list(store().list("applications/")) == []
    kept = files.file_add(**{**sent, "source": io.BytesIO(b"Nothing here."), "size": 13})
    assert kept.scan == "scanned for malware: nothing found"


def test_what_a_slow_scanner_finds_later_is_taken_out_and_nobody_reads_it_before(
    programme: Programme, scanner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, sent = infected(programme)
    monkeypatch.setattr("portal.objects.malware.answers_at_once", lambda: False)
    kept = files.file_add(**sent)
    with pytest.raises(Refusal) as refused:
        files.file_open(kept)
    assert refused.value.code == "file_being_checked"
    files.files_scan_due(at=programme.now)
    kept.refresh_from_db()
    assert kept.malware.startswith("Eicar-Test-Signature")
    assert kept.replaced_at == programme.now
    assert list(store().list("applications/")) == []
    assert Letter.objects.get(to=programme.founder.email, kind="security.malware").subject.endswith("was stopped")
    with pytest.raises(Refusal) as refused:
        files.file_open(kept)
    assert refused.value.code == "file_is_malware"
    files.files_scan_due(at=programme.now)
    assert Letter.objects.filter(kind="security.malware").count() == 1
    files.file_add(**{**sent, "source": io.BytesIO(b"Clean."), "size": 6})
    files.files_scan_due(at=programme.now)
    files.file_open(files.files_of(row)["notes"])[0].close()


def test_bytes_that_belong_to_nothing_are_deleted_after_a_day(programme: Programme, monkeypatch: pytest.MonkeyPatch) -> None:
    _row, sent = infected(programme)
    kept = files.file_add(**{**sent, "source": io.BytesIO(b"Kept."), "size": 5})
    gone = files.file_add(**{**sent, "source": io.BytesIO(b"Gone."), "size": 5})
    files.file_add(**{**sent, "source": io.BytesIO(b"Kept."), "size": 5})
    AttachedFile.objects.filter(pk=gone.pk).delete()  # as an application that is gone takes its files with it
    store().put("applications/9/never-attached.txt", io.BytesIO(b"A kill came between."))
    store().put("datasets/other/1/a.csv", io.BytesIO(b"Not ours."))
    there = {one.key for one in store().list("")}
    monkeypatch.setattr("allocations.applications.files.orphans_due", lambda prefix: True)
    modified = store().stat(kept.object_key).modified
    files.files_orphaned(at=modified + timedelta(hours=23))
    assert {one.key for one in store().list("")} == there  # a row may still be on its way
    files.files_orphaned(at=modified + timedelta(hours=25))
    assert {one.key for one in store().list("")} == {kept.object_key, "datasets/other/1/a.csv"}
    files.files_orphaned(at=modified + timedelta(hours=25))


def test_listing_the_store_is_not_done_at_every_look(programme: Programme, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    monkeypatch.setattr("allocations.applications.files.orphans_delete", lambda *, prefix, **_: listed.append(prefix))
    caches["default"].delete("orphans-applications/")
    for _ in range(3):
        files.files_orphaned(at=programme.now)
    assert listed == ["applications/"]
    caches["default"].delete("orphans-applications/")
