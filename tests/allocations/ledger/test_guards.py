"""The database keeps the promises by itself: each constraint and trigger is broken here by name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F

from allocations.ledger import guards, services
from allocations.ledger.models import Account, Hold, Line, Transfer
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.verify import Difference, verify
from tests.support.ledger import PROVIDER, Story, triggers_remove

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(now: datetime) -> Story:
    told = Story(at=now)
    told.play("""
        grant award-7   100 | 100  0 0
        hold  session-1  40 |  60 40 0
        hold  session-2  10 |  50 50 0
        post  session-2   4 |  56 40 4
    """)
    return told


def account(story: Story) -> Any:
    return Account.objects.filter(code=story.account)


@pytest.mark.parametrize(
    ("constraint", "changes"),
    [
        ("ledger_available_is_never_negative", {"available": -1, "granted": F("granted") - F("available") - 1}),
        ("ledger_held_is_never_negative", {"held": -1, "granted": F("granted") - F("held") - 1}),
        ("ledger_spent_is_never_negative", {"spent": -1, "granted": F("granted") - F("spent") - 1}),
        ("ledger_an_allocation_adds_up", {"available": F("available") + 1}),
        ("ledger_closed_accounts_are_empty", {"state": "closed"}),
    ],
)
def test_an_account_breaks_its_constraint_by_name(story: Story, constraint: str, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        account(story).update(**changes)


def test_only_the_issuer_goes_below_zero(story: Story) -> None:
    assert Account.objects.get(kind="issuer").available < 0
    with pytest.raises(IntegrityError, match="ledger_available_is_never_negative"), transaction.atomic():
        Account.objects.filter(kind="pool").update(available=-1)


def test_a_line_stays_under_its_cap_and_above_zero(story: Story) -> None:
    Line.objects.update(cap=5)
    with pytest.raises(IntegrityError, match="ledger_line_stays_under_its_cap"), transaction.atomic():
        Line.objects.update(used=6)
    with pytest.raises(IntegrityError, match="ledger_line_use_is_never_negative"), transaction.atomic():
        Line.objects.update(used=-1)


def row_like(pk: str, **changes: Any) -> Transfer:
    row = Transfer.objects.get(pk=pk)
    row.pk, row.seq = f"{pk}-again", 99
    for name, value in changes.items():
        setattr(row, name, value)
    return row


@pytest.mark.parametrize(
    ("constraint", "pk", "changes"),
    [
        ("ledger_one_settlement_per_hold|ledger_transfer.settles_id", "session-2-post", {}),
        ("ledger_a_chain_has_no_forks|ledger_transfer.account_id", "session-1", {"seq": 1}),
        ("ledger_amounts_are_positive", "session-1", {"amount": 0}),
        ("ledger_settlements_name_their_hold", "session-2-post", {"settles": None}),
        ("ledger_adjustments_have_reason_and_person", "session-2-post", {"kind": "adjust", "reason": "", "by": "x"}),
    ],
)
def test_a_transfer_breaks_its_constraint_by_name(story: Story, constraint: str, pk: str, changes: dict[str, Any]) -> None:
    # SQLite names the columns of a unique index, not its name.
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        row_like(pk, **changes).save(force_insert=True)


def test_a_hold_is_positive(story: Story) -> None:
    with pytest.raises(IntegrityError, match="ledger_holds_are_positive"), transaction.atomic():
        Hold.objects.filter(pk="session-1").update(amount=0)


def test_a_transfer_is_never_changed_and_never_removed(story: Story) -> None:
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        Transfer.objects.filter(pk="session-1").update(amount=1)
    with pytest.raises(DatabaseError, match="never (changed or )?removed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_transfer WHERE id = 'session-2-post'")
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
                cursor.execute("TRUNCATE ledger_transfer CASCADE")
    assert Transfer.objects.get(pk="session-1").amount == 40


def test_missing_triggers_are_named_and_installed_again(story: Story) -> None:
    drop = "DROP TRIGGER ledger_transfer_no_update" + (" ON ledger_transfer" if connection.vendor == "postgresql" else "")
    with connection.cursor() as cursor:
        cursor.execute(drop)
    with pytest.raises(guards.TriggersMissing, match="ledger_transfer_no_update"):
        guards.check_triggers()
    with pytest.raises(CommandError, match="lacks its triggers"):
        call_command("ledger_verify")
    guards.triggers_install()
    guards.check_triggers()


def test_verify_names_the_first_balance_that_does_not_agree(story: Story) -> None:
    verify(chain=True)
    account(story).update(available=F("available") + 1, granted=F("granted") + 1)
    with pytest.raises(Difference, match="award-7: available is 57, the transfers give 56"):
        verify(chain=False)


def test_verify_finds_a_hold_that_was_made_away(story: Story) -> None:
    Hold.objects.filter(pk="session-1").update(state="voided")
    with pytest.raises(Difference, match="open holds do not agree"):
        verify(chain=False)


def test_a_rewritten_history_is_found_by_its_chain(story: Story) -> None:
    triggers_remove()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_transfer SET reason = 'nothing happened' WHERE id = 'grant-award-7'")
    guards.triggers_install()
    verify(chain=False)
    with pytest.raises(Difference, match="history was rewritten"):
        verify(chain=True)


def test_a_removed_transfer_is_found(story: Story) -> None:
    triggers_remove()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_hold WHERE transfer_id = 'session-2'")
        cursor.execute("DELETE FROM ledger_transfer WHERE id = 'session-2-post'")
    guards.triggers_install()
    with pytest.raises(Difference, match="the chain ends at 3, the account says 4"):
        verify(chain=False)


def test_the_provider_has_earned_what_was_charged(story: Story, now: datetime) -> None:
    assert Account.objects.get(code=PROVIDER).available == 0
    assert services.providers_roll_up(at=now) == 1
    assert Account.objects.get(code=PROVIDER).available == 4
    assert services.providers_roll_up(at=now) == 0
    services.adjust(id="refund", corrects="session-2-post", amount=1, reason="outage", by="officer", at=now)
    services.providers_roll_up(at=now)
    assert Account.objects.get(code=PROVIDER).available == 3
    verify(chain=True)


def test_an_id_taken_by_another_allocation_is_refused(story: Story, now: datetime) -> None:
    services.account_open(code="award-8", kind="allocation", pool="pool:test")
    services.lines_cover(allocation="award-8", caps={"cpu": None})
    services.grant(id="grant-8", allocation="award-8", amount=50, reason="award", by="officer", at=now)
    with pytest.raises(LedgerRefusal, match="used before"):
        services.hold(
            id="session-1", allocation="award-8", amount=40, resource="cpu", subject="session-1", at=now, expires_at=None
        )
    assert Account.objects.get(code="award-8").held == 0


@pytest.mark.parametrize("amount", [1.5, True, "10", None])
def test_an_amount_is_a_whole_number(story: Story, now: datetime, amount: Any) -> None:
    with pytest.raises(LedgerRefusal) as refused:
        services.hold(
            id="session-9", allocation=story.account, amount=amount, resource="cpu", subject="s", at=now, expires_at=None
        )
    assert refused.value.code == "amount_not_whole"
    assert not Transfer.objects.filter(pk="session-9").exists()
