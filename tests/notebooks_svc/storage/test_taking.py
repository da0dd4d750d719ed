"""Everything a person takes along, and what they do not; also after the end, until the files are deleted on the day told."""

from __future__ import annotations

import io
import os
import zipfile
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from allocations.projects import services
from notebooks_svc.sessions.doors.agent import AgentDoor
from notebooks_svc.storage import archive, taking
from notebooks_svc.storage.taking import Item
from portal.accounts.models import User
from portal.audit.models import Letter
from portal.core.errors import NotAllowed, Refusal
from portal.organisations.models import Membership

from .conftest import Ground

pytestmark = pytest.mark.django_db(databases="__all__")


def taken(ground: Ground, user: User) -> dict[str, bytes]:
    """What the archive of a person holds."""
    items = list(taking.items_for_user(user=user, allocation=ground.allocation, at=ground.now))
    body = b"".join(archive.archive_stream(items, words="About.", at=ground.now))
    assert len(body) == archive.archive_length(items, words="About.")
    with zipfile.ZipFile(io.BytesIO(body)) as found:
        assert found.testzip() is None
        return {name: found.read(name) for name in found.namelist()}


@pytest.fixture
def full(ground: Ground) -> Ground:
    """Both teams have files; the founder's folder holds what programs make anew, and a link that leads outside."""
    ground.write(ground.founder, "work/énergie 1.ipynb", b"{}")
    ground.write(ground.founder, ".packages/lib/big.so", b"x" * 100)
    ground.write(ground.founder, "empty.txt", b"")
    ground.write(ground.colleague, "private.txt", b"mine")
    ground.write("shared", "plan.csv", b"a,b\n1,2\n")
    ground.write(ground.rival, "secret.txt", b"theirs", of=ground.rivals)
    home = ground.homes / ground.allocation.code / ground.founder.hub_username
    (home / "outside").symlink_to("/etc")
    (home / "theirs.txt").symlink_to(ground.homes / ground.rivals.code / ground.rival.hub_username / "secret.txt")
    ground.sweep()
    return ground


def test_a_person_takes_their_own_files_the_teams_and_the_papers(full: Ground) -> None:
    found = taken(full, full.founder)
    assert set(found) == {
        "statement.csv",
        "use.csv",
        "home/work/énergie 1.ipynb",
        "home/empty.txt",
        "shared/plan.csv",
        "READ-ME.txt",
    }
    assert found["home/work/énergie 1.ipynb"] == b"{}"
    assert b"grant" in found["statement.csv"]
    colleague = taken(full, full.colleague)
    assert {name for name in colleague if name.startswith(("home", "shared"))} == {"home/private.txt", "shared/plan.csv"}


def test_an_owner_takes_the_files_of_people_who_left_and_they_take_nothing(full: Ground) -> None:
    Membership.objects.filter(user=full.colleague).update(left_at=full.now)
    assert taken(full, full.founder)["people-who-left/colleague@example.org/private.txt"] == b"mine"
    with pytest.raises(NotAllowed):
        taken(full, full.colleague)


def test_nobody_else_takes_anything(full: Ground, signed_in: Any) -> None:
    base = f"/allocations/{full.allocation.code}/files"
    for path in ("/everything.zip", "/list.csv", "/content?path=home/empty.txt"):
        assert signed_in(full.rival).get(base + path).status_code == 404, path
        assert signed_in(full.officer).get(base + path).status_code == 403, path


def test_the_archive_says_its_length_first_and_is_what_it_said(full: Ground, signed_in: Any) -> None:
    answer = signed_in(full.founder).get(
        f"/allocations/{full.allocation.code}/files/everything.zip", HTTP_ACCEPT_ENCODING="gzip"
    )
    body = b"".join(answer.streaming_content)
    assert int(answer["Content-Length"]) == len(body)
    assert answer["Content-Encoding"] == "identity"
    with zipfile.ZipFile(io.BytesIO(body)) as found:
        assert "shared/plan.csv" in found.namelist()


