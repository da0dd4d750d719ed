"""One click asks for more. What answers it is an officer who gives it, or says no in words."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed, Refusal

from . import letters, policies
from .models import Allocation, MoreAsked
from .states import S

Wish = MoreAsked.Wish


def more_ask(
    *,
    allocation: Allocation,
    message: str,
    by: User,
    at: datetime,
    wish: Wish = Wish.CREDITS,
    amount: int | None = None,
    months: int | None = None,
) -> MoreAsked:
    """
    Ask the officers for more. Asked twice for the same, they are told once.

    :param amount: micro-credits, where so many are asked for
    :param months: where more time is asked for
    :raises NotAllowed: unless an owner or manager of the enterprise
    :raises Refusal: `allocation_not_active` when it has ended: then apply for a new one
    """
    policies.check_manages(user=by, allocation=allocation, what="ask for more")
    check_not_over(allocation)
    try:
        with transaction.atomic():
            asked = MoreAsked.objects.create(
                allocation=allocation, wish=wish, amount=amount, months=months, by=by, message=message[:2000], at=at
            )
            audit.event_record(
                kind="allocation.more_asked",
                actor=by,
                about=f"allocation:{allocation.code}",
                at=at,
                wish=str(wish),
                message=message[:2000],
            )
            letters.more_asked(allocation, by=by, what=wish.label, message=message, at=at)
    except IntegrityError:
        return MoreAsked.objects.get(allocation=allocation, wish=wish, answered_at=None)
    return asked


@transaction.atomic
def more_decline(*, allocation: Allocation, reason: str, by: User, at: datetime) -> None:
    """
    Say no to everything that is asked for on an allocation. Pressing twice tells once.

    :raises NotAllowed: unless an officer who does not belong to the enterprise
    :raises Malformed: without a reason
    """
    policies.check_officiates(user=by, allocation=allocation, what="answer it")
    if not reason.strip():
        raise Malformed("Give a reason: the enterprise reads it.", field="reason")
    if not MoreAsked.objects.filter(allocation=allocation, answered_at=None).update(answered_at=at):
        return
    audit.event_record(
        kind="allocation.more_declined", actor=by, about=f"allocation:{allocation.code}", at=at, reason=reason.strip()
    )
    letters.more_declined(allocation, reason=reason.strip(), at=at)


def check_not_over(allocation: Allocation) -> None:
    """
    Let an allocation pass that has not ended.

    :raises Refusal: `allocation_not_active`
    """
    if allocation.state in (S.CLOSING, S.CLOSED):
        raise Refusal("allocation_not_active", f"{allocation.code} has ended. Apply for a new one.")
