"""Every way the ledger says no: its code, a sentence for people, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from allocations.ledger import services
from allocations.ledger.models import Account, Hold, Line, Transfer
from allocations.ledger.refusals import LedgerRefusal
from allocations.ledger.states import AccountKind, RefusalCode
from tests.support.ledger import ISSUER, POOL, PROVIDER, RESOURCE, Story

pytestmark = pytest.mark.django_db


class Asker:
    """Asks for moves on a ledger with an open hold `session-1` of 40 and a settled one `session-2` that cost 10 of 20."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        Story(at=at).play("""
            grant award-7   100 | 100  0  0
            hold  session-1  40 |  60 40  0
            hold  session-2  20 |  40 60  0
            post  session-2  10 |  50 40 10
        """)
        services.account_open(code="pool:other", kind=AccountKind.POOL)
        for code, pool in (("award-8", POOL), ("suspended", POOL), ("award-9", "pool:other")):
            services.account_open(code=code, kind=AccountKind.ALLOCATION, pool=pool)
        services.account_suspend(allocation="suspended")
        services.lines_cover(allocation="award-7", caps={"capped": 10})

    def hold(self, **changes: Any) -> None:
        asked = {"id": "new", "allocation": "award-7", "amount": 1, "resource": RESOURCE, "subject": "s", "expires_at": None}
        services.hold(at=self.at, **{**asked, **changes})

    def post(self, **changes: Any) -> None:
        asked = {"id": "new", "hold": "session-1", "amount": 1, "provider": PROVIDER}
        services.post(at=self.at, **{**asked, **changes})

    def void(self, **changes: Any) -> None:
        services.void(**{"id": "new", "hold": "session-1", "at": self.at, "reason": "not used", **changes})

    def roll(self, **changes: Any) -> None:
        asked = {"id": "new-post", "hold": "session-1", "used": 1, "new_hold": "new", "keep": 1, "provider": PROVIDER}
        services.roll(at=self.at, **{**asked, **changes})

    def adjust(self, **changes: Any) -> None:
        asked = {"id": "new", "corrects": "session-2-post", "amount": 1, "reason": "outage", "by": "officer"}
        services.adjust(at=self.at, **{**asked, **changes})

    def grant(self, **changes: Any) -> None:
        asked = {"id": "new", "allocation": "award-7", "amount": 1, "reason": "more", "by": "officer"}
        services.grant(at=self.at, **{**asked, **changes})

    def give_back(self, **changes: Any) -> None:
        asked = {"id": "new", "allocation": "award-7", "amount": 1, "reason": "unused", "by": "officer"}
        services.give_back(at=self.at, **{**asked, **changes})

    def issue(self, **changes: Any) -> None:
        asked = {"id": "new", "pool": POOL, "issuer": ISSUER, "amount": 1, "reason": "budget", "by": "officer"}
        services.issue(at=self.at, **{**asked, **changes})

    def move(self, **changes: Any) -> None:
        asked = {"id": "new", "source": "award-7", "target": "award-8", "amount": 1, "reason": "shared", "by": "officer"}
        services.move(at=self.at, **{**asked, **changes})


C = RefusalCode
REFUSALS: list[tuple[RefusalCode, Callable[[Asker], Any]]] = [
    (C.EXCEEDS_AVAILABLE, lambda ask: ask.hold(amount=51)),
    (C.EXCEEDS_AVAILABLE, lambda ask: ask.give_back(amount=51)),
    (C.EXCEEDS_AVAILABLE, lambda ask: ask.move(amount=51)),
    (C.EXCEEDS_AVAILABLE, lambda ask: ask.adjust(amount=-51)),
    (C.EXCEEDS_POOL, lambda ask: ask.grant(amount=10**9)),
    (C.EXCEEDS_CAP, lambda ask: ask.hold(resource="capped", amount=11)),
    (C.EXCEEDS_HOLD, lambda ask: ask.post(amount=41)),
    (C.EXCEEDS_HOLD, lambda ask: ask.roll(used=20, keep=21)),
    (C.EXCEEDS_HOLD, lambda ask: ask.adjust(amount=-11)),
    (C.EXCEEDS_POSTED, lambda ask: ask.adjust(amount=11)),
    (C.HOLD_NOT_OPEN, lambda ask: ask.post(hold="session-2")),
    (C.HOLD_NOT_OPEN, lambda ask: ask.roll(hold="session-2")),
    (C.HOLD_NOT_OPEN, lambda ask: ask.void(hold="session-2")),
    (C.HOLD_NOT_OPEN, lambda ask: services.hold_mark_sent(id="session-2")),
    (C.HOLD_UNKNOWN, lambda ask: ask.post(hold="nothing")),
    (C.HOLD_UNKNOWN, lambda ask: ask.void(hold="nothing")),
    (C.HOLD_UNKNOWN, lambda ask: ask.adjust(corrects="session-1")),
    (C.ALLOCATION_NOT_ACTIVE, lambda ask: ask.hold(allocation="suspended")),
    (C.RESOURCE_NOT_COVERED, lambda ask: ask.hold(resource="moon")),
    (C.ACCOUNT_UNKNOWN, lambda ask: ask.hold(allocation="nobody")),
    (C.ACCOUNT_UNKNOWN, lambda ask: ask.post(provider="nobody")),
    (C.ACCOUNT_UNKNOWN, lambda ask: ask.issue(issuer="nobody")),
    (C.ACCOUNT_UNKNOWN, lambda ask: services.account_open(code="a", kind=AccountKind.ALLOCATION, pool="nobody")),
    (C.ACCOUNT_KIND, lambda ask: ask.hold(allocation=POOL)),
    (C.ACCOUNT_KIND, lambda ask: ask.post(provider=POOL)),
    (C.ACCOUNT_KIND, lambda ask: ask.issue(pool="award-7")),
    (C.ACCOUNT_KIND, lambda ask: services.account_open(code=POOL, kind=AccountKind.PROVIDER)),
    (C.POOLS_DIFFER, lambda ask: ask.move(target="award-9")),
    (C.POOLS_DIFFER, lambda ask: ask.move(target="award-7")),
    (C.EXPIRY_PASSED, lambda ask: ask.hold(expires_at=ask.at)),
    (C.EXPIRY_PASSED, lambda ask: ask.hold(expires_at=ask.at - timedelta(days=1))),
    (C.REASON_MISSING, lambda ask: ask.adjust(reason=" ")),
    (C.REASON_MISSING, lambda ask: ask.adjust(by="")),
    (C.REASON_MISSING, lambda ask: ask.grant(reason="")),
    (C.REASON_MISSING, lambda ask: ask.give_back(reason="")),
    (C.REASON_MISSING, lambda ask: ask.move(reason="")),
    (C.REASON_MISSING, lambda ask: ask.void(reason="")),
    (C.ID_REUSED, lambda ask: ask.hold(id="session-1")),
    (C.ID_REUSED, lambda ask: ask.post(id="session-2-post")),
    (C.ID_REUSED, lambda ask: ask.roll(new_hold="session-2")),
    (C.ID_REUSED, lambda ask: ask.grant(id="grant-award-7")),
    (C.ID_MALFORMED, lambda ask: ask.hold(id="NEW")),
    (C.ID_MALFORMED, lambda ask: ask.hold(id="x" * 81)),
    (C.ID_MALFORMED, lambda ask: ask.void(id="; drop table ledger_transfer")),
    (C.TIME_WITHOUT_ZONE, lambda ask: ask.void(at=datetime(2026, 3, 2))),
]
AMOUNTS: list[tuple[RefusalCode, Any]] = [
    (C.AMOUNT_NOT_POSITIVE, 0),
    (C.AMOUNT_NOT_POSITIVE, -1),
    (C.AMOUNT_TOO_LARGE, 10**15 + 1),
    (C.AMOUNT_TOO_LARGE, 10**30),
    (C.AMOUNT_NOT_WHOLE, 1.0),
    (C.AMOUNT_NOT_WHOLE, float("nan")),
    (C.AMOUNT_NOT_WHOLE, Decimal("1")),
    (C.AMOUNT_NOT_WHOLE, "1"),
    (C.AMOUNT_NOT_WHOLE, "1 GPU-hour"),
    (C.AMOUNT_NOT_WHOLE, timedelta(hours=1)),
    (C.AMOUNT_NOT_WHOLE, True),
    (C.AMOUNT_NOT_WHOLE, None),
]
MOVES: dict[str, Callable[[Asker, Any], Any]] = {
    "hold": lambda ask, amount: ask.hold(amount=amount),
    "post": lambda ask, amount: ask.post(amount=amount),
    "roll keep": lambda ask, amount: ask.roll(keep=amount),
    "roll used": lambda ask, amount: ask.roll(used=amount),
    "grant": lambda ask, amount: ask.grant(amount=amount),
    "issue": lambda ask, amount: ask.issue(amount=amount),
    "move": lambda ask, amount: ask.move(amount=amount),
    "return": lambda ask, amount: ask.give_back(amount=amount),
    "adjust": lambda ask, amount: ask.adjust(amount=amount),
}
# Nothing used is something to say, and corrections go both ways.
ALLOWED = [("roll used", C.AMOUNT_NOT_POSITIVE, 0), ("adjust", C.AMOUNT_NOT_POSITIVE, -1)]


def everything() -> list[Any]:
    """All rows of the ledger, to compare before and after."""
    return [list(model.objects.order_by("pk").values()) for model in (Account, Transfer, Hold, Line)]


def check_refused(call: Callable[[], Any], code: RefusalCode) -> None:
    before = everything()
    with pytest.raises(LedgerRefusal) as refused:
        call()
    assert refused.value.code == code
    assert refused.value.status in (404, 409, 422)
    assert " " in refused.value.message
    assert everything() == before


@pytest.fixture
def ask(now: datetime) -> Asker:
    return Asker(now)


@pytest.mark.parametrize(("code", "call"), REFUSALS)
def test_a_refusal_has_its_code_and_writes_nothing(ask: Asker, code: RefusalCode, call: Callable[[Asker], Any]) -> None:
    check_refused(lambda: call(ask), code)


@pytest.mark.parametrize("move", MOVES)
def test_an_amount_that_is_none_is_refused_by_every_move(ask: Asker, move: str) -> None:
    for code, amount in AMOUNTS:
        if (move, code, amount) not in ALLOWED:
            check_refused(lambda amount=amount: MOVES[move](ask, amount), code)
    MOVES[move](ask, 1)


def test_every_code_is_met_here() -> None:
    assert {code for code, _ in [*REFUSALS, *AMOUNTS]} == set(RefusalCode)
