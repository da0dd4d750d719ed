"""Who may read what, until when, and what they are told when they may not."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from allocations.datasets import access, downloads, prefixes, publishing, services
from allocations.datasets.models import Access, Dataset, DatasetFile, Version
from allocations.datasets.states import (
    TRANSITIONS,
    VERSION_TRANSITIONS,
    A,
    Actor,
    Hand,
    V,
    check_transition,
    check_version_transition,
)
from portal.core.errors import Malformed, NotAllowed, NotYours, Refusal

from .conftest import Library


def get(slug: str) -> Dataset:
    return Dataset.objects.get(slug=slug)


def read(library: Library, slug: str, **asked: Any) -> str:
    """Which version the founder's allocation reads, or the code of the refusal."""
    asked = {"allocation": library.allocation, "version": "", "at": library.now, **asked}
    try:
        return access.manifest(slug=slug, **asked).version.name
    except Refusal as refusal:
        return refusal.code


def ask(library: Library, slug: str = "faces", **changes: Any) -> Access:
    values = {"allocation": library.allocation, "purpose": "To learn.", "by": library.founder, "at": library.now, **changes}
    return services.access_request(dataset=get(slug), **values)


def decide(library: Library, row: Access, outcome: str = "grant", reason: str = "", **changes: Any) -> Access:
    return services.access_decide(
        access=row, outcome=outcome, reason=reason, **{"by": library.steward, "at": library.now, **changes}
    )


@pytest.mark.parametrize(("old", "new", "actor"), list(itertools.product(A, A, Actor)))
def test_every_move_is_allowed_or_refused(old: A, new: A, actor: Actor) -> None:
    if actor in TRANSITIONS.get((old, new), frozenset()):
        check_transition(old=old, new=new, actor=actor)
    else:
        with pytest.raises(Refusal) as refusal:
            check_transition(old=old, new=new, actor=actor)
        assert refusal.value.code == "move_not_allowed"


@pytest.mark.parametrize(("old", "new", "hand"), list(itertools.product(V, V, Hand)))
def test_every_move_of_a_version_is_allowed_or_refused(old: V, new: V, hand: Hand) -> None:
    if hand in VERSION_TRANSITIONS.get((old, new), frozenset()):
        check_version_transition(old=old, new=new, hand=hand)
    else:
        with pytest.raises(Refusal) as refusal:
            check_version_transition(old=old, new=new, hand=hand)
        assert refusal.value.code == "move_not_allowed"


def test_open_is_read_by_everybody_and_the_others_say_what_is_missing(library: Library) -> None:
    assert [read(library, slug) for slug in ("air", "sea", "faces")] == ["1", "terms_not_accepted", "not_granted"]
    assert read(library, "nothing") == "no_such_dataset"
    assert read(library, "air", version="7") == "no_such_version"


def test_a_registered_dataset_is_read_once_its_terms_are_accepted_by_one_of_the_project(library: Library) -> None:
    rows = services.terms_accept(dataset=get("sea"), by=library.colleague, at=library.now, allocations=[library.allocation])
    assert [row.state for row in rows] == ["granted"]
    assert read(library, "sea") == "1"
    assert read(library, "sea", allocation=library.rivals) == "terms_not_accepted"
    again = services.terms_accept(dataset=get("sea"), by=library.founder, at=library.now, allocations=[library.allocation])
    assert [row.pk for row in again] == [row.pk for row in rows]


