"""
What awards are worth as aid, where their call says that they are: held below the ceiling when granted, written into the
enterprise's total, and lowered to what was really used when the books of an award are closed.
"""

from __future__ import annotations

from datetime import date, datetime

from allocations.calls.document import CallDocument
from allocations.calls.findings import Finding
from allocations.calls.pricing import aid_finding, aid_value_eur
from allocations.ledger.selectors import balance
from allocations.projects.models import Allocation
from portal.core.errors import Refusal
from portal.core.quantities import credits_text
from portal.organisations import facts as enterprise_facts
from portal.organisations.models import Organisation
from portal.organisations.subsidies import aid_total

from .models import Decision


def aid_check(*, rules: CallDocument, organisation: Organisation, credits: int, today: date) -> Finding | None:
    """
    Let so many micro-credits pass that stay below the ceiling of aid; None where the call counts nothing as aid.

    :raises Refusal: `aid_ceiling`, with the sum
    """
    if rules.aid is None:
        return None
    # Two grants to one enterprise at the same moment meet here, so that both cannot fit into the same room.
    Organisation.objects.select_for_update().get(pk=organisation.pk)
    received = aid_total(organisation=organisation, today=today, years=rules.aid.years).total_eur
    found = aid_finding(rules.aid, received_eur=received, amount=credits)
    if not found.passes:
        raise Refusal("aid_ceiling", f"This would pass the ceiling of aid: {found.reason}")
    return found


def aid_record(*, rules: CallDocument, allocation: Allocation, credits: int, at: datetime, part: str = "") -> None:
    """
    Count micro-credits as a subsidy of their enterprise, where the call says that they are one. Twice is once.

    :param part: names a later grant to the same allocation (`appeal-2`), which is counted beside the first
    """
    if rules.aid is None or credits <= 0:
        return
    enterprise_facts.subsidy_from_award(
        organisation=allocation.organisation,
        amount_eur=aid_value_eur(rules.aid, credits),
        on=at.date(),
        granted_by=rules.programme,
        purpose=f"{allocation.code} {allocation.title}",
        about=_about(allocation) + (f":{part}" if part else ""),
        at=at,
    )


def aid_settle(*, allocation: Allocation, at: datetime) -> None:
    """
    An award's books are closed: what it counts as aid becomes what was used of it.

    What was given last is lowered first. Credits that were moved here from another award, and used here, are counted here.
    """
    decision = Decision.objects.filter(allocation=allocation).select_related("application__version").order_by("-number").first()
    aid = decision.application.version.rules.aid if decision is not None else None
    if decision is None or aid is None:
        return
    money = balance(code=allocation.account)
    left = aid_value_eur(aid, money.used)
    why = f"{allocation.code} ended; {credits_text(money.used)} of {credits_text(money.granted)} credits were used"
    for subsidy in enterprise_facts.subsidies_of(about=_about(allocation)):
        kept = min(subsidy.amount_eur, left)
        left -= kept
        if kept < subsidy.amount_eur:
            enterprise_facts.subsidy_lower(subsidy=subsidy, amount_eur=kept, why=why, at=at)
    if left:
        enterprise_facts.subsidy_from_award(
            organisation=allocation.organisation,
            amount_eur=left,
            on=at.date(),
            granted_by=decision.application.version.rules.programme,
            purpose=f"{allocation.code}: credits moved here from another award",
            about=f"{_about(allocation)}:moved",
            at=at,
        )


def _about(allocation: Allocation) -> str:
    return f"allocation:{allocation.code}"
