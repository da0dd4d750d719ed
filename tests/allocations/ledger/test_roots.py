"""The daily signed root: a history rewritten with every hash worked out anew is found; so are roots that were tampered with."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from allocations.ledger import guards, roots
from allocations.ledger.chain import transfer_hash
from allocations.ledger.models import Account, Root, RootHead, Transfer
from allocations.ledger.verify import COLUMNS, Difference, verify
from tests.support.ledger import Story, triggers_remove

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
ROOT_1: list[Any] = [(RootHead, {"root__number": 1}), (Root, {"number": 1})]


@pytest.fixture
def story(now: datetime, settings: LazySettings, tmp_path: Path) -> Story:
    """Two days of moves, each sealed, and a move of today."""
    settings.HOME = tmp_path
    told = Story(at=now)
    told.play("""
        grant award-7   100 | 100  0 0
        hold  session-1  40 |  60 40 0
    """)
    roots.root_seal_due(at=now)
    told.play("post  session-1  25 | 75 0 25")
    roots.root_seal_due(at=now + DAY)
    told.play("hold  session-2  10 | 65 10 25")
    return told


def rewrite(pk: str, **changes: Any) -> None:
    """Change a transfer and work out every hash after it anew, as somebody would who knows how the chain is made."""
    triggers_remove()
    Transfer.objects.filter(pk=pk).update(**changes)
    changed = Transfer.objects.get(pk=pk)
    head = changed.prev_hash
    for row in Transfer.objects.filter(account=changed.account, seq__gte=changed.seq).order_by("seq"):
        content = {name: getattr(row, name) for name in COLUMNS}
        content |= {"account": row.account.code, "counter": row.counter.code if row.counter else ""}
        digest = transfer_hash({**content, "settles": row.settles_id or ""}, head)
        Transfer.objects.filter(pk=row.pk).update(prev_hash=head, hash=digest)
        head = digest
    Account.objects.filter(pk=changed.account_id).update(head_hash=head)
    guards.triggers_install()


def test_a_root_covers_the_chains_that_moved_and_holds_on_to_the_one_before(story: Story, now: datetime) -> None:
    first, second = Root.objects.order_by("number")
    assert (first.number, second.number, second.prev) == (1, 2, first.digest)
    assert (first.heads, second.heads) == (2, 1)  # the pool and the allocation; then only the allocation
    assert verify(chain=True).roots == 2
    roots.root_seal_due(at=now + DAY)
    assert Root.objects.count() == 2


def test_a_history_rewritten_with_all_its_hashes_is_found_by_the_root(story: Story) -> None:
    rewrite("session-1-post", reason="nothing happened")
    with pytest.raises(Difference, match="session-1-post is not the transfer that was sealed; history was rewritten"):
        verify(chain=True)


def test_what_no_root_covers_yet_is_covered_by_the_next_one(story: Story, now: datetime) -> None:
    rewrite("session-2", reason="of today")
    verify(chain=True)  # honest about its limit: today's moves are covered by tomorrow's root
    roots.root_seal_due(at=now + 2 * DAY)
    rewrite("session-2", reason="of tomorrow")
    with pytest.raises(Difference, match="history was rewritten"):
        verify(chain=True)


def test_a_history_that_was_cut_off_is_found(story: Story) -> None:
    triggers_remove()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_hold WHERE transfer_id = 'session-2'")
        cursor.execute("DELETE FROM ledger_transfer WHERE id IN ('session-2', 'session-1-post')")
        cursor.execute("UPDATE ledger_hold SET state = 'open' WHERE transfer_id = 'session-1'")
    hold = Transfer.objects.get(pk="session-1")
    Account.objects.filter(code=story.account).update(
        available=60, held=40, spent=0, seq=hold.seq, head_hash=hold.hash, rolled_seq=0
    )
    guards.triggers_install()
    verify(chain=False)
    with pytest.raises(Difference, match="history was cut off"):
        verify(chain=True)


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda: RootHead.objects.filter(root__number=2).update(hash="0" * 64), "its heads are not those that were signed"),
        (lambda: Root.objects.filter(number=1).update(digest="0" * 64), "its heads are not those that were signed"),
        (lambda: Root.objects.filter(number=2).update(signature="00" * 64), "was not signed by the key"),
        (lambda: Root.objects.filter(number=2).update(prev="0" * 64), "does not hold on to the one before"),
        (lambda: [m.objects.filter(**f).delete() for m, f in ROOT_1], "root 1 is missing"),
    ],
)
def test_a_root_that_was_tampered_with_is_found(story: Story, tamper: Any, found: str) -> None:
    triggers_remove()
    tamper()
    guards.triggers_install()
    with pytest.raises(Difference, match=found):
        verify(chain=True)


def test_roots_are_never_changed_and_never_removed(story: Story) -> None:
    for rows in (Root.objects.all(), RootHead.objects.all()):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            rows.update(**({"day": "2020-01-01"} if rows.model is Root else {"seq": 0}))
    with pytest.raises(DatabaseError, match="never"), transaction.atomic():
        RootHead.objects.all().delete()


def test_roots_that_were_forged_anew_differ_from_the_copy_kept_elsewhere(
    story: Story, now: datetime, settings: LazySettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("ledger_root")
    copy = tmp_path / "auditor.jsonl"
    copy.write_text(capsys.readouterr().out)
    assert [json.loads(line)["number"] for line in copy.read_text().splitlines()] == [1, 2]
    call_command("ledger_verify", "--chain", "--roots", str(copy))
    assert "2 signed roots hold" in capsys.readouterr().out
    # Somebody who has the database and even the key rewrites all: the copy does not agree.
    triggers_remove()
    RootHead.objects.all().delete()
    Root.objects.all().delete()
    rewrite("session-1-post", reason="nothing happened")
    (tmp_path / roots.FILE_NAME).unlink()
    roots.root_seal(at=now)
    call_command("ledger_verify", "--chain")
    with pytest.raises(CommandError, match=r"root 1 of .* is not the one kept in auditor.jsonl"):
        call_command("ledger_verify", "--chain", "--roots", str(copy))
    with pytest.raises(CommandError, match="there is no file"):
        call_command("ledger_verify", "--chain", "--roots", str(tmp_path / "none"))


def test_a_key_of_somebody_else_proves_nothing(story: Story, settings: LazySettings) -> None:
    public = Root.objects.first().public_key
    settings.LEDGER_ROOT_KEY = "11" * 32
    with pytest.raises(Difference, match="was not signed by the key"):
        verify(chain=True)
    verify(chain=True, public_key=public)


def test_the_file_beside_the_database_is_completed_when_a_line_was_lost(story: Story, tmp_path: Path, now: datetime) -> None:
    file = tmp_path / roots.FILE_NAME
    lines = file.read_text().splitlines()
    file.write_text(lines[0] + "\n" + lines[1][:30])
    assert [line["number"] for line in roots.roots_read(file)] == [1]
    roots.root_seal_due(at=now + 2 * DAY)
    assert [line["number"] for line in roots.roots_read(file)] == [1, 2, 3]
