"""What somebody could try who may contribute, ask, or once belonged: each attempt as it was made, and what it meets."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from allocations.datasets import checking, croissant_read, handing_in, offering, policies, selectors, services, uploading
from allocations.datasets.models import Access, Dataset, Upload, Version
from portal.accounts.models import Role, RoleGrant, User
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal
from portal.organisations.models import Membership
from tests.support import portal

from .conftest import Library
from .test_access import ask, decide, read
from .test_contributing import CSV, FACTS, NOBODY, begin, offer, send, stored
from .test_pages import Program, browser

pytestmark = pytest.mark.django_db(databases=settings.DATABASES.keys())


def handed_in(library: Library, *, personal: dict[str, str] = NOBODY, **facts: Any) -> Version:
    """A version that waits for a reviewer."""
    version = begin(library, offer(library, **facts))
    send(library, version)
    return handing_in.version_submit(version=version, personal=personal, by=library.founder, at=library.now)


def published(library: Library, **facts: Any) -> Dataset:
    version = handed_in(library, **facts)
    handing_in.version_review(version=version, outcome="publish", note="", by=library.steward, at=library.now)
    return Dataset.objects.get(slug="solar")


# --- files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [("a.csv", "a.csv/b.csv"), ("a.csv/b.csv", "a.csv")])
def test_a_name_that_is_a_file_and_a_folder_is_refused_and_stops_nobodys_checks(
    library: Library, first: str, second: str
) -> None:
    version = begin(library, offer(library))
    assert send(library, version, first).state == "stored"
    with pytest.raises(Refusal) as refusal:
        send(library, version, second)
    assert refusal.value.code == "path_taken"
    send(library, version, "coming/x.csv", parts=[])
    with pytest.raises(Refusal):
        send(library, version, "coming")
    assert send(library, version, "other.csv").state == "stored"


def test_one_object_that_cannot_be_moved_holds_up_no_other(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    version = begin(library, offer(library))
    with monkeypatch.context() as broken:
        broken.setattr(checking, "_into_place", _power_cut)
        stuck = send(library, version, "stuck.csv")
    (stored().root / "datasets/solar/1/stuck.csv").mkdir(parents=True)  # type: ignore[attr-defined]
    assert send(library, version, "other.csv").state == "stored"
    with pytest.raises(Refusal) as refusal:
        handing_in.version_submit(version=version, personal=NOBODY, by=library.founder, at=library.now)
    assert refusal.value.code == "uploads_open", "a file that is not in its place is not reviewed"
    (stored().root / "datasets/solar/1/stuck.csv").rmdir()  # type: ignore[attr-defined]
    checking.uploads_due(at=library.now)
    stuck.refresh_from_db()
    assert stuck.moved
    assert stored().open("datasets/solar/1/stuck.csv").read() == CSV


def _power_cut(*_: Any) -> None:
    raise OSError("power cut")


def test_half_of_one_file_and_half_of_another_never_become_one(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen again in the browser after it was saved anew: as long as before, other bytes."""
    monkeypatch.setattr(uploading, "PART_BYTES", 10)
    version = begin(library, offer(library))
    other = CSV.upper()
    page = browser(library.founder)

    def choose(changed: str) -> dict[str, Any]:
        said = json.dumps({"path": "yield.csv", "size_bytes": len(CSV), "changed": changed})
        return page.post("/datasets/solar/versions/1/uploads/", said, "application/json").json()

    first = choose("1700000000000")
    keeper: Any = uploading.store()
    upload = Upload.objects.get(pk=first["id"])
    keeper.upload_put(upload=upload.store_upload, number=1, source=io.BytesIO(CSV[:10]), size=10)
    assert choose("1700000000000")["id"] == first["id"], "the same file goes on"
    anew = choose("1700000009999")
    assert anew["id"] != first["id"]
    assert not any(part["done"] for part in anew["parts"])
    # Begun by who said no sha256, gone on with by a program that knows it: what arrives is compared.
    Upload.objects.filter(pk=anew["id"]).update(changed="")
    assert send(library, version, body=CSV, parts=[1]).pk == anew["id"]
    mixed = send(library, version, body=other, sha256=hashlib.sha256(other).hexdigest())
    assert (mixed.pk, mixed.state) == (anew["id"], "refused")
    assert "another sha256" in mixed.error
    assert send(library, version, body=other, sha256=hashlib.sha256(other).hexdigest()).state == "stored"
    assert stored().open(version.files.get().key).read() == other


