"""Stories about a ledger: each line is a move and the three balances after it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from allocations.ledger import guards, services
from allocations.ledger.models import Account, Hold
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.states import AccountKind, HoldState
from allocations.ledger.verify import verify

ISSUER, POOL, PROVIDER, RESOURCE = "issuer:test", "pool:test", "provider:test", "cpu"
POOL_FILLED = 1_000_000


def accounts_open(*names: str, pool_amount: int = POOL_FILLED, at: datetime) -> None:
    """An issuer, a filled pool, a provider, and an allocation account for each name, covering one resource without cap."""
    services.account_open(code=ISSUER, kind=AccountKind.ISSUER)
    services.account_open(code=POOL, kind=AccountKind.POOL)
    services.account_open(code=PROVIDER, kind=AccountKind.PROVIDER)
    services.issue(id="first-issue", pool=POOL, issuer=ISSUER, amount=pool_amount, reason="budget", by="officer", at=at)
    for name in names:
        services.account_open(code=name, kind=AccountKind.ALLOCATION, pool=POOL)
        services.lines_cover(allocation=name, caps={RESOURCE: None})


class Story:
    """Plays moves on one allocation and compares its balances after each."""

    def __init__(self, *, account: str = "award-7", at: datetime) -> None:
        self.account, self.at = account, at
        accounts_open(account, at=at)

    def play(self, text: str) -> None:
        """
        Play lines of `move id amount [refusal] | available held spent`; a `hold` line may end its id with `@30s`.

        :raises AssertionError: at the first line that goes another way, naming it
        """
        for line in filter(None, (raw.strip() for raw in text.splitlines())):
            asked, _, expected = line.partition("|")
            move, name, *rest = asked.split()
            self.at += timedelta(seconds=1)
            refusal = self._move(move, name, rest)
            wanted = next((word for word in rest if not word.lstrip("-").isdigit() and "=" not in word), "")
            assert refusal == wanted, f"{line!r}: refused with {refusal!r}, wanted {wanted!r}"
            row = Account.objects.get(code=self.account)
            assert [row.available, row.held, row.spent] == [int(n) for n in expected.split()], (
                f"{line!r}: it is {row.available} {row.held} {row.spent}"
            )
        verify(chain=True)

    def _move(self, move: str, name: str, rest: list[str]) -> str:
        amount = int(rest[0]) if rest and rest[0].lstrip("-").isdigit() else 0
        named = dict(word.split("=", 1) for word in rest if "=" in word)
        try:
            getattr(self, f"_{move}")(name, amount, **named)
        except LedgerRefusal as refusal:
            return str(refusal.code)
        return ""

    def _grant(self, name: str, amount: int) -> None:
        services.grant(id=f"grant-{name}", allocation=self.account, amount=amount, reason="award", by="officer", at=self.at)

    def _hold(self, name: str, amount: int, life: str = "", resource: str = RESOURCE) -> None:
        expires_at = self.at + timedelta(seconds=int(life)) if life else None
        services.hold(
            id=name, allocation=self.account, amount=amount, resource=resource, subject=name, at=self.at, expires_at=expires_at
        )

    def _sent(self, name: str, amount: int) -> None:
        services.hold_mark_sent(id=name)

    def _expire(self, name: str, amount: int) -> None:
        self.at += timedelta(seconds=amount)
        services.holds_expire(at=self.at)

    def _post(self, name: str, amount: int, id: str = "") -> None:
        services.post(id=id or f"{name}-post", hold=name, amount=amount, provider=PROVIDER, at=self.at)

    def _void(self, name: str, amount: int) -> None:
        services.void(id=f"{name}-void", hold=name, at=self.at, reason="not used")

    def _roll(self, name: str, amount: int, keep: str = "0", to: str = "") -> None:
        services.roll(id=f"{name}-post", hold=name, used=amount, new_hold=to, keep=int(keep), provider=PROVIDER, at=self.at)

    def _return(self, name: str, amount: int) -> None:
        services.give_back(
            id=f"return-{name}", allocation=self.account, amount=amount, reason="unused", by="officer", at=self.at
        )

    def _adjust(self, name: str, amount: int, id: str = "", of: str = "post", provider: str = PROVIDER) -> None:
        services.adjust(
            id=id or f"adjust-{name}",
            corrects=f"{name}-{of}",
            amount=amount,
            provider=provider,
            reason="outage",
            by="officer",
            at=self.at,
        )

    def _suspend(self, name: str, amount: int) -> None:
        services.account_suspend(allocation=self.account)

    def _resume(self, name: str, amount: int) -> None:
        services.account_resume(allocation=self.account)

    def _close(self, name: str, amount: int) -> None:
        services.account_close(allocation=self.account, at=self.at, reason="its last day has passed")


def open_holds(account: str) -> dict[str, int]:
    """Open holds of an account by id."""
    rows = Hold.objects.filter(account__code=account, state=HoldState.OPEN)
    return dict(rows.values_list("pk", "amount"))


def triggers_remove() -> None:
    """Take the guards away, as somebody could who has the database's own password."""
    with connection.cursor() as cursor:
        for table, statements in guards.triggers_wanted(connection.vendor).items():
            for name in statements:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table}" if connection.vendor == "postgresql" else ""))
