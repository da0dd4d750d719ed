"""An enterprise publishes a dataset: offered, uploaded in parts, checked, reviewed, published, withdrawn."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction

from allocations.datasets import checking, croissant_read, direct, handing_in, offering, sniffing, uploading
from allocations.datasets.models import Dataset, Upload, Version
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.objects.door import Store
from tests.support import portal

from .conftest import Library
from .test_access import read
from .test_pages import Program, browser

pytestmark = pytest.mark.django_db(databases=settings.DATABASES.keys())
CSV = b"site,kwh\nkisumu,12\nnakuru,9\n"
NOBODY = {"people": "no"}
FACTS: dict[str, Any] = {
    "title": "Solar yield",
    "summary": "Yield of forty roofs.",
    "access_class": "open",
    "commercial_use": True,
    "licence": "CC-BY-4.0",
    "domain": "Energy",
}


def offer(library: Library, **changes: Any) -> Dataset:
    values = {
        "organisation": library.allocation.organisation,
        "slug": "solar",
        "by": library.founder,
        "at": library.now,
        **FACTS,
    }
    return offering.dataset_offer(**{**values, **changes})


def begin(library: Library, dataset: Dataset, name: str = "1") -> Version:
    return handing_in.version_begin(dataset=dataset, name=name, notes="", by=library.founder, at=library.now)


def send(
    library: Library, version: Version, path: str = "yield.csv", body: bytes = CSV, *, sha256: str = "", parts: Any = None
) -> Upload:
    """Upload a file as a browser would; with `parts` only those, and nothing is completed."""
    upload = uploading.upload_begin(
        version=version, path=path, size_bytes=len(body), sha256=sha256, by=library.founder, at=library.now
    )
    for part in uploading.upload_parts(upload=upload, at=library.now):
        if not part["done"] and (parts is None or part["number"] in parts):
            piece = body[part["offset"] : part["offset"] + part["size"]]
            keeper: Any = uploading.store()
            keeper.upload_put(upload=upload.store_upload, number=part["number"], source=io.BytesIO(piece), size=len(piece))
    if parts is not None:
        return upload
    uploading.upload_complete(upload=upload, by=library.founder, at=library.now)
    checking.uploads_due(at=library.now)
    upload.refresh_from_db()
    return upload


def stored() -> Store:
    return uploading.store()


def test_from_an_offer_to_a_published_version_that_others_read(library: Library) -> None:
    dataset = offer(library)
    version = begin(library, dataset)
    assert read(library, "solar") == "no_such_dataset"
    upload = send(library, version)
    assert (upload.state, upload.error) == ("stored", "")
    file = version.files.get()
    assert (file.sha256, file.size_bytes) == (hashlib.sha256(CSV).hexdigest(), len(CSV))
    assert stored().open(file.key).read() == CSV
    assert [found.key for found in stored().list("incoming/")] == []

    handing_in.version_submit(version=version, personal=NOBODY, by=library.founder, at=library.now)
    assert library.letters(library.steward) == ["To review: Solar yield version 1"]
    with pytest.raises(NotAllowed):
        handing_in.version_review(version=version, outcome="publish", note="", by=library.founder, at=library.now)
    handing_in.version_review(version=version, outcome="publish", note="Nice.", by=library.steward, at=library.now)
    assert read(library, "solar", allocation=library.rivals) == "1"
    assert library.letters(library.founder) == ["Solar yield version 1 is published"]
    assert Dataset.objects.get(slug="solar").formats == ",csv,"


def test_a_returned_version_comes_back_with_what_to_change(library: Library) -> None:
    version = begin(library, offer(library))
    send(library, version)
    handing_in.version_submit(version=version, personal=NOBODY, by=library.founder, at=library.now)
    with pytest.raises(Refusal) as refusal:
        send(library, version, "more.csv")
    assert refusal.value.code == "version_closed"
    with pytest.raises(Malformed):
        handing_in.version_review(version=version, outcome="return", note="", by=library.steward, at=library.now)
    handing_in.version_review(version=version, outcome="return", note="Say the unit.", by=library.steward, at=library.now)
    version.refresh_from_db()
    assert (version.state, version.review_note) == ("draft", "Say the unit.")
    assert library.letters(library.founder) == ["Solar yield version 1 came back to you"]
    assert send(library, version, "more.csv").state == "stored"


def test_an_upload_goes_on_after_a_lost_line_and_sends_only_what_is_missing(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "PART_BYTES", 10)
    version = begin(library, offer(library))
    cut = send(library, version, parts=[1, 3])
    with pytest.raises(Refusal) as refusal:
        uploading.upload_complete(upload=cut, by=library.founder, at=library.now)
    assert (refusal.value.code, refusal.value.facts["parts"]) == ("parts_missing", [2])
    again = uploading.upload_begin(version=version, path="yield.csv", size_bytes=len(CSV), by=library.founder, at=library.now)
    assert again.pk == cut.pk
    assert [part["number"] for part in uploading.upload_parts(upload=again, at=library.now) if not part["done"]] == [2]
    assert send(library, version).state == "stored"
    assert stored().open(version.files.get().key).read() == CSV


def test_another_file_under_the_same_name_begins_anew(library: Library) -> None:
    version = begin(library, offer(library))
    first = send(library, version, parts=[])
    second = send(library, version, body=CSV + b"eldoret,7\n")
    first.refresh_from_db()
    assert (first.state, second.state) == ("abandoned", "stored")


def test_an_upload_nobody_goes_on_with_is_given_up_and_leaves_nothing(library: Library) -> None:
    version = begin(library, offer(library))
    upload = send(library, version, parts=[1])
    checking.uploads_due(at=library.now + timedelta(days=6))
    upload.refresh_from_db()
    assert upload.state == "receiving"
    checking.uploads_due(at=library.now + timedelta(days=8))
    upload.refresh_from_db()
    assert upload.state == "abandoned"
    assert stored().upload_parts(upload.key, upload=upload.store_upload) == {}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("table.parquet", b"PAR1" + b"x" * 60, "broken Parquet"),
        ("table.parquet", b"a,b\n1,2\n", "its bytes are something else"),
        ("table.csv", b"PAR1" + b"x" * 40 + b"\x04\x00\x00\x00PAR1", "is Parquet. Name it .parquet"),
        ("tool.csv", b"\x7fELF\x02", "is a program"),
        ("run.txt", b"#!/bin/sh\nrm -rf /", "is a program"),
        ("text.csv", b"a,b\n\xff\xfe,2\n", "not UTF-8"),
        ("text.csv", b"a\0b", "is no text"),
        ("rows.csv", b"a,b\n1,2\n3\n", "rows of 1 to 2 columns"),
    ],
)
def test_what_is_not_what_it_says_is_refused_with_the_reason(library: Library, path: str, body: bytes, words: str) -> None:
    version = begin(library, offer(library))
    upload = send(library, version, path, body)
    assert upload.state == "refused"
    assert words in upload.error
    assert not version.files.exists()
    assert list(stored().list("incoming/")) == []
    with pytest.raises(Refusal) as refusal:
        handing_in.version_submit(version=version, personal=NOBODY, by=library.founder, at=library.now)
    assert refusal.value.code == "version_empty"


def test_a_file_that_changed_on_the_way_is_refused(library: Library) -> None:
    version = begin(library, offer(library))
    upload = send(library, version, sha256=hashlib.sha256(b"other").hexdigest())
    assert upload.state == "refused"
    assert "another sha256" in upload.error
    assert send(library, version, sha256=hashlib.sha256(CSV).hexdigest()).state == "stored"


@pytest.mark.parametrize("path", ["../x.csv", "a/../x.csv", "/x.csv", ".x", "a\x07.csv", "a b.csv", "", "x" * 900])
def test_a_name_that_plays_tricks_or_an_empty_file_begins_no_upload(library: Library, path: str) -> None:
    version = begin(library, offer(library))
    for size in (5, 0) if path == "../x.csv" else (5,):
        with pytest.raises(Malformed):
            uploading.upload_begin(version=version, path=path, size_bytes=size, by=library.founder, at=library.now)
    with pytest.raises(Malformed, match="empty"):
        uploading.upload_begin(version=version, path="fine.csv", size_bytes=0, by=library.founder, at=library.now)
    assert not Upload.objects.exists()


def test_a_check_that_was_killed_is_done_again(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    version = begin(library, offer(library))
    for place in ("_keep", "_into_place"):  # before the row was written, and between row and object
        with monkeypatch.context() as killed:
            killed.setattr(checking, place, _power_cut)
            upload = send(library, version, f"{place}.csv")
        assert upload.state == ("checking" if place == "_keep" else "stored")
        assert [found.key for found in stored().list("incoming/")] == [upload.key]
        checking.uploads_due(at=library.now + checking.LEASE)
        upload.refresh_from_db()
        assert upload.state == "stored"
        assert stored().open(version.files.get(path=upload.path).key).read() == CSV
        assert list(stored().list("incoming/")) == []


def _power_cut(*_: Any) -> None:
    raise OSError("power cut")


def test_two_checks_at_once_keep_one_file(library: Library) -> None:
    version = begin(library, offer(library))
    upload = send(library, version)
    checking.upload_check(upload_id=upload.pk, at=library.now)
    checking.uploads_due(at=library.now + timedelta(minutes=1))
    assert version.files.count() == 1


def test_data_about_people_asks_more(library: Library) -> None:
    version = begin(library, offer(library))
    send(library, version)
    for said, words in (
        ({}, "Say whether it is about people"),
        ({"people": "yes"}, "health"),
        ({"people": "yes", "special": "no", "lawful": "no"}, "only where you may pass it on"),
        ({"people": "yes", "special": "yes", "lawful": "yes"}, "offered as controlled"),
    ):
        with pytest.raises(Refusal, match=words):
            handing_in.version_submit(version=version, personal=said, by=library.founder, at=library.now)
    fine = {"people": "yes", "special": "no", "lawful": "yes"}
    assert handing_in.version_submit(version=version, personal=fine, by=library.founder, at=library.now).state == "in_review"


def test_what_is_about_people_is_not_opened_to_more_without_a_reviewer(library: Library) -> None:
    dataset = offer(library, access_class="controlled", terms="Do not look for whom.")
    version = begin(library, dataset)
    send(library, version)
    people = {"people": "yes", "special": "yes", "lawful": "yes"}
    handing_in.version_submit(version=version, personal=people, by=library.founder, at=library.now)
    offering.dataset_edit(dataset=dataset, access_class="registered", by=library.founder, at=library.now)
    offering.dataset_edit(dataset=dataset, access_class="controlled", by=library.founder, at=library.now)
    handing_in.version_review(version=version, outcome="publish", note="", by=library.steward, at=library.now)
    dataset.refresh_from_db()
    with pytest.raises(Refusal, match="reviewed for fewer readers"):
        offering.dataset_edit(dataset=dataset, access_class="open", by=library.founder, at=library.now)
    assert offering.dataset_edit(dataset=dataset, title="Faces of Kisumu", by=library.founder, at=library.now).title


def test_only_owners_and_managers_offer_and_only_keepers_change(library: Library) -> None:
    with pytest.raises(NotAllowed):
        offer(library, by=library.colleague)
    with pytest.raises(NotYours):
        offer(library, by=library.rival)
    dataset = offer(library)
    for stranger in (library.rival, library.colleague, library.steward):
        with pytest.raises(NotYours):
            offering.dataset_edit(dataset=dataset, title="Mine", by=stranger, at=library.now)
    assert browser(library.rival).get("/datasets/solar/manage/").status_code == 404
    assert browser(library.colleague).get("/datasets/solar/").status_code == 404


@pytest.mark.parametrize("slug", ["offer", "Solar", "so--lar", "-a", "a/b", "..", "", "x" * 61, "air"])
def test_a_bad_or_taken_short_name_is_refused(library: Library, slug: str) -> None:
    with pytest.raises(Malformed):
        offer(library, slug=slug)


def test_a_version_is_withdrawn_and_leaves_its_reason(library: Library) -> None:
    version = begin(library, offer(library))
    send(library, version)
    handing_in.version_submit(version=version, personal=NOBODY, by=library.founder, at=library.now)
    handing_in.version_review(version=version, outcome="publish", note="", by=library.steward, at=library.now)
    dataset = Dataset.objects.get(slug="solar")
    with pytest.raises(NotAllowed):
        handing_in.withdraw(dataset=dataset, version=version, reason="x", by=library.rival, at=library.now)
    with pytest.raises(Malformed):
        handing_in.withdraw(dataset=dataset, version=version, reason=" ", by=library.founder, at=library.now)
    handing_in.withdraw(dataset=dataset, version=version, reason="Wrong unit.", by=library.founder, at=library.now)
    assert read(library, "solar", version="1") == "version_withdrawn"
    handing_in.withdraw(dataset=dataset, version=None, reason="A person asked.", by=library.steward, at=library.now)
    assert read(library, "solar") == "dataset_withdrawn"


def test_an_enterprise_has_so_much_room(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "ENTERPRISE_BYTES_MAX", 60)
    version = begin(library, offer(library))
    send(library, version)
    with pytest.raises(Refusal) as refusal:
        uploading.upload_begin(version=version, path="big.csv", size_bytes=50, by=library.founder, at=library.now)
    assert refusal.value.code == "storage_full"
    uploading.file_remove(version=version, path="yield.csv", by=library.founder)
    assert uploading.upload_begin(version=version, path="big.csv", size_bytes=50, by=library.founder, at=library.now).pk


def test_a_croissant_file_fills_the_form_in_and_nonsense_does_not(library: Library) -> None:
    body = {
        "@type": "sc:Dataset",
        "name": "Solar Yield!",
        "description": "Forty roofs. In Kenya.",
        "license": "https://spdx.org/licenses/CC-BY-4.0",
        "keywords": "sun, roofs",
        "creator": {"name": "Sun Ltd"},
    }
    found = croissant_read.facts(json.dumps(body).encode())
    assert (found["slug"], found["summary"], found["licence"]) == ("solar-yield", "Forty roofs.", "CC-BY-4.0")
    assert (found["keywords"], found["publisher"]) == (["sun", "roofs"], "Sun Ltd")
    for wrong in (b"", b"{", b"[]", b'{"@type": "Person"}', b"[" * 100_000, b"x" * 3_000_000):
        with pytest.raises(Malformed):
            croissant_read.facts(wrong)
    page = browser(library.founder).post(
        "/datasets/offer/", {"go": "fill", "croissant": SimpleUploadedFile("c.json", json.dumps(body).encode())}
    )
    assert 'value="solar-yield"' in page.content.decode()
    assert not Dataset.objects.filter(organisation=library.allocation.organisation).exists()


def test_the_whole_way_works_on_pages_without_javascript(library: Library) -> None:
    founder, steward = browser(library.founder), browser(library.steward)
    form = {**FACTS, "commercial_use": "yes", "organisation": library.allocation.organisation.pk, "slug": "solar"}
    assert (
        "Write what readers accept" in founder.post("/datasets/offer/", {**form, "access_class": "registered"}).content.decode()
    )
    assert founder.post("/datasets/offer/", form).status_code == 302
    assert founder.post("/datasets/solar/versions/", {"name": "1"}).status_code == 302
    sent = founder.post("/datasets/solar/versions/1/send/", {"file": SimpleUploadedFile("yield.csv", CSV)}, follow=True)
    assert "being checked" in sent.content.decode()
    checking.uploads_due(at=library.now)
    assert "yield.csv" in founder.get("/datasets/solar/manage/").content.decode()
    assert "commons://solar@1/FILE" in founder.get("/datasets/solar/manage/").content.decode()
    assert "Handed in" in founder.post("/datasets/solar/versions/1/submit/", {"people": "no"}, follow=True).content.decode()
    assert "commons put" not in founder.get("/datasets/solar/manage/").content.decode(), "nothing is sent into it now"
    assert "Solar yield, version 1" in steward.get("/dataset-requests/").content.decode()
    assert (
        browser(library.rival).get("/datasets/solar/versions/1/").status_code == 404
    )  # nothing of it is published: a stranger learns nothing
    assert "yield.csv" in steward.get("/datasets/solar/versions/1/").content.decode()
    steward.post("/datasets/solar/versions/1/", {"outcome": "publish", "note": ""})
    assert browser().get("/datasets/solar/").status_code == 200
    assert "commons put" not in founder.get("/datasets/solar/manage/").content.decode(), "a version is begun first"
    founder.post("/datasets/solar/edit/", {**form, "title": "Solar yield of roofs"})
    assert "Solar yield of roofs" in browser().get("/datasets/?q=roofs").content.decode()
    founder.post("/datasets/solar/withdraw/", {"version": "", "reason": "A person asked."})
    assert browser().get("/datasets/solar/").status_code == 410


def test_the_whole_way_works_over_the_api(library: Library) -> None:
    founder, rival, steward = (Program(who, library) for who in (library.founder, library.rival, library.steward))
    body = {**FACTS, "organisation": library.allocation.organisation.pk, "slug": "solar"}
    assert rival("POST", "/datasets", body)[0] == 404
    assert founder("POST", "/datasets", {**body, "licence": ""})[0] == 422
    assert founder("POST", "/datasets", body)[0] == 201
    assert founder("PATCH", "/datasets/solar", {"domain": "Sun"})[1]["domain"] == "Sun"
    assert founder("POST", "/datasets/solar/versions", {"version": "../1"})[0] == 422
    assert founder("POST", "/datasets/solar/versions", {"version": "1"})[0] == 201
    code, upload = founder("POST", "/datasets/solar/uploads", {"version": "1", "path": "a.csv", "size_bytes": len(CSV)})
    assert (code, upload["state"], len(upload["parts"])) == (201, "receiving", 1)
    assert "/u/" in upload["parts"][0]["url"]
    one = f"/dataset-uploads/{upload['id']}"
    assert rival("GET", one)[0] == 404
    assert founder("POST", f"{one}/complete")[1]["code"] == "parts_missing"
    send(library, Version.objects.get(dataset__slug="solar"), "a.csv")
    assert founder("GET", one)[1]["state"] == "stored"
    assert founder("POST", "/datasets/solar/versions/1/submit", NOBODY)[1]["state"] == "in_review"
    assert rival("POST", "/datasets/solar/versions/1/review", {"outcome": "publish"})[0] == 404
    assert steward("POST", "/datasets/solar/versions/1/review", {"outcome": "publish"})[1]["state"] == "published"
    assert founder("GET", "/datasets/solar/files")[1]["items"][0]["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert founder("POST", "/datasets/solar/versions/1/withdraw", {"reason": "Unit."})[1]["state"] == "withdrawn"


def test_a_part_link_dies_with_its_upload_and_with_the_right_to_send(library: Library) -> None:
    version = begin(library, offer(library))
    upload = send(library, version, parts=[])
    words = f"{library.founder.pk}-{upload.pk}"
    uploading.ticket_check(words, key=upload.key, at=library.now)
    with pytest.raises(Refusal):
        uploading.ticket_check(f"{library.rival.pk}-{upload.pk}", key=upload.key, at=library.now)
    with pytest.raises(Refusal):
        uploading.ticket_check(words, key="datasets/air/1/table.csv", at=library.now)
    uploading.upload_give_up(upload=upload, by=library.founder, at=library.now)
    with pytest.raises(Refusal):
        uploading.ticket_check(words, key=upload.key, at=library.now)


def test_a_file_too_large_for_the_plain_form_says_what_to_use(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "SIZE_MAX", 5)
    version = begin(library, offer(library))
    with pytest.raises(Malformed, match="commons put"):
        direct.upload_whole(
            version=version, path="a.csv", file=SimpleUploadedFile("a.csv", CSV), by=library.founder, at=library.now
        )


def test_the_database_keeps_one_upload_of_a_path_and_reasons_of_refusals(library: Library) -> None:
    version = begin(library, offer(library))
    upload = send(library, version, parts=[])
    with pytest.raises(IntegrityError, match="upload"), transaction.atomic():
        Upload.objects.create(
            version=version,
            path=upload.path,
            size_bytes=1,
            part_bytes=1,
            key="incoming/1/x",
            store_upload="x",
            created_at=library.now,
            due_at=library.now,
        )
    with pytest.raises(IntegrityError, match="a_refused_upload_says_why"), transaction.atomic():
        Upload.objects.update(state="refused")


def test_sniffing_knows_what_it_is_shown(tmp_path: Path) -> None:
    for path, body, kind in (
        ("a.csv", CSV, "text"),
        ("a.json", b"{}", "text"),
        ("a.bin", b"\x00\x01", "unknown"),
        ("a.csv.gz", b"\x1f\x8b\x08", "gzip"),
        ("a.png", b"\x89PNG\r\n", "PNG image"),
        ("a.csv", "name\nÅsa\n".encode("utf-8-sig"), "text"),
    ):
        assert sniffing.sniff(io.BytesIO(body), path=path, size=len(body)) == kind
    cut = ("é" * 40_000).encode()  # the window ends in the middle of a letter
    assert sniffing.sniff(io.BytesIO(cut + b"\n"), path="a.txt", size=len(cut) + 1) == "text"


def test_a_person_of_the_enterprise_does_not_review_it(library: Library) -> None:
    from portal.accounts.models import Role

    insider = portal.person("insider", Role.STEWARD, at=library.now)
    portal.member(library.allocation.organisation, insider, "member", at=library.now)  # type: ignore[arg-type]
    version = begin(library, offer(library))
    send(library, version)
    handing_in.version_submit(version=version, personal=NOBODY, by=library.founder, at=library.now)
    with pytest.raises(NotAllowed):
        handing_in.version_review(version=version, outcome="publish", note="", by=insider, at=library.now)
    assert library.letters(insider) == []