def test_a_file_is_not_taken_out_of_what_a_reviewer_looks_at(library: Library) -> None:
    version = begin(library, offer(library))
    send(library, version)
    send(library, version, "more.csv")
    stale = Version.objects.select_related("dataset").get(pk=version.pk)
    handing_in.version_submit(version=version, personal=NOBODY, by=library.founder, at=library.now)
    with pytest.raises(Refusal) as refusal:
        uploading.file_remove(version=stale, path="more.csv", by=library.founder)
    assert refusal.value.code == "version_closed"
    assert stored().open("datasets/solar/1/more.csv").read() == CSV


def test_what_was_removed_while_it_was_checked_lies_nowhere(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checked, removed, and only then moved: it would lie beside what was reviewed, for whoever lists the folder."""
    version = begin(library, offer(library))
    into_place = checking._into_place

    def meanwhile(upload: Upload, key: str) -> None:
        uploading.file_remove(version=Version.objects.get(pk=version.pk), path="hidden.csv", by=library.founder)
        into_place(upload, key)

    monkeypatch.setattr(checking, "_into_place", meanwhile)
    send(library, version, "hidden.csv")
    assert [found.key for found in stored().list("") if "solar" in found.key or "incoming" in found.key] == []


def test_the_look_into_a_table_knows_no_secret_of_the_portal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A reader of Parquet is fed by strangers: it gets no environment to tell of."""
    monkeypatch.setattr(checking.settings, "HOME", tmp_path)
    python = tmp_path / "environments" / "base" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "import json, os; print(json.dumps({{\\"env\\": sorted(os.environ)}}))"\n'
    )
    python.chmod(0o755)
    monkeypatch.setenv("COMMONS_OBJECTS_SECRET_KEY", "s3cret")
    (tmp_path / "a.csv").write_bytes(CSV)
    assert not [name for name in checking.table_look(tmp_path / "a.csv", "a.csv")["env"] if "COMMONS" in name]


