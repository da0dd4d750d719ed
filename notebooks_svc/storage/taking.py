"""
Everything a person takes along when they leave: the statement, the use, the team's bucket, their own and the shared folder, and
what their enterprise offered as datasets. Also after the allocation's end, until the files are deleted.

Nobody takes a colleague's own folder, but an owner takes those of people who have left: files stay with the team.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import BinaryIO

from django.utils.http import urlencode

from allocations.catalogue.models import Site
from allocations.datasets.models import DatasetFile
from allocations.datasets.policies import may_edit
from allocations.projects import policies as projects_policy
from allocations.projects.export import csv_lines
from allocations.projects.models import Allocation
from allocations.usage.models import UsageRecord
from notebooks_svc.sessions.doors.agent import AgentRefused, AgentUnreachable, agent_door
from portal.accounts.models import User
from portal.core.errors import NotAllowed, Refusal
from portal.core.quantities import credits_text
from portal.core.words import cell_plain
from portal.objects.door import NoSuchObject, store, vendor
from portal.organisations.models import OrgRole
from portal.organisations.policies import org_role

from .models import Keeping

LINK_LIFE, ITEMS_MAX, PIECE_BYTES = timedelta(hours=1), 100_000, 1 << 20
Read = Callable[[int], AbstractContextManager[Iterator[bytes]]]
USE_COLUMNS = ("end", "kind", "user", "resource", "seconds", "credits", "kwh", "gco2e", "launch")


class Gone(LookupError):
    """It was listed and is not there any more."""


@dataclass(frozen=True)
class Item:
    """One file to take: path in the archive, size in bytes, how it is read from a byte on, and its own address if any."""

    path: str
    size: int
    modified: datetime
    read: Read
    link: Callable[[], str] | None = None


def check_may_take(*, user: User, allocation: Allocation) -> None:
    """
    Let the allocation's people pass, also after its end.

    :raises NotAllowed: for officers and operators, who see the page and take nothing
    :raises Refusal: `files_deleted`
    """
    if not projects_policy.may_use(user=user, allocation=allocation):
        raise NotAllowed(f"Only the people of {allocation.code} take its files along.")
    keeping = Keeping.objects.filter(allocation=allocation, deleted_at__isnull=False).first()
    if keeping is not None:
        raise Refusal(
            "files_deleted", f"The files of {allocation.code} were deleted on {keeping.deleted_at:%Y-%m-%d}.", status=410
        )


def items_for_user(*, user: User, allocation: Allocation, at: datetime) -> Iterator[Item]:
    """
    All there is to take for a person, source by source. The site and the store are asked while this is read.

    :raises NotAllowed, Refusal: see `check_may_take`; `site_silent` when the site does not answer
    """
    check_may_take(user=user, allocation=allocation)
    yield from _papers(user, allocation, at)
    yield from _bucket(user, allocation, at)
    yield from _folders(user, allocation)
    yield from _datasets(user, allocation)


def item_find(*, user: User, allocation: Allocation, path: str, at: datetime) -> Item:
    """
    One file by its path.

    :raises Refusal: `no_such_file`
    """
    check_may_take(user=user, allocation=allocation)
    kind = path.partition("/")[0] if "/" in path else "papers"
    if kind == "papers":
        found = _papers(user, allocation, at)
    elif kind == "bucket":
        found = _bucket(user, allocation, at)
    elif kind == "datasets":
        found = _datasets(user, allocation)
    else:  # most names are their own path; one that was made safe for an archive is looked for among all
        found = chain(_folders(user, allocation, path), _folders(user, allocation))
    for item in found:
        if item.path == path:
            return item
    raise Refusal("no_such_file", f"There is no file {path[:200]!r} to take (any more).", status=404)


def content_url(allocation: Allocation, path: str) -> str:
    """The address at the portal that reads one file, for the person who is signed in."""
    return f"/allocations/{allocation.code}/files/content?{urlencode({'path': path})}"


# --- sources --------------------------------------------------------------------------------------------------------------


def _papers(user: User, allocation: Allocation, at: datetime) -> Iterator[Item]:
    yield _written("statement.csv", csv_lines(allocation), at)
    yield _written("use.csv", _use_lines(user, allocation), at)


def _written(path: str, lines: Iterator[str], at: datetime) -> Item:
    draft: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the item)
    for line in lines:
        draft.write(line.encode())

    @contextmanager
    def read(start: int) -> Iterator[Iterator[bytes]]:
        draft.seek(start)
        yield iter(partial(draft.read, PIECE_BYTES), b"")

    return Item(path, draft.tell(), at, read)


def _use_lines(user: User, allocation: Allocation) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line)
    rows = UsageRecord.objects.filter(allocation=allocation).select_related("user", "resource").order_by("pk")
    if not projects_policy.may_manage(user=user, allocation=allocation):
        rows = rows.filter(user=user)
    writer.writerow(USE_COLUMNS)
    for row in rows.iterator(1000):
        facts = (
            row.end.isoformat(),
            row.kind,
            cell_plain(row.user.email),
            row.resource.slug,
            row.unit_seconds,
            credits_text(row.charge),
        )
        writer.writerow([*facts, f"{row.kwh:.6f}", f"{row.gco2e:.3f}", row.launch])
        if line.tell() > PIECE_BYTES:
            yield line.getvalue()
            line.seek(0)
            line.truncate()
    yield line.getvalue()


def _bucket(user: User, allocation: Allocation, at: datetime) -> Iterator[Item]:
    keeping = Keeping.objects.filter(allocation=allocation, has_bucket=True).first()
    if vendor() is None or keeping is None:
        return
    prefix, ticket = f"scratch/{allocation.code.lower()}/", f"p.{user.pk}-{allocation.pk}"
    for found in store().list(prefix):
        link = partial(store().link, found.key, ticket=ticket, expires=at + LINK_LIFE)
        path = safe(f"bucket/{found.key.removeprefix(prefix)}")
        yield Item(path, found.size, found.modified, partial(_from_store, found.key), link)


def _folders(user: User, allocation: Allocation, wanted: str = "") -> Iterator[Item]:
    """Files of the folders, or the one that lies where a path of the archive says."""
    own = {user.hub_username: "home", "shared": "shared"}
    if org_role(user=user, organisation_id=allocation.organisation_id) == OrgRole.OWNER:
        own |= _leavers(allocation)
    for url in Site.objects.filter(enabled=True).order_by("pk").values_list("agent_url", flat=True).distinct():
        door = agent_door(url)
        try:
            listed = door.folder_list(allocation.code, _place(own, wanted)) if wanted else door.folder_list(allocation.code)
        except (AgentUnreachable, AgentRefused) as silence:
            raise Refusal(
                "site_silent",
                f"The site that keeps the folders does not answer just now ({silence}). Try again in a minute.",
                status=503,
            ) from None
        for file in listed.items:
            folder, _, rest = file.path.partition("/")
            if folder in own and rest:
                modified = datetime.fromtimestamp(file.modified, UTC)
                read = partial(_from_site, door, allocation.code, file.path)
                yield Item(safe(f"{own[folder]}/{rest}"), file.size, modified, read)


def _place(own: dict[str, str], wanted: str) -> str:
    """Where a path of the archive lies at the site."""
    for folder, name in own.items():
        if wanted.startswith(f"{name}/"):
            return f"{folder}/{wanted.removeprefix(f'{name}/')}"
    return wanted


def _leavers(allocation: Allocation) -> dict[str, str]:
    """Folders of people who are not in the enterprise any more → where they lie in the archive."""
    here = allocation.organisation.memberships.filter(left_at__isnull=True).values("user")
    gone = User.objects.filter(memberships__organisation=allocation.organisation_id).exclude(pk__in=here, is_active=True)
    return {user.hub_username: f"people-who-left/{user.email}" for user in gone.distinct()}


def _datasets(user: User, allocation: Allocation) -> Iterator[Item]:
    files = DatasetFile.objects.filter(version__dataset__organisation=allocation.organisation_id)
    for file in files.select_related("version__dataset").order_by("key"):
        if not may_edit(user=user, dataset=file.version.dataset):
            return  # owners and managers of the enterprise, for all of them alike
        modified = file.version.published_at or file.version.created_at
        yield Item(safe(file.key), file.size_bytes, modified, partial(_from_store, file.key))


@contextmanager
def _from_store(key: str, start: int) -> Iterator[Iterator[bytes]]:
    try:
        with store().open(key) as source:
            source.seek(start)
            yield iter(partial(source.read, PIECE_BYTES), b"")
    except NoSuchObject:
        raise Gone(key) from None


@contextmanager
def _from_site(door: object, team: str, path: str, start: int) -> Iterator[Iterator[bytes]]:
    try:
        with door.folder_read(team, path, start=start) as pieces:  # type: ignore[attr-defined]
            yield pieces
    except (AgentRefused, AgentUnreachable):
        raise Gone(path) from None


def safe(path: str) -> str:
    """A path that leads nowhere else when an archive is unpacked: no `..`, no root, no control characters."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    cleaned = ["".join(c if c.isprintable() and c not in ':*?"<>|' else "_" for c in part) for part in parts]
    return "/".join("_" if part == ".." else part for part in cleaned)[:1000] or "_"
