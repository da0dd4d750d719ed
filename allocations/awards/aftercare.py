"""What a call's rules say of an award that goes on: more, longer, idle, reports. They inform; people decide."""

from __future__ import annotations

from datetime import date

from allocations.calls.afterwards import extension_finding, reclaim_finding, reports_due, topup_finding, topup_most
from allocations.calls.findings import Finding
from allocations.ledger.selectors import balance
from allocations.projects.models import Allocation
from portal.audit.models import Event
from portal.core.quantities import credits_text

from .models import Decision
from .terms import Terms


def aftercare(*, allocation: Allocation, decision: Decision, today: date) -> list[tuple[str, Finding]]:
    """Each rule that applies with its title, in a constant number of queries."""
    rules = decision.application.version.rules
    duties, money = rules.duties, balance(code=allocation.account)
    granted = money.granted - money.returned
    found = []
    if duties.supplement_at_percent is not None:
        times = Event.objects.filter(about=f"allocation:{allocation.code}", kind="allocation.supplemented").count()
        finding = topup_finding(duties, granted=granted, spent=money.spent, times=times)
        most = credits_text(topup_most(duties, awarded=decision.credits))
        found.append((f"A top-up of up to {most} credits", finding))
    if duties.extension_months_max:
        had = extended_months(allocation, Terms(decision.credits, decision.months or 1, []))
        finding = extension_finding(duties, ends_on=allocation.ends_on, today=today, had_months=had, months=1)
        found.append(("A month longer", finding))
    if rules.reclaim is not None:
        _, finding = reclaim_finding(
            rules.reclaim,
            starts_on=allocation.starts_on,
            today=today,
            granted=granted,
            spent=money.spent,
            held=money.held,
            left=money.available,
        )
        found.append(("Idle credits may return to the pool", finding))
    return found


def reports_words(*, allocation: Allocation, decision: Decision) -> list[str]:
    """Which reports are owed, and when."""
    duties = decision.application.version.rules.duties
    owed = reports_due(duties, starts_on=allocation.starts_on, ends_on=allocation.ends_on)
    words = [f"A {due.kind} report by {due.on:%-d %B %Y}, {due.reason}." for due in owed]
    return [*words, f"Print with results: {duties.acknowledgement}"] if duties.acknowledgement else words


def extended_months(allocation: Allocation, terms: Terms) -> int:
    """Whole months, begun ones counted, that the end was moved beyond the months awarded."""
    months = (allocation.ends_on.year - allocation.starts_on.year) * 12 + allocation.ends_on.month - allocation.starts_on.month
    if allocation.ends_on.day >= allocation.starts_on.day:
        months += 1
    return max(0, months - terms.months)
