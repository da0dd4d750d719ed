"""Any random sequence of moves keeps every sum right, whatever is refused on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from allocations.ledger import services
from allocations.ledger.models import Account
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.states import AccountState
from allocations.ledger.verify import verify
from tests.support.ledger import POOL, PROVIDER, RESOURCE, accounts_open, open_holds

NAMES = ["award-1", "award-2", "award-3"]
amounts = st.integers(min_value=1, max_value=120)
accounts = st.sampled_from(NAMES)


class LedgerMachine(RuleBasedStateMachine):
    """Three allocations of one pool; a model in plain Python beside them says what must come out."""

    def __init__(self) -> None:
        super().__init__()
        self.at = datetime(2026, 3, 2, tzinfo=UTC)
        self.count = 0
        accounts_open(*NAMES, pool_amount=1000, at=self.at)
        self.pool = 1000
        self.available = dict.fromkeys(NAMES, 0)
        self.holds: dict[str, tuple[str, int, datetime | None]] = {}
        self.spent = dict.fromkeys(NAMES, 0)
        self.adjusted = dict.fromkeys(NAMES, 0)
        self.settled: dict[str, tuple[str, int, int]] = {}  # settlement → account, what was held, what it has cost
        self.ended: set[str] = set()
        self.made: list[tuple[Any, dict[str, Any]]] = []

    def next_id(self) -> str:
        self.count += 1
        self.at += timedelta(seconds=1)
        return f"move-{self.count}"

    def refused(self, call: Any, **kwargs: Any) -> str:
        try:
            call(at=self.at, **kwargs)
        except LedgerRefusal as refusal:
            return str(refusal.code)
        self.made.append((call, kwargs))
        return ""

    def freed(self, name: str, amount: int) -> None:
        """What is freed on an ended allocation returns to the pool at once."""
        if name in self.ended:
            self.pool += amount
        else:
            self.available[name] += amount

    @rule(name=accounts, amount=amounts, repeat=st.booleans())
    def grant(self, name: str, amount: int, repeat: bool) -> None:
        move = {"id": self.next_id(), "allocation": name, "amount": amount, "reason": "award", "by": "officer"}
        wanted = "allocation_not_active" if name in self.ended else "exceeds_pool" if amount > self.pool else ""
        assert self.refused(services.grant, **move) == wanted
        if not wanted:
            self.pool -= amount
            self.available[name] += amount
            if repeat:
                assert self.refused(services.grant, **move) == ""

    @rule(name=accounts, amount=amounts, life=st.sampled_from([None, 30, 300]), repeat=st.booleans())
    def hold(self, name: str, amount: int, life: int | None, repeat: bool) -> None:
        id = self.next_id()
        expires_at = self.at + timedelta(seconds=life) if life else None
        move = {"id": id, "allocation": name, "amount": amount, "resource": RESOURCE, "subject": id, "expires_at": expires_at}
        wanted = "allocation_not_active" if name in self.ended else "exceeds_available" if amount > self.available[name] else ""
        assert self.refused(services.hold, **move) == wanted
        if not wanted:
            self.available[name] -= amount
            self.holds[id] = (name, amount, expires_at)
            if repeat:
                assert self.refused(services.hold, **move) == ""

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), amount=amounts, repeat=st.booleans())
    def post(self, data: Any, amount: int, repeat: bool) -> None:
        id = data.draw(st.sampled_from(sorted(self.holds)))
        name, held, _ = self.holds[id]
        move = {"id": f"{id}-post", "hold": id, "amount": amount, "provider": PROVIDER}
        wanted = "exceeds_hold" if amount > held else ""
        assert self.refused(services.post, **move) == wanted
        if not wanted:
            del self.holds[id]
            self.spent[name] += amount
            self.settled[f"{id}-post"] = (name, held, amount)
            self.freed(name, held - amount)
            if repeat:
                assert self.refused(services.post, **move) == ""
            assert self.refused(services.void, id=f"{id}-late", hold=id, reason="late") == "hold_not_open"

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def void(self, data: Any) -> None:
        id = data.draw(st.sampled_from(sorted(self.holds)))
        name, held, _ = self.holds.pop(id)
        assert self.refused(services.void, id=f"{id}-void", hold=id, reason="not used") == ""
        self.settled[f"{id}-void"] = (name, held, 0)
        self.freed(name, held)

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), used=st.integers(0, 120), keep=amounts)
    def roll(self, data: Any, used: int, keep: int) -> None:
        id = data.draw(st.sampled_from(sorted(self.holds)))
        name, held, _ = self.holds[id]
        new = self.next_id()
        wanted = "exceeds_hold" if used + keep > held else ""
        said = self.refused(services.roll, id=f"{id}-post", hold=id, used=used, new_hold=new, keep=keep, provider=PROVIDER)
        assert said == wanted
        if not wanted:
            del self.holds[id]
            self.holds[new] = (name, keep, None)
            self.spent[name] += used
            self.settled[f"{id}-post"] = (name, held, used)
            self.freed(name, held - used - keep)

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def send(self, data: Any) -> None:
        id = data.draw(st.sampled_from(sorted(self.holds)))
        name, held, _ = self.holds[id]
        services.hold_mark_sent(id=id)
        self.holds[id] = (name, held, None)

    @rule(seconds=st.sampled_from([10, 60, 600]))
    def clock(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)
        services.holds_expire(at=self.at)
        for id, (name, held, expires_at) in list(self.holds.items()):
            if expires_at is not None and expires_at <= self.at:
                del self.holds[id]
                self.freed(name, held)

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), amount=st.integers(-120, 120).filter(bool))
    def adjust(self, data: Any, amount: int) -> None:
        settlement = data.draw(st.sampled_from(sorted(self.settled)))
        name, held, cost = self.settled[settlement]
        move = {"id": self.next_id(), "corrects": settlement, "amount": amount, "provider": PROVIDER, "reason": "late record"}
        wanted = ""
        if amount < 0 and -amount > self.available[name]:
            wanted = "exceeds_available"
        elif amount > cost:
            wanted = "exceeds_posted"
        elif cost - amount > held:
            wanted = "exceeds_hold"
        assert self.refused(services.adjust, **move, by="officer") == wanted
        if not wanted:
            self.settled[settlement] = (name, held, cost - amount)
            self.adjusted[name] += amount
            self.freed(name, amount)

    @rule(giving=accounts, taking=accounts, amount=amounts)
    def move(self, giving: str, taking: str, amount: int) -> None:
        asked = {"id": self.next_id(), "source": giving, "target": taking, "amount": amount, "reason": "shared", "by": "owner"}
        wanted = ""
        if giving == taking:
            wanted = "pools_differ"
        elif amount > self.available[giving]:
            wanted = "exceeds_available"
        elif taking in self.ended:
            wanted = "allocation_not_active"
        assert self.refused(services.move, **asked) == wanted
        if not wanted:
            self.available[giving] -= amount
            self.available[taking] += amount

    @precondition(lambda self: self.made)
    @rule(data=st.data(), since=st.integers(1, 6))
    def restart(self, data: Any, since: int) -> None:
        """A client was restarted and sends again what it does not know to have arrived: all of it happened once."""
        for call, kwargs in self.made[-since:]:
            call(at=self.at, **kwargs)
        call, kwargs = data.draw(st.sampled_from(self.made))
        call(at=self.at, **kwargs)

    @rule(name=accounts)
    def end(self, name: str) -> None:
        services.account_close(allocation=name, at=self.at, reason="over")
        self.pool += self.available[name]
        self.available[name] = 0
        self.ended.add(name)

    @rule()
    def roll_up(self) -> None:
        services.providers_roll_up(at=self.at)

    @invariant()
    def balances_are_as_the_model_says(self) -> None:
        rows = {account.code: account for account in Account.objects.all()}
        assert rows[POOL].available == self.pool
        for name in NAMES:
            held = {id: amount for id, (owner, amount, _) in self.holds.items() if owner == name}
            row = rows[name]
            assert (row.available, row.held, row.spent) == (self.available[name], sum(held.values()), self.spent[name])
            assert row.adjusted == self.adjusted[name]
            assert open_holds(name) == held
            over = name in self.ended and not held
            assert (row.state == AccountState.CLOSED) == over

    def teardown(self) -> None:
        report = verify(chain=True)
        assert report.total == 0


@pytest.mark.django_db
def test_any_sequence_of_moves_keeps_the_books_right() -> None:
    from django.db import transaction

    class Rewound(LedgerMachine):
        """Each random run begins with empty tables: it is rolled back at its end."""

        def __init__(self) -> None:
            self.point = transaction.savepoint()
            super().__init__()

        def teardown(self) -> None:
            super().teardown()
            transaction.savepoint_rollback(self.point)

    run_state_machine_as_test(
        Rewound,
        settings=settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)),
    )
