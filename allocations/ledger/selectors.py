"""Reads of accounts and transfers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet, Sum

from portal.core.remembering import answer_known, remembered

from .models import Account, Transfer
from .states import AccountKind, Move


@dataclass(frozen=True)
class Balance:
    """An account's balances in micro-credits."""

    granted: int
    returned: int
    adjusted: int
    available: int
    held: int
    spent: int
    state: str

    @property
    def used(self) -> int:
        """What was charged in the end: corrections taken off."""
        return self.spent - self.adjusted


@remembered
def balance(*, code: str) -> Balance:
    """The balances of one account: one row, whatever its history."""
    return _balance(Account.objects.get(code=code))


def balance_map(*, codes: list[str]) -> dict[str, Balance]:
    """The balances of many accounts in one query."""
    return {account.code: _balance(account) for account in Account.objects.filter(code__in=codes)}


def _balance(account: Account) -> Balance:
    return Balance(
        account.granted, account.returned, account.adjusted, account.available, account.held, account.spent, account.state
    )


def _key(code: str) -> QuerySet[Account, int]:
    """An account's key, found within the same query."""
    return Account.objects.filter(code=code).values_list("pk", flat=True)[:1]


def pool_list() -> QuerySet[Account]:
    """All pools."""
    return Account.objects.filter(kind=AccountKind.POOL).order_by("code")


def transfer_page(*, account: str, before_seq: int | None, limit: int, also: dict[str, Any] | None = None) -> list[Transfer]:
    """
    A page of an account's chain, newest first; constant time however long the chain.

    :param also: annotations to read with each
    """
    # By the account's key: through a join the chain's index gives no order, and all of it would be read and sorted.
    rows = Transfer.objects.filter(account_id=_key(account)).annotate(**(also or {}))
    if before_seq is not None:
        rows = rows.filter(seq__lt=before_seq)
    return list(rows.select_related("account", "counter", "settles").order_by("-seq")[:limit])


def balance_with(newest: list[Transfer], *, code: str) -> Balance:
    """The balances of an account whose newest transfers were just read, of the same moment; no query unless it has none."""
    found = _balance(newest[0].account) if newest else balance(code=code)
    answer_known(balance, found, code=code)
    return found


def charges_of(*, subject: str) -> list[Transfer]:
    """Everything the ledger holds about one subject, oldest first."""
    return list(Transfer.objects.filter(subject=subject).select_related("settles").order_by("account_id", "seq"))


def settled(*, hold: str) -> Transfer | None:
    """The post or void that closed a hold, if it was closed."""
    return Transfer.objects.filter(settles_id=hold, kind__in=[Move.POST, Move.VOID]).first()


def transfer_exists(*, id: str) -> bool:
    """Whether a transfer of that id was made."""
    return Transfer.objects.filter(pk=id).exists()


def chain_length(*, code: str) -> int:
    """How many transfers an account's chain has."""
    return Account.objects.values_list("seq", flat=True).get(code=code)


def held_since(*, code: str, seq: int, besides: str = "") -> bool:
    """Whether anything was held on an account after its chain had that length, for another resource than `besides`."""
    held = Transfer.objects.filter(account_id=_key(code), seq__gt=seq, kind=Move.HOLD)
    return (held.exclude(resource=besides) if besides else held).exists()


def last_held_at(*, code: str, besides: str = "") -> datetime | None:
    """When something was last held on an account, for another resource than `besides`; None when nothing ever was."""
    held = Transfer.objects.filter(account_id=_key(code), kind=Move.HOLD)
    # Newest first along the chain: the search ends at the first hold that counts.
    return (held.exclude(resource=besides) if besides else held).order_by("-seq").values_list("at", flat=True).first()


def returned_at_end(*, code: str) -> int:
    """Micro-credits that went back to the pool because an account was closed, late refunds included."""
    rows = Transfer.objects.filter(account_id=_key(code), kind=Move.RETURN, pk__startswith=f"{code}:return-")
    return int(rows.aggregate(sum=Sum("amount", default=0))["sum"])


def last_moved(*, codes: list[str]) -> dict[str, datetime]:
    """When each account last moved, in one query."""
    heads = Transfer.objects.filter(account__code__in=codes, seq=F("account__seq"))
    return dict(heads.values_list("account__code", "at"))


def transfers_from(*, account: str, chunk: int = 1000) -> Iterator[Transfer]:
    """All of an account's chain, oldest first, read in chunks: memory does not grow with it."""
    rows = Transfer.objects.filter(account_id=_key(account)).select_related("counter", "settles").order_by("seq")
    after = 0
    while found := list(rows.filter(seq__gt=after)[:chunk]):
        after = found[-1].seq
        yield from found


@dataclass(frozen=True)
class Paid:
    """What a settled hold has cost so far, in micro-credits, and what its allocation has left."""

    settlement: str
    held: int
    net: int
    available: int


def paid_for(*, hold: str) -> Paid | None:
    """What a hold has cost, corrections included; None while it is open or unknown."""
    closing = Transfer.objects.filter(settles_id=hold, kind__in=[Move.POST, Move.VOID])
    done = closing.select_related("settles", "account").first()
    if done is None or done.settles is None:
        return None
    refunded = Transfer.objects.filter(settles=done, kind=Move.ADJUST).aggregate(sum=Sum("amount", default=0))["sum"]
    charged = done.amount if done.kind == Move.POST else 0
    return Paid(done.pk, done.settles.amount, charged - refunded, done.account.available)
