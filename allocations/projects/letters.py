"""What people are told about their allocations, in plain words. Each letter says what happened, why, and what comes next."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.conf import settings

from portal.accounts.models import Role, User
from portal.audit import services as audit
from portal.core.quantities import credits_text
from portal.organisations.models import OrgRole

from .models import Allocation
from .states import FILES_KEPT_DAYS


def leaders(allocation: Allocation) -> list[User]:
    """The owners and managers of the enterprise, who are told of everything that moves its credits."""
    rows = allocation.organisation.memberships.filter(
        left_at__isnull=True, role__in=[OrgRole.OWNER, OrgRole.MANAGER], user__is_active=True
    )
    return [row.user for row in rows.select_related("user").order_by("pk")]


def budget_readers(allocation: Allocation) -> list[User]:
    """Who is told how far it is used: the people chosen, or else the leaders."""
    rows = allocation.budget_readers.filter(user__is_active=True, user__memberships__organisation=allocation.organisation_id)
    chosen = [row.user for row in rows.filter(user__memberships__left_at=None).select_related("user").distinct().order_by("pk")]
    return chosen or leaders(allocation)


def page_of(allocation: Allocation) -> str:
    """The address of an allocation's page."""
    return f"{settings.PORTAL_URL}/allocations/{allocation.code}/"


def _write(allocation: Allocation, kind: str, subject: str, text: str, *, to: list[User], at: datetime) -> None:
    body = f"{text}\n\n{allocation.title} ({allocation.code}): {page_of(allocation)}\n"
    for person in to:
        audit.letter_queue(
            kind=f"allocation.{kind}",
            to=person,
            subject=subject,
            body=f"Hello {person.short_name},\n\n{body}",
            at=at,
            about=f"allocation:{allocation.code}",
        )


BY_RULE = "\n\nThis was decided by a rule of its call, not by a person."


def supplemented(allocation: Allocation, *, amount: int, reason: str, by_rule: bool, at: datetime) -> None:
    """More credits were granted."""
    text = f"{credits_text(amount)} more credits were granted to your allocation. You can use them at once.\n\nReason: {reason}"
    text += BY_RULE if by_rule else ""
    _write(allocation, "supplemented", f"{credits_text(amount)} more credits", text, to=leaders(allocation), at=at)


def extended(allocation: Allocation, *, reason: str, by_rule: bool, at: datetime) -> None:
    """The last day moved."""
    text = f"Your allocation now runs until {day(allocation.ends_on)}.\n\nReason: {reason}{BY_RULE if by_rule else ''}"
    _write(allocation, "extended", f"Extended until {day(allocation.ends_on)}", text, to=leaders(allocation), at=at)


def suspended(allocation: Allocation, *, reason: str, at: datetime) -> None:
    """Spending stopped for a while."""
    text = (
        "Your allocation is suspended: nothing new starts, what runs is being stopped. Your credits and files are kept."
        f"\n\nReason: {reason}\n\nAnswer on its page if you think this is a mistake."
    )
    _write(allocation, "suspended", "Your allocation is suspended", text, to=leaders(allocation), at=at)


def resumed(allocation: Allocation, *, at: datetime) -> None:
    """Spending goes on."""
    text = "Your allocation is active again. You can launch notebooks."
    _write(allocation, "resumed", "Your allocation is active again", text, to=leaders(allocation), at=at)


def ended(allocation: Allocation, *, reason: str, at: datetime) -> None:
    """It is over."""
    text = (
        "Your allocation has ended. What was left returns to the programme; what still ran is being stopped and charged to the "
        f"second. Your files can be taken away until {day(at.date() + timedelta(days=FILES_KEPT_DAYS))}, on the page of its "
        f"files; then they are deleted.\n\nReason: {reason}"
    )
    _write(allocation, "ended", "Your allocation has ended", text, to=leaders(allocation), at=at)


def moved(source: Allocation, target: Allocation, *, amount: int, reason: str, by: User, at: datetime) -> None:
    """Credits moved between two allocations."""
    text = f"{by} moved {credits_text(amount)} credits from {source.code} to {target.code}.\n\nReason: {reason}"
    _write(source, "moved", f"{credits_text(amount)} credits moved to {target.code}", text, to=leaders(source), at=at)


def reclaim_announced(allocation: Allocation, *, amount: int, due_on: date, reason: str, by_rule: bool, at: datetime) -> None:
    """Idle credits will return."""
    text = (
        f"Your allocation has not been used for a while. On {day(due_on)}, {credits_text(amount)} of its credits return to the "
        f"programme, so that others can use them.\n\nReason: {reason}\n\nTo keep them, launch anything before that day: the "
        "notice is then dropped by itself. Nothing that runs is touched and no file is deleted."
    ) + (BY_RULE if by_rule else "")
    _write(allocation, "reclaim_announced", f"Idle credits return on {day(due_on)}", text, to=leaders(allocation), at=at)


def reclaimed(allocation: Allocation, *, amount: int, at: datetime) -> None:
    """Idle credits returned."""
    text = f"{credits_text(amount)} idle credits returned to the programme, as announced. Ask for more when you need them."
    _write(allocation, "reclaimed", f"{credits_text(amount)} idle credits returned", text, to=leaders(allocation), at=at)


def reclaim_dropped(allocation: Allocation, *, why: str, at: datetime) -> None:
    """Idle credits stay."""
    text = f"The notice that credits would return is dropped: {why}. Your credits stay yours."
    _write(allocation, "reclaim_dropped", "Your credits stay", text, to=leaders(allocation), at=at)


def budget(allocation: Allocation, *, subject: str, text: str, at: datetime) -> None:
    """A mark was passed."""
    _write(allocation, "budget", subject, text, to=budget_readers(allocation), at=at)


def burst_lapsed(allocation: Allocation, *, amount: int, given: int, at: datetime) -> None:
    """A one-off burst is over."""
    text = (
        f"The days of your burst of {credits_text(given)} credits are over. {credits_text(amount)} of them were not used and "
        "returned to the programme. The credits of your award itself are untouched."
    )
    _write(
        allocation, "burst_lapsed", f"{credits_text(amount)} credits of your burst lapsed", text, to=leaders(allocation), at=at
    )


def more_declined(allocation: Allocation, *, reason: str, at: datetime) -> None:
    """An officer said no to what was asked."""
    text = (
        f"An officer read what you asked for and did not grant it.\n\nReason: {reason}\n\nYou may ask again, or write to them."
    )
    _write(allocation, "more_declined", f"What you asked for {allocation.code}", text, to=leaders(allocation), at=at)


def more_asked(allocation: Allocation, *, by: User, what: str, message: str, at: datetime) -> None:
    """To the officers: somebody asks for more."""
    officers = User.objects.filter(is_active=True, roles__role=Role.OFFICER).distinct().order_by("pk")
    to = [o for o in officers if not allocation.organisation.memberships.filter(user=o, left_at=None).exists()]
    text = f"{by} asks for {what} for {allocation.title} of {allocation.organisation}.\n\n{message or 'No words with it.'}"
    _write(allocation, "more_asked", f"{allocation.code} asks for {what}", text, to=to, at=at)


def day(moment: date) -> str:
    """A day as people write it."""
    return f"{moment:%-d %B %Y}"