def test_a_file_that_shrank_or_went_meanwhile_is_named_and_the_length_stays(full: Ground) -> None:
    growing = full.write(full.founder, "growing.log", b"x" * 1000)
    full.write(full.founder, "going.bin", b"y" * 5_000_000)
    items = list(taking.items_for_user(user=full.founder, allocation=full.allocation, at=full.now))
    said = archive.archive_length(items, words="About.")
    growing.write_bytes(b"x" * 2000)
    (full.homes / full.allocation.code / full.founder.hub_username / "going.bin").unlink()
    body = b"".join(archive.archive_stream(items, words="About.", at=full.now))
    assert len(body) == said
    with zipfile.ZipFile(io.BytesIO(body)) as found:
        assert found.testzip() is None
        assert found.read("home/growing.log") == b"x" * 1000
        assert "home/going.bin" in found.read("READ-ME.txt").decode()
        assert "home/growing.log" not in found.read("READ-ME.txt").decode()


def test_lengths_are_right_beyond_two_gib(full: Ground) -> None:
    """Sizes where the format changes: counted, not written to disk."""
    piece = b"\0" * 2**22

    class Zeros:
        def __enter__(self) -> Any:
            return iter(lambda: piece, b"")

        def __exit__(self, *_: object) -> None:
            pass

    items = [Item(f"{n}.bin", size, full.now, lambda start: Zeros()) for n, size in enumerate((2**31 + 5, 7, 0))]  # type: ignore[arg-type, return-value]
    assert sum(map(len, archive.archive_stream(items, words="", at=full.now))) == archive.archive_length(items, words="")


def test_one_file_is_fetched_alone_and_gone_on_with(full: Ground, signed_in: Any) -> None:
    browser, base = signed_in(full.founder), f"/allocations/{full.allocation.code}/files/content"
    whole = browser.get(base, {"path": "shared/plan.csv"})
    assert b"".join(whole.streaming_content) == b"a,b\n1,2\n"
    rest = browser.get(base, {"path": "shared/plan.csv"}, HTTP_RANGE="bytes=4-")
    assert (rest.status_code, b"".join(rest.streaming_content)) == (206, b"1,2\n")
    assert browser.get(base, {"path": "shared/plan.csv"}, HTTP_RANGE="bytes=99-").status_code == 416
    for path in ("shared/none.csv", "home/../shared/plan.csv", "home/outside/passwd", "home/theirs.txt", "../../x", ""):
        assert browser.get(base, {"path": path}).status_code == 404, path