def test_new_terms_ask_holders_again_for_new_versions_only(library: Library) -> None:
    """Once per terms: what was accepted goes on being read; a version that came with new terms waits for their acceptance."""
    for allocation, by in ((library.allocation, library.founder), (library.rivals, library.rival)):
        services.terms_accept(dataset=get("sea"), by=by, at=library.now, allocations=[allocation])
    terms = publishing.terms_publish(dataset=get("sea"), text="Be kinder.", by=None, at=library.now)
    assert read(library, "sea") == "1", "new terms alone change nothing for what is read"
    assert "New terms of Sea" in library.letters(library.founder)
    library.version(get("sea"), "2")
    assert read(library, "sea") == "1", "the newest that was accepted"
    assert read(library, "sea", version="1") == "1"
    assert read(library, "sea", version="2") == "terms_changed"
    found = access.manifest(allocation=library.allocation, slug="sea", version="", at=library.now)
    assert found.newer is not None
    assert found.newer.name == "2"
    with pytest.raises(access.AccessDenied) as refusal:
        access.manifest(allocation=library.allocation, slug="sea", version="2", at=library.now)
    for words in ("new terms (number 2)", library.allocation.code, "/datasets/sea/", "commons://sea@1/"):
        assert words in refusal.value.message
    reach = {row.slug: row.prefixes for row in prefixes.readable_prefixes(allocation=library.allocation, at=library.now)}
    assert reach["sea"] == ("datasets/sea/1/",)

    # The page was opened before the terms changed: the click accepts nothing.
    with pytest.raises(Refusal) as stale:
        services.terms_accept(
            dataset=get("sea"), by=library.founder, at=library.now, allocations=[library.allocation], terms_number=1
        )
    assert stale.value.code == "terms_changed"
    assert read(library, "sea", version="2") == "terms_changed"

    for _ in range(2):
        services.terms_accept(
            dataset=get("sea"),
            by=library.colleague,
            at=library.now,
            allocations=[library.allocation],
            terms_number=terms.number,
        )
    assert read(library, "sea") == read(library, "sea", version="2") == "2"
    assert access.manifest(allocation=library.allocation, slug="sea", version="", at=library.now).newer is None
    assert read(library, "sea", allocation=library.rivals, version="2") == "terms_changed", "each project for itself"
    reach = {row.slug: row.prefixes for row in prefixes.readable_prefixes(allocation=library.allocation, at=library.now)}
    assert reach["sea"] == ("datasets/sea/2/", "datasets/sea/1/")


def test_links_of_a_version_under_new_terms_are_refused_too(library: Library) -> None:
    services.terms_accept(dataset=get("sea"), by=library.founder, at=library.now, allocations=[library.allocation])
    publishing.terms_publish(dataset=get("sea"), text="Be kinder.", by=None, at=library.now)
    library.version(get("sea"), "2")
    words = f"{library.founder.pk}-{library.allocation.pk}"
    downloads.ticket_check(words, key="datasets/sea/1/table.csv", at=library.now)
    with pytest.raises(access.AccessDenied) as refusal:
        downloads.ticket_check(words, key="datasets/sea/2/table.csv", at=library.now)
    assert refusal.value.code == "terms_changed"


def test_who_accepts_first_now_reads_every_version(library: Library) -> None:
    publishing.terms_publish(dataset=get("sea"), text="Be kinder.", by=None, at=library.now)
    library.version(get("sea"), "2")
    services.terms_accept(dataset=get("sea"), by=library.founder, at=library.now, allocations=[library.allocation])
    assert [read(library, "sea", version=name) for name in ("", "1", "2")] == ["2", "1", "2"]


def test_terms_that_changed_between_page_and_click_accept_nothing(library: Library) -> None:
    publishing.terms_publish(dataset=get("sea"), text="Be kinder.", by=None, at=library.now)
    with pytest.raises(Refusal) as refusal:
        services.terms_accept(
            dataset=get("sea"), by=library.founder, at=library.now, allocations=[library.allocation], terms_number=1
        )
    assert refusal.value.code == "terms_changed"
    assert read(library, "sea") == "terms_not_accepted"


def test_the_steward_grants_a_controlled_dataset_and_everybody_is_told(library: Library) -> None:
    row = ask(library, until=library.now.date() + timedelta(days=10))
    assert (row.state, str(row.due_on)) == ("requested", "2026-03-16")  # ten working days after Monday 2 March
    assert read(library, "faces") == "access_requested"
    assert library.letters(library.steward) == [f"{library.allocation.organisation} asks for Faces"]

    decide(library, row)
    assert read(library, "faces") == "1"
    assert library.letters(library.founder) == [f"{library.allocation.code} may read Faces"]
    assert read(library, "faces", at=library.now + timedelta(days=10)) == "1"
    assert read(library, "faces", at=library.now + timedelta(days=11)) == "access_ended"


