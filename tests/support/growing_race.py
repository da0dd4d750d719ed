"""
Teams ask for more at the same moment, in an installation's database: `python -m tests.support.growing_race`.

Two awards of 300 credits, whose call gives at most two top-ups of 100 each; 350 credits are left in the pool, enough for three.
Each team presses six times at once, each press another, and afterwards one by one. Then, award by award, one person asks for a
top-up while another ends the award. Prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import django

PRESSES, ENDED, EACH, LEFT = 6, 6, 100, 350


def main() -> None:
    """Race."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from django.utils import timezone

    from allocations.awards.models import Grown
    from allocations.calls import services as calls
    from allocations.ledger import services as ledger
    from allocations.ledger.selectors import balance
    from allocations.projects import services as projects
    from allocations.projects.models import Allocation, MoreAsked
    from portal.core.quantities import MICRO

    from .programme import document, programme

    made = programme(timezone.now())
    duties = {
        **document("build")["duties"],
        "supplement_at_percent": 1,
        "topup": {"credits_max": str(EACH), "times_max": 2, "decided_by": "rule"},
    }
    calls.version_add(call=made.build, document=document("build", duties=duties), reason="r", by=None, at=made.now)
    made.build.refresh_from_db()
    ledger.issue(
        id="more", pool="pool:build", issuer="issuer:test", amount=(LEFT + 300 * (2 + ENDED) - 1000) * MICRO,
        reason="just so much that 350 are left", by="rule", at=made.now,
    )  # fmt: skip

    def award() -> Allocation:
        allocation = made.award(made.judged()).allocation
        assert allocation is not None
        id = f"use-{allocation.code.lower()}"
        ledger.hold(
            id=id, allocation=allocation.account, amount=290 * MICRO, resource="cpu", subject="s", at=made.now,
            expires_at=None, explanation={},
        )  # fmt: skip
        ledger.post(id=f"{id}-post", hold=id, amount=290 * MICRO, provider="provider:here", at=made.now)
        return allocation

    def press(allocation: Allocation, number: int) -> Callable[[], Any]:
        from allocations.awards import wishes
        from allocations.projects.giving import Kind

        row = Allocation.objects.select_related("organisation").get(pk=allocation.pk)
        asked = {"kind": Kind.TOPUP, "amount": EACH * MICRO, "once": f"{number:020x}", "by": made.founder, "at": made.now}
        return lambda: "given" if wishes.credits_ask(allocation=row, **asked).given else "left to an officer"

    def end(allocation: Allocation) -> Callable[[], Any]:
        row = Allocation.objects.select_related("organisation").get(pk=allocation.pk)
        return lambda: projects.allocation_end(allocation=row, reason="Enough.", by=made.founder, at=made.now) or "ended"

    pair = [award(), award()]
    ended = [award() for _ in range(ENDED)]
    left_before = balance(code="pool:build").available // MICRO
    pressed = at_once(press(one, number) for one in pair for number in range(PRESSES))
    afterwards = Counter(press(one, PRESSES + number)() for number in range(3) for one in pair)
    left = balance(code="pool:build").available // MICRO
    topups = {one.code: Grown.objects.filter(allocation=one, kind="topup").count() for one in pair}
    granted = {one.code: balance(code=one.account).granted // MICRO for one in pair}
    ledger.issue(
        id="again", pool="pool:build", issuer="issuer:test", amount=5000 * MICRO, reason="more", by="rule", at=made.now
    )
    before = balance(code="pool:build").available // MICRO
    outcomes = at_once(step for one in ended for step in (press(one, 0), end(one)))
    projects.allocations_by_date(at=made.now)
    rows = [balance(code=one.account) for one in ended]
    print(
        json.dumps(
            {
                "pressed": pressed,
                "afterwards": afterwards,
                "topups": topups,
                "granted": granted,
                "left before": left_before,
                "left": left,
                "outcomes": outcomes,
                "states": sorted(Allocation.objects.filter(pk__in=[one.pk for one in ended]).values_list("state", flat=True)),
                "still there": [(row.available, row.held) for row in rows],
                "back in the pool": balance(code="pool:build").available // MICRO - before,
                "asked of what has ended": MoreAsked.objects.filter(allocation__in=ended).count(),
            }
        )
    )


def at_once(steps: Iterable[Callable[[], Any]]) -> Counter[str]:
    """Take all steps in threads that begin together; counts what they answered, refusals by their code."""
    from django.db import connection

    from portal.core.errors import Refusal

    steps, outcomes = list(steps), Counter()
    gate = threading.Barrier(len(steps))

    def take(step: Callable[[], Any]) -> None:
        gate.wait()
        try:
            outcomes[step()] += 1
        except Refusal as refusal:
            outcomes[str(refusal.code)] += 1
        except Exception as error:
            outcomes[f"error {type(error).__name__}: {error}"] += 1
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


if __name__ == "__main__":
    main()
