"""The lot inside a tier: announced with a sealed seed before the reviews are known, drawn once, open to recomputation."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.db import IntegrityError, transaction

from allocations.applications.models import Application
from allocations.applications.states import S
from allocations.calls.models import Call
from portal.accounts.models import Role, User
from portal.accounts.policies import check_role
from portal.audit import services as audit
from portal.core.errors import Refusal

from .models import Draw
from .ranking import commitment, drawn, tier_of
from .scoring import average
from .states import S as ReviewS


@transaction.atomic
def lot_announce(*, call: Call, by: User, at: datetime) -> Draw:
    """
    Choose a seed and publish its seal. Announced twice is once.

    :raises Refusal: `no_lottery` where the call has none
    """
    check_role(by, Role.OFFICER)
    rules = call.rules.review
    if rules is None or rules.lottery is None:
        raise Refusal("no_lottery", "The rules of this call draw no lots.")
    seed = secrets.token_hex(16)
    values = {"seed": seed, "seal": commitment(seed), "announced_at": at, "announced_by": by}
    try:
        with transaction.atomic():
            draw, made = Draw.objects.get_or_create(call=call, tier=rules.lottery.tier, drawn_at=None, defaults=values)
    except IntegrityError:
        draw, made = Draw.objects.get(call=call, tier=rules.lottery.tier, drawn_at=None), False
    if made:
        audit.event_record(kind="lot.announced", actor=by, about=f"call:{call.slug}", at=at, seal=draw.seal)
    return draw


@transaction.atomic
def lot_draw(*, draw: Draw, by: User, at: datetime) -> Draw:
    """
    Draw: the seed is opened, and the order of the tier's applications is fixed. Drawn once.

    :raises Refusal: `reviews_missing` while a review of the call is not in, `changed_meanwhile` when it was drawn already
    """
    check_role(by, Role.OFFICER)
    call = draw.call
    waiting = Application.objects.filter(call=call, state__in=[S.SUBMITTED, S.IN_REVIEW])
    open_reviews = waiting.filter(reviews__state__in=[ReviewS.INVITED, ReviewS.OPEN])
    if open_reviews.exists():
        raise Refusal("reviews_missing", "Lots are drawn once all reviews of the call are in.")
    codes = [row.code for row in waiting.prefetch_related("reviews") if _tier(call, row) == draw.tier]
    order = drawn(draw.seed, codes)
    if not Draw.objects.filter(pk=draw.pk, drawn_at=None).update(drawn_at=at, drawn_by=by, order=order):
        raise Refusal("changed_meanwhile", "The lots were drawn already.")
    draw.refresh_from_db()
    audit.event_record(kind="lot.drawn", actor=by, about=f"call:{call.slug}", at=at, seed=draw.seed, order=order)
    return draw


def lots_of(*, call: Call) -> list[Draw]:
    """Every draw of a call, newest first; a seed is to be shown only once it was drawn."""
    return list(Draw.objects.filter(call=call).order_by("-pk")[:20])


def place_of(draws: list[Draw], code: str) -> int | None:
    """The place the lot gave an application, 1 for the first."""
    for draw in draws:
        if draw.drawn_at is not None and code in draw.order:
            return draw.order.index(code) + 1
    return None


def _tier(call: Call, application: Application) -> str:
    rules = call.rules.review
    if rules is None:
        return ""
    handed = [r.scores for r in application.reviews.all() if r.state == ReviewS.SUBMITTED and r.round == application.round]  # type: ignore[attr-defined]
    tier = tier_of(rules, average(rules.criteria, handed))
    return tier.key if tier else ""
