"""What people may do with an allocation from its page: who, with which words, by which service. One table, one view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dateutil.relativedelta import relativedelta
from django import forms

from portal.accounts.models import User
from portal.core.quantities import credits_text
from portal.organisations.selectors import member_list

from . import asking, budget, policies, reclaim, selectors, services
from .forms import ExtendForm, GrantForm, MoreForm, ReadersForm, ReasonForm, ReclaimForm, TransferForm
from .giving import BY_OFFICER, Kind
from .models import Allocation, ReclaimNotice
from .states import S

Perform = Callable[[Allocation, dict[str, Any], User, datetime], object]
LIVE, RUNNING = (S.SCHEDULED, S.ACTIVE, S.SUSPENDED), (S.SCHEDULED, S.ACTIVE)


@dataclass(frozen=True)
class Deed:
    """One thing that may be done: its title, what it means, its button, who may, in which states, and what does it."""

    title: str
    words: str
    button: str
    done: str
    form: Callable[..., forms.Form]
    may: Callable[..., bool]
    states: tuple[S, ...]
    perform: Perform
    danger: bool = False


def _supplement(allocation: Allocation, given: dict[str, Any], by: User, at: datetime) -> object:
    id = f"{allocation.code.lower()}-supplement-{given['once']}"
    return services.allocation_supplement(
        allocation=allocation,
        id=id,
        amount=given["amount"],
        reason=given["reason"],
        by=by,
        at=at,
        kind=Kind(given["kind"]),
    )


def _extend(allocation: Allocation, given: dict[str, Any], by: User, at: datetime) -> object:
    return services.allocation_extend(allocation=allocation, ends_on=given["ends_on"], reason=given["reason"], by=by, at=at)


def _transfer(allocation: Allocation, given: dict[str, Any], by: User, at: datetime) -> object:
    return services.allocation_transfer(
        source=allocation,
        target=selectors.allocation_get_for_user(user=by, code=given["to"]),
        id=f"{allocation.code.lower()}-transfer-{given['once']}",
        amount=given["amount"],
        reason=given["reason"],
        by=by,
        at=at,
    )


def _reclaim(allocation: Allocation, given: dict[str, Any], by: User, at: datetime) -> object:
    return reclaim.reclaim_announce(allocation=allocation, by=by, at=at, **given)


def _reclaim_drop(allocation: Allocation, given: dict[str, Any], by: User, at: datetime) -> object:
    for notice in ReclaimNotice.objects.filter(allocation=allocation, state=reclaim.GIVEN):
        reclaim.reclaim_drop(notice=notice, by=by, at=at)
    return given


def _readers(allocation: Allocation, given: dict[str, Any], by: User, at: datetime) -> object:
    users = list(User.objects.filter(pk__in=given["readers"]))
    return budget.budget_readers_choose(allocation=allocation, users=users, by=by, at=at)


DEEDS: dict[str, Deed] = {
    "ask": Deed(
        "Ask for more credits",
        "An officer reads it and answers by mail. What runs goes on, and nothing is deleted meanwhile.",
        "Ask for more",
        "The officers were told. You will hear from them by mail.",
        MoreForm,
        policies.may_manage,
        LIVE,
        lambda allocation, given, by, at: asking.more_ask(allocation=allocation, by=by, at=at, **given),
    ),
    "readers": Deed(
        "Who is told about the budget",
        "They get a mail when half, four fifths, 95 % and all of the credits or of the time are used.",
        "Save",
        "Saved.",
        ReadersForm,
        policies.may_manage,
        LIVE,
        _readers,
    ),
    "transfer": Deed(
        "Move credits to another allocation",
        "Credits that are not set aside can move to another allocation of your enterprise in the same programme.",
        "Move credits",
        "The credits were moved.",
        TransferForm,
        policies.may_move_credits,
        RUNNING,
        _transfer,
    ),
    "supplement": Deed(
        "Grant more credits",
        "They come from the pool of the programme and can be used at once.",
        "Grant",
        "The credits were granted.",
        GrantForm,
        policies.may_officiate,
        LIVE,
        _supplement,
    ),
    "decline": Deed(
        "Say no to what is asked",
        "The enterprise gets a letter with your reason. What it has stays as it is.",
        "Say no",
        "The enterprise was told.",
        ReasonForm,
        policies.may_officiate,
        LIVE,
        lambda allocation, given, by, at: asking.more_decline(allocation=allocation, by=by, at=at, **given),
    ),
    "extend": Deed(
        "Extend",
        "The last day moves later; credits stay as they are.",
        "Extend",
        "The last day was moved.",
        ExtendForm,
        policies.may_officiate,
        LIVE,
        _extend,
    ),
    "reclaim": Deed(
        "Reclaim idle credits",
        "The enterprise gets a letter. If nothing is launched until the day named there, the credits return to the pool.",
        "Give notice",
        "Notice was given.",
        ReclaimForm,
        policies.may_officiate,
        (S.ACTIVE,),
        _reclaim,
    ),
    "keep": Deed(
        "Drop the notice",
        "The credits stay with the enterprise, which is told so.",
        "Drop the notice",
        "The notice was dropped.",
        forms.Form,
        policies.may_officiate,
        (S.ACTIVE,),
        _reclaim_drop,
    ),
    "suspend": Deed(
        "Suspend",
        "Nothing new starts, and what runs is stopped and charged. Credits and files are kept.",
        "Suspend",
        "The allocation is suspended.",
        ReasonForm,
        policies.may_officiate,
        (S.ACTIVE,),
        lambda allocation, given, by, at: services.allocation_suspend(allocation=allocation, by=by, at=at, **given),
        danger=True,
    ),
    "resume": Deed(
        "Resume",
        "Notebooks can be launched again.",
        "Resume",
        "The allocation is active again.",
        forms.Form,
        policies.may_officiate,
        (S.SUSPENDED,),
        lambda allocation, _, by, at: services.allocation_resume(allocation=allocation, by=by, at=at),
    ),
    "end": Deed(
        "End early",
        "What is left returns to the programme; what runs is stopped and charged to the second; files can be taken away for "
        "30 days, then they are deleted. This cannot be undone.",
        "End it now",
        "The allocation is ending.",
        ReasonForm,
        policies.may_end,
        LIVE,
        lambda allocation, given, by, at: services.allocation_end(allocation=allocation, by=by, at=at, **given),
        danger=True,
    ),
}


def deeds_open(*, user: User, allocation: Allocation, notice: bool | None = None, asked: bool | None = None) -> dict[str, Deed]:
    """
    What this person may do with this allocation now.

    :param notice: whether a notice to reclaim stands, where that is known
    :param asked: whether anything is asked for, where that is known
    """
    if notice is None:
        notice = allocation.reclaim_notices.filter(state=reclaim.GIVEN).exists()
    if asked is None:
        asked = allocation.asked_for_more.filter(answered_at=None).exists()
    closed = {"reclaim" if notice else "keep", *([] if asked else ["decline"])}
    found = {}
    answers: dict[Any, bool] = {}
    for name, deed in DEEDS.items():
        if allocation.state not in deed.states or name in closed:
            continue
        if deed.may not in answers:
            answers[deed.may] = deed.may(user=user, allocation=allocation)
        if answers[deed.may]:
            found[name] = deed
    return found


def deed_form(name: str, *, allocation: Allocation, user: User, data: Any = None) -> forms.Form:
    """The form of a deed, with what can be chosen."""
    if name == "readers":
        people = [member.user for member in member_list(organisation=allocation.organisation)]
        chosen = [str(pk) for pk in allocation.budget_readers.values_list("user_id", flat=True)]
        return ReadersForm(data, people=people, initial={"readers": chosen})
    if name == "transfer":
        return TransferForm(data, others=selectors.transfer_targets(user=user, source=allocation))
    if name in ("supplement", "extend") and data is None:
        return DEEDS[name].form(initial=_as_asked(name, allocation))
    return DEEDS[name].form(data)


def _as_asked(name: str, allocation: Allocation) -> dict[str, Any]:
    """What the team asked for, so that granting it is one click and a reason."""
    asked = allocation.asked_for_more.filter(answered_at=None)
    if name == "extend":
        found = asked.filter(wish=asking.Wish.EXTENSION).first()
        return {"ends_on": allocation.ends_on + relativedelta(months=found.months)} if found and found.months else {}
    found = asked.exclude(wish=asking.Wish.EXTENSION).order_by("pk").last()
    if found is None or not found.amount:
        return {}
    return {"amount": credits_text(found.amount), "kind": found.wish if found.wish in BY_OFFICER else Kind.SUPPLEMENT}