def test_a_grant_never_outlasts_the_allocation(library: Library) -> None:
    row = decide(library, ask(library), until=library.now.date() + timedelta(days=900))
    assert row.granted_until == library.allocation.ends_on


def test_a_refusal_needs_a_reason_which_is_mailed_and_met_in_the_notebook(library: Library) -> None:
    row = ask(library)
    with pytest.raises(Malformed):
        decide(library, row, "reject", " ")
    decide(library, row, "reject", "Say which columns.")
    with pytest.raises(Refusal, match=r"refused it to A-\d+: Say which columns"):
        access.manifest(allocation=library.allocation, slug="faces", version="", at=library.now)
    assert library.letters(library.founder) == ["Access to Faces was refused"]
    assert ask(library).state == "requested"  # may ask again


def test_revoking_ends_one_grant_and_touches_no_other(library: Library) -> None:
    services.terms_accept(dataset=get("sea"), by=library.founder, at=library.now, allocations=[library.allocation])
    mine = decide(library, ask(library))
    decide(library, ask(library, allocation=library.rivals, by=library.rival))
    with pytest.raises(Malformed):
        services.access_revoke(access=mine, reason="", by=library.steward, at=library.now)
    services.access_revoke(access=mine, reason="The study ended.", by=library.steward, at=library.now)
    assert read(library, "faces") == "access_revoked"
    assert read(library, "sea") == "1"
    assert read(library, "faces", allocation=library.rivals) == "1"
    with pytest.raises(Refusal, match="cannot become revoked"):
        services.access_revoke(access=mine, reason="again", by=library.steward, at=library.now)


def test_only_the_steward_decides_and_only_the_project_withdraws(library: Library) -> None:
    row = ask(library)
    for stranger in (library.founder, library.rival):
        with pytest.raises(NotAllowed):
            decide(library, row, by=stranger)
    with pytest.raises(NotYours):
        services.access_withdraw(access=row, by=library.rival, at=library.now)
    services.access_withdraw(access=row, by=library.colleague, at=library.now)
    with pytest.raises(Refusal, match="withdrawn cannot become granted"):
        decide(library, row)


def test_asking_has_its_own_refusals(library: Library) -> None:
    for slug, code in (("air", "not_controlled"), ("sea", "not_controlled")):
        with pytest.raises(Refusal) as refusal:
            ask(library, slug)
        assert refusal.value.code == code
    with pytest.raises(Malformed):
        ask(library, purpose="  ")
    with pytest.raises(Malformed):
        ask(library, until=library.now.date() - timedelta(days=1))
    with pytest.raises(NotYours):
        ask(library, by=library.rival)
    ask(library)
    with pytest.raises(Refusal) as refusal:
        ask(library)
    assert refusal.value.code == "already_asked"


def test_datasets_named_in_an_award_become_granted_waiting_for_terms_and_requested(library: Library) -> None:
    services.requests_from_award(
        allocation=library.allocation,
        slugs=["air", "sea", "faces", "gone"],
        by=library.founder,
        purpose="Forecasts",
        at=library.now,
    )
    states = dict(Access.objects.values_list("dataset__slug", "state"))
    assert states == {"air": "granted", "sea": "awaiting_terms", "faces": "requested"}
    assert library.letters(library.founder) == ["One click until you can read Sea"]
    services.requests_from_award(allocation=library.allocation, slugs=["faces"], by=None, purpose="", at=library.now)
    assert Access.objects.count() == 3
    services.terms_accept(dataset=get("sea"), by=library.founder, at=library.now, allocations=[library.allocation])
    assert read(library, "sea") == "1"


