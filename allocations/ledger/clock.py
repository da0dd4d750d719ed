"""What happens by the clock: unsent holds lapse, and providers' balances are rolled up."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, Sum

from .checks import lock_hold
from .models import Account, Hold, Transfer
from .moving import Overtaken, drain_if_closing, void_write
from .states import AccountKind, HoldState, Move

EXPIRED = "The launch was not sent to a site in time; the credits returned."


def holds_expire(*, at: datetime) -> int:
    """Void open holds that were never sent and whose time has passed. Returns how many."""
    lapsed = 0
    for hold_id in Hold.objects.filter(state=HoldState.OPEN, expires_at__lte=at).values_list("pk", flat=True)[:500]:
        try:
            with transaction.atomic():
                lapsed += _expire(hold_id, at=at)
        except Overtaken:
            continue  # it was settled at this very moment
    return lapsed


def _expire(hold_id: str, *, at: datetime) -> int:
    book, held, _ = lock_hold(hold_id, transfer="")
    # Looked at again, and locked: whoever is about to send it waits for us and then finds it closed, or was first.
    due = Hold.objects.select_for_update(of=("self",)).filter(pk=hold_id, state=HoldState.OPEN, expires_at__lte=at)
    if due.first() is None:
        return 0
    void_write(book, held, id=f"{hold_id}:expired", at=at, reason=EXPIRED, explanation=None, by="")
    drain_if_closing(book, at=at, by="")
    return 1


def providers_roll_up(*, at: datetime) -> int:  # noqa: ARG001 (every sweep is given the time)
    """
    Add to the providers' balances what chains have grown since the last look. Returns how many chains were read.

    Providers are not touched when a charge is posted, so that a popular provider is no hot row.
    """
    grown = Account.objects.filter(kind=AccountKind.ALLOCATION, rolled_seq__lt=F("seq"))
    chains = 0
    for pk in grown.values_list("pk", flat=True)[:2000]:
        _roll_up_chain(pk)
        chains += 1
    return chains


@transaction.atomic
def _roll_up_chain(pk: int) -> None:
    account = Account.objects.select_for_update().get(pk=pk)
    sums = (
        Transfer.objects.filter(account=account, seq__gt=account.rolled_seq, seq__lte=account.seq)
        .filter(kind__in=[Move.POST, Move.ADJUST])
        .values("counter_id")
        .annotate(
            posted=Sum("amount", filter=Q(kind=Move.POST), default=0),
            adjusted=Sum("amount", filter=Q(kind=Move.ADJUST), default=0),
        )
        .order_by("counter_id")
    )
    for row in sums:
        change = row["posted"] - row["adjusted"]
        Account.objects.filter(pk=row["counter_id"]).update(available=F("available") + change)
    Account.objects.filter(pk=pk).update(rolled_seq=account.seq)
