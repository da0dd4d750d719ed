"""What is read from the file store is written down there and counted here: by sessions, by people, and what was refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from allocations.datasets import use
from allocations.datasets.models import DatasetUse
from notebooks_svc.storage import oplog
from portal.core.errors import Refusal
from portal.objects.door import Store
from tests.portal.objects.test_filesystem import get, store  # noqa: F401 (a fixture)

from .conftest import Ground

pytestmark = pytest.mark.django_db(databases="__all__")
BODY = b"a,b\n1,2\n"


@pytest.fixture
def reading(ground: Ground, store: Store, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Store:  # noqa: F811
    """A file of `air` in the store; tickets hold unless they are the rival's."""
    import io

    from allocations.datasets import publishing
    from portal.objects import tickets

    settings.OBJECTS_LOG = str(tmp_path / "reads.json")
    monkeypatch.setattr(publishing, "store", lambda: store)
    dataset = publishing.dataset_create(
        by=None, at=ground.now, slug="air", steward=ground.officer, title="Air", summary="Air.", access_class="open",
        commercial_use=True, licence="CC0-1.0", domain="Climate", publisher="Somebody",
    )  # fmt: skip
    version = publishing.version_create(dataset=dataset, name="1", notes="", by=None, at=ground.now)
    publishing.file_add(version=version, facts=publishing.FileFacts("a.csv"), source=io.BytesIO(BODY))
    publishing.version_publish(version=version, by=None, at=ground.now)
    monkeypatch.setitem(tickets._checkers, "p", f"{__name__}.holds")
    monkeypatch.setattr(f"{__name__}.REFUSED", str(ground.rivals.pk))
    return store


REFUSED = ""


def holds(words: str, *, key: str, at: datetime) -> None:
    """A ticket of the rivals was taken back."""
    if words.endswith(f"-{REFUSED}"):
        raise Refusal("access_revoked", "The steward ended it.", status=403)


def figures() -> list[tuple[int | None, int, int, int]]:
    rows = DatasetUse.objects.order_by("allocation")
    return [(row.allocation_id, row.reads, row.bytes, row.denials) for row in rows]


def test_reads_and_refusals_become_figures_once(ground: Ground, reading: Store, settings: Any) -> None:
    def link(ticket: str) -> str:
        return reading.link("datasets/air/1/a.csv", ticket=ticket, expires=ground.now + timedelta(days=3650))

    mine, visitor = link(f"p.7-{ground.allocation.pk}"), link("p.0-0")
    assert get(mine).content == get(visitor).content == BODY
    assert get(mine, Range="bytes=0-2").content == BODY[:3]
    assert get(mine, "HEAD").status_code == 200
    assert get(link(f"p.8-{ground.rivals.pk}")).status_code == 403
    assert get(mine.replace("/a.csv", "/b.csv")).status_code == 403, "a link nobody made is counted for nobody"
    assert get(mine, Range="bytes=99-").status_code == 416
    for _ in range(2):
        oplog.log_read_due(at=ground.now)
    expected = [(ground.allocation.pk, 2, len(BODY) + 3, 0), (ground.rivals.pk, 0, 0, 1), (None, 1, len(BODY), 0)]
    assert sorted(figures(), key=str) == sorted(expected, key=str)
    dataset = DatasetUse.objects.first().dataset  # type: ignore[union-attr]
    assert use.use_summary(dataset=dataset, today=datetime.now().date())["projects"] == 1


def test_a_log_that_has_grown_is_put_aside_once_it_was_counted(
    ground: Ground, reading: Store, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oplog, "OWN_BYTES_MAX", 100)
    visitor = reading.link("datasets/air/1/a.csv", ticket="p.0-0", expires=ground.now + timedelta(days=3650))
    path = Path(settings.OBJECTS_LOG)
    get(visitor)
    oplog.log_read_due(at=ground.now)
    assert not path.exists()
    get(visitor)
    oplog.log_read_due(at=ground.now)
    assert figures() == [(None, 2, 2 * len(BODY), 0)]


def test_a_log_that_cannot_be_written_keeps_nobody_from_reading(ground: Ground, reading: Store, settings: Any) -> None:
    settings.OBJECTS_LOG = "/proc/nowhere/reads.json"
    visitor = reading.link("datasets/air/1/a.csv", ticket="p.0-0", expires=ground.now + timedelta(days=3650))
    assert get(visitor).content == BODY
