"""One click asks for more credits. What answers it is an officer's supplement, or a word."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Refusal

from . import letters, policies
from .models import Allocation, MoreAsked
from .states import S


def more_ask(*, allocation: Allocation, message: str, by: User, at: datetime) -> MoreAsked:
    """
    Ask the officers for more credits. Asked twice, they are told once.

    :raises NotAllowed: unless an owner or manager of the enterprise
    :raises Refusal: `allocation_not_active` when it has ended: then apply for a new one
    """
    policies.check_manages(user=by, allocation=allocation, what="ask for more credits")
    if allocation.state in (S.CLOSING, S.CLOSED):
        raise Refusal("allocation_not_active", f"{allocation.code} has ended. Apply for a new one.")
    try:
        with transaction.atomic():
            asked = MoreAsked.objects.create(allocation=allocation, by=by, message=message[:2000], at=at)
            audit.event_record(
                kind="allocation.more_asked", actor=by, about=f"allocation:{allocation.code}", at=at, message=message[:2000]
            )
            letters.more_asked(allocation, by=by, message=message, at=at)
    except IntegrityError:
        return MoreAsked.objects.get(allocation=allocation, answered_at=None)
    return asked
