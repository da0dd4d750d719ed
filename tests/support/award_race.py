"""
Officers decide at the same moment, in an installation's database: `python -m tests.support.award_race`.

Six applications want 200 credits each of a pool of 1,000; every one is decided by two officers at once, all in threads. Prints
what happened as JSON.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter

import django

ROWS, EACH = 6, 200


def main() -> None:
    """Race."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    django.setup()
    from django.db import connection
    from django.utils import timezone

    from allocations.applications.models import Application
    from allocations.awards.models import Decision
    from allocations.ledger.selectors import balance
    from allocations.projects.models import Allocation
    from portal.core.errors import Refusal
    from portal.core.quantities import MICRO

    from .programme import programme

    made = programme(timezone.now())
    codes = [made.judged(by=(made.founder, made.rival)[n % 2], credits=EACH).code for n in range(ROWS)]
    made.now = timezone.now()
    outcomes: Counter[str] = Counter()
    gate = threading.Barrier(2 * len(codes))

    def decide(code: str, officer: object) -> None:
        row = Application.objects.select_related("version__call", "call__current", "organisation").get(code=code)
        gate.wait()
        try:
            made.award(row, credits=EACH, by=officer)  # type: ignore[arg-type]
        except Refusal as refusal:
            outcomes[refusal.code] += 1
        except Exception as error:
            outcomes[f"error {type(error).__name__}: {error}"] += 1
        else:
            outcomes["awarded"] += 1
        finally:
            connection.close()

    officers = (made.officer, made.second_officer)
    threads = [threading.Thread(target=decide, args=(code, officer)) for code in codes for officer in officers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(
        json.dumps(
            {
                "outcomes": outcomes,
                "left": balance(code="pool:build").available // MICRO,
                "decisions": Decision.objects.count(),
                "allocations": Allocation.objects.count(),
                "awarded": Application.objects.filter(outcome="awarded", allocation__isnull=False).count(),
                "undecided": Application.objects.filter(state="in_review").count(),
            }
        )
    )


if __name__ == "__main__":
    main()
