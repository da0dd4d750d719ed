"""Awards in parts: the rest waits, set aside, until an officer has read the progress report."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from allocations.ledger import services as ledger
from allocations.ledger.states import AccountKind
from allocations.projects import services as projects
from allocations.projects.giving import Kind
from allocations.projects.models import Allocation
from allocations.projects.states import S
from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.audit import services as audit
from portal.core.errors import Malformed, NotAllowed, Refusal
from portal.organisations.policies import org_role

from .models import Rest


def rest_set_aside(*, allocation: Allocation, amount: int, by: User | None, at: datetime) -> Rest:
    """
    Take the later part of an award out of the pool, inside the award's transaction.

    :param amount: micro-credits
    :raises LedgerRefusal: `exceeds_pool`; then nothing of the award happens
    """
    account = f"rest:{allocation.code.lower()}"
    ledger.account_open(code=account, kind=AccountKind.ALLOCATION, pool=allocation.programme)
    ledger.grant(
        id=f"{account}:grant",
        allocation=account,
        amount=amount,
        reason="set aside until the progress report",
        by=_ref(by),
        at=at,
        subject=f"allocation:{allocation.code}",
    )
    return Rest.objects.create(allocation=allocation, amount=amount, account=account, set_aside_at=at)


@transaction.atomic
def rest_grant(*, rest: Rest, reason: str, by: User, at: datetime) -> None:
    """
    Grant the rest of an award. A second press finds it granted.

    :raises NotAllowed: not an officer, or one of the enterprise's own people
    :raises Malformed: without a reason
    :raises Refusal: `allocation_over`, `rest_gone`
    """
    allocation = rest.allocation
    _check_officer(by, allocation)
    if not reason.strip():
        raise Malformed("Say what you read in the progress report; the team reads it.", field="reason")
    if allocation.state in (S.CLOSING, S.CLOSED):
        raise Refusal("allocation_over", f"{allocation.code} has ended, so its rest cannot be granted any more.")
    if not _end(rest, granted=True, reason=reason, by=by, at=at):
        if rest.granted:
            return
        raise Refusal("rest_gone", f"The rest of {allocation.code} went back to the pool already.")
    ledger.account_close(allocation=rest.account, at=at, reason="granted", by=_ref(by))
    projects.allocation_supplement(
        allocation=allocation,
        id=f"{allocation.code.lower()}-rest",
        amount=rest.amount,
        reason=reason.strip(),
        by=by,
        at=at,
        kind=Kind.REST,
    )


@transaction.atomic
def rests_return(*, at: datetime) -> None:
    """Give rests of ended allocations back to their pools; safe to run twice at once."""
    for rest in Rest.objects.filter(ended_at__isnull=True, allocation__state__in=[S.CLOSING, S.CLOSED]).select_related(
        "allocation"
    ):
        if _end(rest, granted=False, reason="the allocation ended", by=None, at=at):
            ledger.account_close(allocation=rest.account, at=at, reason="the allocation ended", by="rule")
            about = f"allocation:{rest.allocation.code}"
            audit.event_record(kind="allocation.rest_returned", actor=None, about=about, at=at, amount=rest.amount)


def _end(rest: Rest, *, granted: bool, reason: str, by: User | None, at: datetime) -> bool:
    done = Rest.objects.filter(pk=rest.pk, ended_at__isnull=True).update(
        ended_at=at, granted=granted, reason=reason.strip(), by=by
    )
    rest.refresh_from_db()
    return bool(done)


def _check_officer(by: User, allocation: Allocation) -> None:
    check_role(by, Role.OFFICER)
    if org_role(user=by, organisation_id=allocation.organisation_id) is not None:
        raise NotAllowed(f"You belong to {allocation.organisation}, so another officer must do this. Nothing was changed.")


def _ref(person: User | None) -> str:
    return f"person:{person.pk}" if person else "rule"
