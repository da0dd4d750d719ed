"""
The budget watch: how far credits and time are used, told once at each mark to the people chosen, and when credits will run out.

At zero nothing new starts; what runs goes on inside what was set aside for it; nothing is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from allocations.ledger import selectors as ledger_read
from allocations.ledger.selectors import Balance
from portal.accounts.models import User
from portal.audit import services as audit
from portal.core.errors import Malformed
from portal.core.quantities import credits_text

from . import letters, policies
from .models import Allocation, BudgetKind, BudgetNotice, BudgetReader, DailyUse
from .states import S

MARKS = (50, 80, 95, 100)
LOOK_BACK_DAYS = 14
BATCH = 500


@dataclass(frozen=True)
class Forecast:
    """When credits run out at the pace of late. `on` is None while there is no pace to speak of."""

    per_day: int
    on: date | None
    lasts: bool


# --- how far --------------------------------------------------------------------------------------------------------------


def granted_now(balance: Balance) -> int:
    """What an allocation has had to spend, in micro-credits: granted, without what was returned."""
    return balance.granted - balance.returned


def used_now(balance: Balance) -> int:
    """What was charged in the end, in micro-credits: corrections taken off."""
    return balance.used


def credits_percent(balance: Balance) -> int:
    """How much of the credits is used, in whole percent; 100 only when nothing is left to launch with."""
    whole = granted_now(balance)
    if whole <= 0 or balance.available == 0:
        return 100
    return min(99, 100 * used_now(balance) // whole)


def time_percent(allocation: Allocation, today: date) -> int:
    """How much of its days is over, in whole percent; 100 on its last day."""
    days, gone = (allocation.ends_on - allocation.starts_on).days + 1, (today - allocation.starts_on).days + 1
    return max(0, min(100, 100 * gone // days))


def forecast(*, allocation: Allocation, balance: Balance, today: date) -> Forecast | None:
    """
    The day on which credits run out if use goes on as in the last two weeks. One query.

    :return: None while there is less than a day to look back on
    """
    first = use_looked_back(today=today).filter(allocation=allocation).values_list("day", "used").first()
    return forecast_from(first, allocation=allocation, balance=balance, today=today)


def use_looked_back(*, today: date) -> QuerySet[DailyUse]:
    """The days from which use is looked at, the first one first."""
    return DailyUse.objects.filter(day__gte=today - timedelta(days=LOOK_BACK_DAYS), day__lt=today).order_by("day")


def forecast_from(first: tuple[date, int] | None, *, allocation: Allocation, balance: Balance, today: date) -> Forecast | None:
    """The same as `forecast`, where the first day and the micro-credits used by then are known; no query."""
    if first is None:
        return None
    day, used_then = first
    per_day = (used_now(balance) - used_then) // (today - day).days
    if per_day <= 0:
        return Forecast(0, None, lasts=True)
    on = today + timedelta(days=min(3650, (balance.available + balance.held) // per_day))
    return Forecast(per_day, on, lasts=on > allocation.ends_on)


# --- telling --------------------------------------------------------------------------------------------------------------


def budgets_watch(*, at: datetime) -> int:
    """Note the day's use and tell of marks that were passed, in queries that do not grow. Returns how many were told."""
    told = 0
    active = Allocation.objects.filter(state=S.ACTIVE).select_related("organisation").order_by("pk")
    last = 0
    while rows := list(active.filter(pk__gt=last)[:BATCH]):
        last = rows[-1].pk
        told += _watch_some(rows, at=at)
    return told


def _watch_some(rows: list[Allocation], *, at: datetime) -> int:
    balances = ledger_read.balance_map(codes=[row.account for row in rows])
    today = at.date()
    noted = set(DailyUse.objects.filter(allocation__in=rows, day=today).values_list("allocation_id", flat=True))
    DailyUse.objects.bulk_create(
        [DailyUse(allocation=row, day=today, used=used_now(balances[row.account])) for row in rows if row.pk not in noted],
        ignore_conflicts=True,
    )
    known = set(BudgetNotice.objects.filter(allocation__in=rows).values_list("allocation_id", "kind", "percent", "whole"))
    told = 0
    for row in rows:
        for kind, percent, whole in _standing(row, balances[row.account], today):
            new = [mark for mark in MARKS if mark <= percent and (row.pk, kind, mark, whole) not in known]
            if new:
                told += _tell(row, balances[row.account], kind=kind, marks=new, whole=whole, at=at)
    return told