def test_words_in_a_table_that_no_database_keeps_are_left_out(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL keeps no null character; a table is checked by whoever can read it, the notebook environment's Python."""
    from tests.support.up import environments_ready

    environment = environments_ready().parent
    monkeypatch.setattr(settings, "HOME", environment)
    made = 'import pyarrow as pa, pyarrow.parquet as pq, sys; pq.write_table(pa.table({"na\\0me": ["x\\0y"]}), sys.argv[1])'
    path = environment / f"evil-{library.founder.pk}.parquet"
    subprocess.run([str(environment / "environments/base/bin/python"), "-c", made, str(path)], check=True)
    body = path.read_bytes()
    path.unlink()
    version = begin(library, offer(library))
    assert send(library, version, "evil.parquet", body).state == "stored"
    file = version.files.get()
    assert (file.columns[0]["name"], file.preview) == ("name", [["xy"]])


def test_a_broken_table_with_a_whole_end_is_refused_by_who_reads_it(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first and last bytes are right; what is between is not."""
    from tests.support.up import environments_ready

    monkeypatch.setattr(settings, "HOME", environments_ready().parent)
    version = begin(library, offer(library))
    upload = send(library, version, "bad.parquet", b"PAR1" + b"\x07" * 400 + (64).to_bytes(4, "little") + b"PAR1")
    assert upload.state == "refused"
    assert "cannot be read as Parquet" in upload.error
    assert list(stored().list("datasets/solar/")) == list(stored().list("incoming/")) == []


@pytest.mark.parametrize(
    ("path", "body", "sha256", "words"),
    [
        ("table.parquet", b"PAR1" + b"x" * 60, "", "broken Parquet"),
        ("table.parquet", b"a,b\n1,2\n", "", "its bytes are something else"),
        ("table.csv", CSV, hashlib.sha256(b"other").hexdigest(), "another sha256"),
        ("table.csv", CSV, "abc", "64 hexadecimal digits"),
        ("empty.csv", b"", "", "is empty"),
        ("../x.csv", CSV, "", "cannot be part of a file's name"),
        ("a/../../x.csv", CSV, "", "cannot be part of a file's name"),
        ("a\x07.csv", CSV, "", "cannot be part of a file's name"),
        ("a\u202egpj.csv", CSV, "", "cannot be part of a file's name"),
        ("/etc/x.csv", CSV, "", "cannot be part of a file's name"),
    ],
)
def test_bad_files_meet_clear_words_at_the_public_door_and_leave_nothing(
    library: Library, path: str, body: bytes, sha256: str, words: str
) -> None:
    begin(library, offer(library))
    founder = Program(library.founder, library)
    wish = {"version": "1", "path": path, "size_bytes": len(body), "sha256": sha256}
    code, upload = founder("POST", "/datasets/solar/uploads", wish)
    if code == 201:
        keeper: Any = uploading.store()
        row = Upload.objects.get(pk=upload["id"])
        keeper.upload_put(upload=row.store_upload, number=1, source=io.BytesIO(body), size=len(body))
        assert founder("POST", f"/dataset-uploads/{upload['id']}/complete")[0] == 200
        checking.uploads_due(at=library.now)
        said = founder("GET", f"/dataset-uploads/{upload['id']}")[1]
        assert (said["state"], words in said["error"]) == ("refused", True), said
    else:
        assert (code, words in upload["detail"]) == (422, True), upload
    assert founder("POST", "/datasets/solar/versions/1/submit", NOBODY)[1]["code"] == "version_empty"
    assert founder("GET", "/datasets/solar")[0] == 404
    left = [found.key for prefix in ("datasets/solar/", "incoming/") for found in stored().list(prefix)]
    assert left == []


# --- what a dataset says --------------------------------------------------------------------------------------------------


def test_what_the_reviewer_was_shown_is_what_is_published(library: Library) -> None:
    """The contributor changes it between the reviewer's page and click."""
    handed_in(library, access_class="controlled", terms="Be kind.")
    page = browser(library.steward)
    seen = page.get("/datasets/solar/versions/1/").content.decode().split('name="seen" value="')[1].split('"')[0]
    offering.dataset_edit(dataset=Dataset.objects.get(slug="solar"), access_class="open", by=library.founder, at=library.now)
    late = page.post("/datasets/solar/versions/1/", {"outcome": "publish", "note": "", "seen": seen})
    assert late.status_code == 422
    assert "changed since you opened" in late.content.decode()
    assert Version.objects.get(dataset__slug="solar").state == "in_review"
    again = late.content.decode().split('name="seen" value="')[1].split('"')[0]
    page.post("/datasets/solar/versions/1/", {"outcome": "publish", "note": "", "seen": again})
    assert Version.objects.get(dataset__slug="solar").state == "published"


def test_health_data_is_not_published_to_more_than_was_answered_for(library: Library) -> None:
    about_health = {"people": "yes", "special": "yes", "lawful": "yes"}
    version = handed_in(library, personal=about_health, access_class="controlled", terms="Be kind.")
    offering.dataset_edit(dataset=version.dataset, access_class="registered", by=library.founder, at=library.now)
    with pytest.raises(Refusal) as refusal:
        handing_in.version_review(version=version, outcome="publish", note="", by=library.steward, at=library.now)
    assert refusal.value.code == "personal_data"
    version.refresh_from_db()
    assert version.state == "in_review"


def test_first_rows_about_people_are_not_shown_without_a_reviewer(library: Library) -> None:
    dataset = published(library, personal={"people": "yes", "special": "no", "lawful": "yes"})
    with pytest.raises(Refusal) as refusal:
        offering.dataset_edit(dataset=dataset, preview_public=True, by=library.founder, at=library.now)
    assert refusal.value.code == "personal_data"
    assert Program(library.founder, library)("PATCH", "/datasets/solar", {"preview_public": True})[0] == 409
    assert not Dataset.objects.get(slug="solar").preview_public


def test_a_slug_of_somebody_else_is_not_taken_nor_written_into(library: Library) -> None:
    published(library)
    rival = Program(library.rival, library)
    theirs = {**FACTS, "organisation": library.rivals.organisation.pk, "slug": "solar"}
    assert rival("POST", "/datasets", theirs)[0] == 422
    assert rival("POST", "/datasets/solar/versions", {"version": "2"})[0] == 404
    assert rival("POST", "/datasets/solar/uploads", {"version": "1", "path": "x.csv", "size_bytes": 5})[0] == 404
    assert rival("POST", "/datasets/solar/withdraw", {"reason": "x"})[0] == 403
    page = browser(library.rival)
    said = json.dumps({"path": "x.csv", "size_bytes": 5})
    assert page.post("/datasets/solar/versions/1/uploads/", said, "application/json").status_code == 404
    assert page.post("/datasets/solar/versions/1/remove/", {"path": "yield.csv"}).status_code == 404
    assert stored().open("datasets/solar/1/yield.csv").read() == CSV


def test_a_description_from_elsewhere_is_words_and_nothing_is_fetched(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("a Croissant file had an address asked")

    inside = "http://169.254.169.254/latest/meta-data/"
    evil = '"><script>alert(1)</script>'
    body = {
        "@context": inside,
        "@type": "sc:Dataset",
        "name": evil,
        "alternateName": evil,
        "description": evil,
        "url": f"javascript:alert(1)//{inside}",
        "license": inside,
        "citeAs": evil,
        "creator": {"name": evil},
        "keywords": [evil],
        "distribution": [{"contentUrl": inside}],
    }
    with monkeypatch.context() as closed:
        closed.setattr(socket.socket, "connect", asked)
        closed.setattr(socket, "getaddrinfo", asked)
        found = croissant_read.facts(json.dumps(body).encode())
    from django.core.files.uploadedfile import SimpleUploadedFile

    page = browser(library.founder).post(
        "/datasets/offer/", {"go": "fill", "croissant": SimpleUploadedFile("c.json", json.dumps(body).encode())}
    )
    assert "<script>alert" not in page.content.decode()
    with pytest.raises(Malformed):
        offer(library, source_url=found.get("source_url", "javascript:x"))
    for field in ("licence_url", "source_url"):
        with pytest.raises(Malformed, match="web address"):
            offer(library, **{field: "javascript:alert(1)"})


def test_json_that_is_deeper_than_anybody_writes_is_refused(library: Library) -> None:
    begin(library, offer(library))
    answer = browser(library.founder).post("/datasets/solar/versions/1/uploads/", "[" * 100_000, "application/json")
    assert answer.status_code == 422


# --- people ---------------------------------------------------------------------------------------------------------------


def test_who_left_the_enterprise_keeps_none_of_its_data_and_its_owners_go_on(library: Library) -> None:
    """The founder offered it and is its steward; he leaves, and another owner is there."""
    published(library, access_class="controlled", terms="Be kind.")
    heir = portal.person("heir", at=library.now)
    portal.member(library.allocation.organisation, heir, "owner", at=library.now)  # type: ignore[arg-type]
    waiting = ask(library, "solar", allocation=library.rivals, by=library.rival)
    with pytest.raises(NotAllowed):
        decide(library, waiting, by=heir)
    Membership.objects.filter(user=library.founder).update(left_at=library.now)
    dataset = Dataset.objects.get(slug="solar")
    assert not policies.may_edit(user=library.founder, dataset=dataset)
    assert list(selectors.queue_for_steward(user=library.founder)) == []
    assert list(selectors.kept_list(user=library.founder)) == []
    with pytest.raises(NotAllowed):
        decide(library, waiting, by=library.founder)
    with pytest.raises(NotYours):
        offering.dataset_edit(dataset=dataset, title="Mine", by=library.founder, at=library.now)
    assert [row.pk for row in selectors.queue_for_steward(user=heir)] == [waiting.pk]
    assert decide(library, waiting, by=heir).state == "granted"
    assert read(library, "solar", allocation=library.rivals) == "1"


def test_requests_of_a_steward_who_is_gone_go_to_the_other_data_stewards(library: Library) -> None:
    other = portal.person("other", Role.STEWARD, at=library.now)
    library.steward.is_active, library.steward.deactivated_at = False, library.now
    library.steward.save()
    row = ask(library)
    assert library.letters(other) == [f"{library.allocation.organisation} asks for Faces"]
    assert [waiting.pk for waiting in selectors.queue_for_steward(user=other)] == [row.pk]
    assert decide(library, row, by=other).state == "granted"


def test_a_role_that_was_taken_away_decides_nothing_any_more(library: Library) -> None:
    """The steward's own, and a delegate's: the other data stewards go on."""
    other, third = (portal.person(name, Role.STEWARD, at=library.now) for name in ("other", "third"))
    row = ask(library)
    services.delegate_set(dataset=row.dataset, delegate=other, until=None, by=library.steward, at=library.now)
    RoleGrant.objects.filter(user=other).delete()
    fresh = User.objects.get(pk=other.pk)
    with pytest.raises(NotAllowed):
        decide(library, Access.objects.get(pk=row.pk), by=fresh)
    assert list(selectors.queue_for_steward(user=fresh)) == []
    RoleGrant.objects.filter(user=library.steward).delete()
    fresh = User.objects.get(pk=library.steward.pk)
    assert list(selectors.queue_for_steward(user=fresh)) == []
    with pytest.raises(NotAllowed):
        decide(library, Access.objects.get(pk=row.pk), by=fresh)
    assert [waiting.pk for waiting in selectors.queue_for_steward(user=third)] == [row.pk]
    assert decide(library, Access.objects.get(pk=row.pk), by=third).state == "granted"


def test_a_steward_grants_nothing_to_an_enterprise_of_their_own_but_its_own_data(library: Library) -> None:
    """They refuse it, or name a delegate, who grants it."""
    own = published(library, access_class="controlled", terms="Be kind.")
    other = portal.person("other", Role.STEWARD, at=library.now)
    portal.member(library.allocation.organisation, library.steward, "member", at=library.now)  # type: ignore[arg-type]
    row = ask(library)
    with pytest.raises(NotAllowed, match="belong to"):
        decide(library, row)
    page = browser(library.steward).post(f"/dataset-requests/{row.pk}/", {"outcome": "grant", "reason": ""})
    assert "name a delegate" in page.content.decode()
    assert Access.objects.get(pk=row.pk).state == "requested"
    services.delegate_set(dataset=row.dataset, delegate=other, until=None, by=library.steward, at=library.now)
    assert decide(library, Access.objects.get(pk=row.pk), by=other).state == "granted"
    assert decide(library, ask(library, own.slug), by=library.founder).state == "granted", "the enterprise's own data"


def test_a_draft_is_seen_by_its_keepers_alone(library: Library) -> None:
    begin(library, offer(library))
    page, api = "/datasets/solar/versions/1/", "/datasets/solar/versions/1"
    assert Program(library.founder, library)("GET", api)[0] == 200
    for stranger in (library.steward, library.rival, library.colleague):
        assert Program(stranger, library)("GET", api)[0] == 404
        assert browser(stranger).get(page).status_code == 404


def test_a_withdrawn_last_version_leaves_the_catalogue_and_its_page_says_why(library: Library) -> None:
    dataset = published(library)
    handing_in.withdraw(
        dataset=dataset, version=dataset.versions.get(), reason="Wrong unit.", by=library.founder, at=library.now
    )
    assert "solar" not in [found.slug for found in selectors.dataset_list()]
    page = browser().get("/datasets/solar/")
    assert page.status_code == 410
    assert "Wrong unit." in page.content.decode()
    assert Program(library.founder, library)("GET", "/datasets/solar")[0] == 404


def test_a_steward_reads_whether_the_terms_were_accepted(library: Library) -> None:
    code, row = Program(library.founder, library)(
        "POST", "/datasets/faces/requests", {"allocation": library.allocation.code, "purpose": "To learn."}
    )
    assert code == 201
    steward = browser(library.steward)
    assert "not accepted yet" in steward.get(f"/dataset-requests/{row['id']}/").content.decode()
    assert Program(library.founder, library)("POST", "/datasets/faces/accept-terms", {"terms": 1})[0] == 201
    assert "not accepted yet" not in steward.get(f"/dataset-requests/{row['id']}/").content.decode()