def test_grants_end_by_the_clock(library: Library) -> None:
    row = decide(library, ask(library, until=library.now.date() + timedelta(days=1)))
    services.accesses_by_date(at=library.now + timedelta(days=1))
    row.refresh_from_db()
    assert row.state == "granted"
    services.accesses_by_date(at=library.now + timedelta(days=2))
    row.refresh_from_db()
    assert row.state == "expired"


def test_a_session_may_be_narrowed_and_reads_nothing_else(library: Library) -> None:
    decide(library, ask(library))
    assert read(library, "faces", narrowed=["faces"]) == "1"
    assert read(library, "air", narrowed=["faces"]) == "not_in_this_session"
    found = access.readable_datasets(allocation=library.allocation, at=library.now)
    assert [dataset.slug for dataset in found] == ["air", "faces"]
    found = access.readable_datasets(allocation=library.allocation, at=library.now, narrowed=[])
    assert list(found) == []


def test_the_newest_version_is_read_unless_another_is_named(library: Library) -> None:
    library.version(get("air"), "2024-06", b"a,b\n3,4\n")
    assert read(library, "air") == "2024-06"
    assert read(library, "air", version="1") == "1"
    newest = Version.objects.get(name="2024-06")
    publishing.version_withdraw(
        version=newest, reason="Wrong column.", by=library.steward, at=library.now, hand=Hand.CONTRIBUTOR
    )
    assert read(library, "air") == "1"
    assert read(library, "air", version="2024-06") == "version_withdrawn"


def test_a_published_version_never_changes(library: Library) -> None:
    import io

    version = get("air").versions.get()
    with pytest.raises(Refusal) as refusal:
        publishing.file_add(version=version, facts=publishing.FileFacts("more.csv"), source=io.BytesIO(b"x"))
    assert refusal.value.code == "version_published"
    with pytest.raises(Refusal, match="published cannot become published"):
        publishing.version_publish(version=version, by=None, at=library.now)


@pytest.mark.parametrize("name", ["../evil.csv", "a\x01.csv", ".hidden", "a b.csv", "x" * 300])
def test_a_file_with_a_bad_name_or_no_bytes_leaves_nothing(library: Library, name: str) -> None:
    import io

    version = publishing.version_create(dataset=get("air"), name="2", notes="", by=None, at=library.now)
    for path, body in ((name, b"x"), ("empty.csv", b"")):
        with pytest.raises(Malformed):
            publishing.file_add(version=version, facts=publishing.FileFacts(path), source=io.BytesIO(body))
    assert not version.files.exists()
    with pytest.raises(Refusal) as refusal:
        publishing.version_publish(version=version, by=None, at=library.now)
    assert refusal.value.code == "version_empty"


@pytest.mark.parametrize(
    ("constraint", "row"),
    [
        ("datasets_a_grant_has_a_last_day", {"state": "granted"}),
        ("datasets_a_refusal_has_a_reason", {"state": "rejected"}),
        ("datasets_a_waiting_request_has_a_due_date", {"state": "requested"}),
    ],
)
def test_the_database_keeps_each_promise_about_accesses(library: Library, constraint: str, row: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Access.objects.create(dataset=get("air"), allocation=library.allocation, asked_at=library.now, **row)


def test_the_database_keeps_each_promise_about_what_there_is(library: Library) -> None:
    breaking: list[tuple[str, Any]] = [
        ("withdrawn_says_why", lambda: Dataset.objects.update(withdrawn_at=library.now)),
        ("a_withdrawn_version_says_why", lambda: Version.objects.update(withdrawn_at=library.now, state="withdrawn")),
        ("a_version_is_published_on_a_day", lambda: Version.objects.update(state="draft")),
        ("a_sha256_has_64_digits", lambda: DatasetFile.objects.update(sha256="abc")),
        ("no_file_is_empty", lambda: DatasetFile.objects.update(size_bytes=0)),
    ]
    for constraint, act in breaking:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            act()
    ask(library)
    with pytest.raises(IntegrityError), transaction.atomic():
        Access.objects.create(
            dataset=get("faces"),
            allocation=library.allocation,
            state="requested",
            asked_at=library.now,
            due_on=library.now.date(),
        )