def _standing(row: Allocation, balance: Balance, today: date) -> list[tuple[str, int, int]]:
    credits = (str(BudgetKind.CREDITS), credits_percent(balance), granted_now(balance))
    return [credits, (str(BudgetKind.TIME), time_percent(row, today), row.ends_on.toordinal())]


@transaction.atomic
def _tell(row: Allocation, balance: Balance, *, kind: str, marks: list[int], whole: int, at: datetime) -> int:
    """Tell the highest of the marks; two who watch at once tell once, because each mark is one row."""
    made = 0
    for mark in marks:
        _, new = BudgetNotice.objects.get_or_create(allocation=row, kind=kind, percent=mark, whole=whole, defaults={"at": at})
        made += new
    if not made:
        return 0
    percent = max(marks)
    subject, text = _words(row, balance, kind=kind, percent=percent, at=at)
    letters.budget(row, subject=subject, text=text, at=at)
    about = f"allocation:{row.code}"
    audit.event_record(kind="allocation.budget_told", actor=None, about=about, at=at, of=kind, percent=percent)
    return 1


AT_ZERO = (
    "Nothing new can be launched. What runs goes on inside the credits that were set aside for it, and nothing is deleted. "
    "One click on the page asks for more."
)


def _words(row: Allocation, balance: Balance, *, kind: str, percent: int, at: datetime) -> tuple[str, str]:
    left = credits_text(balance.available)
    if kind == BudgetKind.TIME:
        subject = f"{percent} % of the time is over" if percent < 100 else "The last day"
        text = f"Your allocation runs until {letters.day(row.ends_on)}; {left} credits are left. What is left then returns."
        return subject, text
    if percent == 100:
        return "All credits are used or set aside", AT_ZERO
    seen = forecast(allocation=row, balance=balance, today=at.date())
    pace = f" At the pace of late they last until {letters.day(seen.on)}." if seen and seen.on and not seen.lasts else ""
    return f"{percent} % of the credits are used", f"{left} of {credits_text(granted_now(balance))} credits are left.{pace}"


def standing_notice(*, allocation: Allocation, balance: Balance, today: date) -> tuple[str, str] | None:
    """The tone and words of the notice a page shows, or None below half."""
    if allocation.state != S.ACTIVE:
        return None
    used, time = credits_percent(balance), time_percent(allocation, today)
    if used == 100:
        return "bad", f"All credits are used or set aside. {AT_ZERO}"
    if used >= 95 or time >= 95:
        tone = "bad"
    elif used >= 80 or time >= 80:
        tone = "warn"
    elif used >= 50 or time >= 50:
        tone = "info"
    else:
        return None
    days = (allocation.ends_on - today).days + 1
    return tone, f"{used} % of the credits are used; {days} {'day is' if days == 1 else 'days are'} left."


# --- who is told ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def budget_readers_choose(*, allocation: Allocation, users: list[User], by: User, at: datetime) -> None:
    """
    Choose who is told. An empty choice means the owners and managers.

    :raises NotAllowed: unless an owner or manager of the enterprise
    :raises Malformed: somebody who may not use the allocation
    """
    policies.check_manages(user=by, allocation=allocation, what="choose who is told")
    for user in users:
        if not policies.may_use(user=user, allocation=allocation):
            raise Malformed(f"{user} is not one of the people of {allocation.code}.", field="readers")
    allocation.budget_readers.exclude(user__in=users).delete()
    for user in users:
        BudgetReader.objects.get_or_create(allocation=allocation, user=user)
    names = ", ".join(str(user) for user in users)
    audit.event_record(kind="allocation.readers_chosen", actor=by, about=f"allocation:{allocation.code}", at=at, readers=names)
