"""The thread about an application, and the one about an allocation: between the enterprise and the officers, nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from allocations.projects.models import Allocation
from allocations.projects.policies import may_use
from allocations.projects.selectors import allocation_get_for_user
from portal.accounts.models import Role, User
from portal.core.errors import NotAllowed
from portal.organisations.models import Membership, Organisation, OrgRole
from portal.threads import selectors as threads
from portal.threads import services

from . import policies, selectors
from .clock import working_day_after
from .models import Application

ANSWER_WORKING_DAYS = 3  # so long an enterprise waits for an answer at most


def on_application(request: HttpRequest, *, application: Application) -> tuple[str, dict[str, Any]] | None:
    """The thread, for the enterprise and for officers; reviewers have no part in it."""
    user: Any = request.user
    officiates = policies.may_officiate(user=user, application=application)
    writes = policies.may_write(user=user, application=application)
    inside = policies.role_in(user=user, application=application) is not None
    if application.submitted_at is None or not (inside or officiates):
        return None
    post_to = reverse("applications:message", args=[application.code]) if writes or officiates else ""
    return _card(user, f"application:{application.code}", post_to, staff=officiates)


def on_allocation(request: HttpRequest, *, allocation: Allocation) -> tuple[str, dict[str, Any]] | None:
    """The thread about an allocation."""
    user: Any = request.user
    staff, inside = Role.OFFICER in user.role_set, may_use(user=user, allocation=allocation)
    if not (staff or inside):
        return None
    return _card(
        user, f"allocation:{allocation.code}", reverse("applications:allocation_message", args=[allocation.code]), staff
    )


def _card(user: User, about: str, post_to: str, staff: bool) -> tuple[str, dict[str, Any]]:
    shown = threads.thread_shown(user=user, about=about)
    services.thread_opened(about=about, by=user, shown=shown)
    ask = "Write to the enterprise" if staff else "Write to the officers"
    return "threads/thread.html", {
        "messages_shown": shown.messages,
        "unread": shown.unread,
        "post_to": post_to,
        "ask_label": ask,
        "staff": staff,
        "due_on": shown.due_on,
        "today": timezone.now().date(),
    }


@login_required
@require_POST
def message(request: HttpRequest, code: str) -> HttpResponse:
    """Write about an application."""
    user: Any = request.user
    application = selectors.application_get_for_user(user=user, code=code)
    staff = policies.may_officiate(user=user, application=application)
    if not staff:
        policies.check_may_write(user=user, application=application)
    person = application.submitted_by or application.created_by
    where = reverse("applications:detail", args=[code])
    country = application.version.rules.holidays_of
    about = f"application:{application.code}"
    _post(request, about, application.code, where, staff=staff, people=[person], country=country)
    return redirect(f"{where}#messages")


@login_required
@require_POST
def allocation_message(request: HttpRequest, code: str) -> HttpResponse:
    """Write about an allocation."""
    user: Any = request.user
    allocation = allocation_get_for_user(user=user, code=code)
    inside = may_use(user=user, allocation=allocation)
    staff = Role.OFFICER in user.role_set and not inside
    if not (staff or inside):
        raise NotAllowed("Only the people of this allocation and officers write here.")
    where = reverse("allocations:detail", args=[code])
    about, owners = f"allocation:{allocation.code}", _owners(allocation.organisation)
    country = _country(allocation)
    _post(request, about, allocation.code, where, staff=staff, people=owners, country=country)
    return redirect(f"{where}#messages")


def _country(allocation: Allocation) -> str:
    """Whose holidays count: those of the call it was awarded by."""
    application = Application.objects.filter(allocation=allocation).select_related("version__call").first()
    return application.version.rules.holidays_of if application else ""


def _post(
    request: HttpRequest, about: str, title: str, where: str, *, staff: bool, people: Iterable[User], country: str
) -> None:
    user: Any = request.user
    today = timezone.now().date()
    services.message_post(
        about=about,
        title=title,
        url=f"{settings.PORTAL_URL}{where}",
        text=request.POST.get("text", ""),
        staff=staff,
        to=people if staff else _answering(about),
        by=user,
        at=timezone.now(),
        due_on=None if staff else working_day_after(today, days=ANSWER_WORKING_DAYS, country=country),
    )


def _answering(about: str) -> list[User]:
    """The officer who wrote last in the thread; before anybody did, it waits in the queue of all."""
    return [m.author for m in reversed(threads.thread(about=about)) if m.staff and m.author][:1]


def questions_remind(*, at: datetime) -> None:
    """Remind the officer who wrote last in a thread whose answer is due; before anybody did, every officer who may answer."""
    for thread in services.threads_due(today=at.date()):
        kind, _, code = thread.about.partition(":")
        rows: Any = (Application if kind == "application" else Allocation).objects
        organisation = rows.filter(code=code).values_list("organisation_id", flat=True).first()
        own = Membership.objects.filter(organisation_id=organisation, left_at__isnull=True).values("user_id")
        officers = User.objects.filter(roles__role=Role.OFFICER, is_active=True).exclude(pk__in=own)
        known = [person for person in _answering(thread.about) if officers.filter(pk=person.pk).exists()]
        url = f"{settings.PORTAL_URL}/{kind}s/{code}/#messages"
        services.thread_remind(thread=thread, to=known or officers, title=code, url=url, at=at)


def _owners(organisation: Organisation) -> list[User]:
    rows = organisation.memberships.filter(role=OrgRole.OWNER, left_at__isnull=True).select_related("user")
    return [row.user for row in rows]