def test_a_file_is_found_without_listing_the_others_unless_its_name_was_made_safe(
    full: Ground, signed_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    full.write(full.founder, "odd:name?.txt", b"odd")
    listed: list[str] = []
    ask = AgentDoor.folder_list

    def counted(self: AgentDoor, team: str, path: str = "") -> Any:
        listed.append(path)
        return ask(self, team, path)

    monkeypatch.setattr(AgentDoor, "folder_list", counted)
    browser, base = signed_in(full.founder), f"/allocations/{full.allocation.code}/files/content"
    assert b"".join(browser.get(base, {"path": "home/work/énergie 1.ipynb"}).streaming_content) == b"{}"
    assert listed == [f"{full.founder.hub_username}/work/énergie 1.ipynb"]
    assert b"".join(browser.get(base, {"path": "home/odd_name_.txt"}).streaming_content) == b"odd"
    for path in (
        "home/.packages/lib/big.so",
        f"{full.colleague.hub_username}/private.txt",
        f"home/../{full.colleague.hub_username}/private.txt",
    ):
        assert browser.get(base, {"path": path}).status_code == 404, path


def test_the_list_names_each_file_with_its_address(full: Ground, signed_in: Any) -> None:
    text = b"".join(
        signed_in(full.founder).get(f"/allocations/{full.allocation.code}/files/list.csv").streaming_content
    ).decode()
    line = next(line for line in text.splitlines() if line.startswith("shared/plan.csv,8,"))
    assert "/files/content?path=shared%2Fplan.csv" in line


def test_an_agent_opens_nothing_beside_a_teams_folder(full: Ground, settings: Any) -> None:
    agent = full.allocation.resources.get().resource.site.agent_url + "/v1/folders"
    token = {"Authorization": f"Bearer {settings.SITE_TOKEN}"}
    own = full.founder.hub_username
    code = full.allocation.code
    os.mkfifo(full.homes / code / own / "pipe")  # opening it would wait for ever
    assert httpx.get(f"{agent}/{code}/file", params={"path": "shared/plan.csv"}, headers=token).text.startswith("a,b")
    tricks = [
        "../x", f"../{full.rivals.code}/{full.rival.hub_username}/secret.txt", "/etc/passwd", f"{own}/outside/passwd",
        f"{own}/theirs.txt", f"{own}/pipe", f"{own}", "", "shared//plan.csv", "shared/./plan.csv", "shared/\0",
    ]  # fmt: skip
    for path in tricks:
        assert httpx.get(f"{agent}/{code}/file", params={"path": path}, headers=token).status_code == 404, path
    for team in ("..", ".", "%2e%2e", "a%2fb"):
        assert httpx.get(f"{agent}/{team}/file", params={"path": "x"}, headers=token).status_code == 404, team
        assert httpx.post(f"{agent}/{team}/remove", headers=token).status_code in (404, 405), team
    assert httpx.get(f"{agent}/{code}").status_code == 401


def test_files_are_kept_for_30_days_told_before_and_deleted_on_that_day(full: Ground, signed_in: Any) -> None:
    services.allocation_end(allocation=full.allocation, reason="Over.", by=full.founder, at=full.now)
    full.sweep()
    last = full.now.date() + timedelta(days=30)
    assert full.kept().delete_on == last
    assert "home/empty.txt" in taken(full, full.founder), "also after the end"
    page = signed_in(full.founder).get(f"/allocations/{full.allocation.code}/files/").content.decode()
    assert f"{last:%-d %b %Y}" in page
    told = Letter.objects.filter(kind="storage.deletion_near")
    dates: list[date] = []
    for _ in range(29):
        full.later(days=1)
        full.sweep()
        dates += [full.now.date()] * (told.count() - len(dates))
    assert dates == [last - timedelta(days=7), last - timedelta(days=1)]
    assert (full.homes / full.allocation.code).exists()
    full.later(days=1)
    full.sweep()
    assert not (full.homes / full.allocation.code).exists()
    assert (full.homes / full.rivals.code / full.rival.hub_username / "secret.txt").read_bytes() == b"theirs"
    assert full.kept().deleted_at is not None
    assert not list(full.homes.glob(".removed-*"))
    with pytest.raises(Refusal) as gone:
        taken(full, full.founder)
    assert (gone.value.code, gone.value.status) == ("files_deleted", 410)
    assert Letter.objects.filter(kind="storage.deleted").count() == 1


def test_nothing_is_deleted_that_was_not_told_a_week_before(full: Ground) -> None:
    services.allocation_end(allocation=full.allocation, reason="Over.", by=full.founder, at=full.now)
    full.later(days=45)  # the portal was away for six weeks
    full.sweep()
    assert full.kept().delete_on == full.now.date() + timedelta(days=7)
    full.later(days=6)
    full.sweep()
    assert (full.homes / full.allocation.code).exists()
    full.later(days=1)
    full.sweep()
    assert not (full.homes / full.allocation.code).exists()


def test_a_site_that_is_silent_on_the_day_is_asked_again(full: Ground) -> None:
    services.allocation_end(allocation=full.allocation, reason="Over.", by=full.founder, at=full.now)
    for days in (24, 5, 2):
        full.sweep()
        full.later(days=days)
    site = full.allocation.resources.get().resource.site
    url = site.agent_url
    type(site).objects.update(agent_url="http://127.0.0.1:2")
    full.sweep()
    assert full.kept().deleted_at is None
    type(site).objects.update(agent_url=url)
    full.sweep()
    assert full.kept().deleted_at is not None


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("a/b.csv", "a/b.csv"),
        ("/etc/passwd", "etc/passwd"),
        ("../../x", "_/_/x"),
        ("a\\..\\b", "a/_/b"),
        ("new\nline", "new_line"),
        ("", "_"),
        ("c:/x", "c_/x"),
    ],
)
def test_a_path_in_an_archive_leads_nowhere_else(given: str, made: str) -> None:
    assert taking.safe(given) == made
