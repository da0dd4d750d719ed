from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from allocations.ledger.selectors import balance
from allocations.projects import policies as projects_policy
from allocations.projects import selectors as projects_read
from allocations.projects.models import Allocation
from notebooks_svc.agent.slurm.options import batch_account_name
from portal.accounts.models import User
from portal.core.errors import NotAllowed, NotYours, Refusal
from portal.core.ids import batch_id_new

from . import policies, selectors, services
from .forms import CloseForm, OpenForm
from .models import BatchHold
from .states import ENDS, LIVE, S

PAGE, JOBS_PAGE = 25, 50


@login_required
@require_GET
def history(request: HttpRequest, code: str) -> HttpResponse:
    """An allocation's batch holds, newest first, as far as the person may see them."""
    user: Any = request.user
    allocation = projects_read.allocation_get_for_user(user=user, code=code)
    rows = selectors.batch_list_for_user(user=user).filter(allocation=allocation)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    facts = {"allocation": allocation, "page": page, "holds": list(page), "may_open": _may_open(user, allocation)}
    return render(request, "batch/history.html", facts)


def _may_open(user: User, allocation: Allocation) -> bool:
    if not projects_policy.may_use(user=user, allocation=allocation):
        return False
    return bool(selectors.batch_resources(allocation=allocation))


@login_required
def open_new(request: HttpRequest, code: str) -> HttpResponse:
    """Set credits aside for jobs that people submit themselves."""
    user: Any = request.user
    allocation = projects_read.allocation_get_for_user(user=user, code=code)
    if not projects_policy.may_use(user=user, allocation=allocation):
        raise NotAllowed(f"Only people of {allocation.code} set its credits aside.")
    choices: dict[str, Any] = {
        "resources": selectors.batch_resources(allocation=allocation),
        "people": selectors.people_to_choose(user=user, allocation=allocation),
    }
    if request.method == "POST":
        form = OpenForm(request.POST, **choices)
        if form.is_valid():
            given = form.cleaned_data
            try:
                hold = services.batch_open(
                    user=user,
                    allocation=allocation.code,
                    resource=given["resource"],
                    amount=given["credits"],
                    people=given.get("people"),
                    id=given["id"],
                    at=timezone.now(),
                )
            except NotYours:
                raise
            except Refusal as refusal:
                field = refusal.facts.get("field")
                form.add_error(field if field in form.fields else None, refusal.message)
            else:
                return redirect("batch:detail", id=hold.pk)
    else:
        form = OpenForm(initial={"id": batch_id_new(), "people": [user.email]}, **choices)
    facts = {"allocation": allocation, "form": form, "balance": balance(code=allocation.account), **choices}
    return render(request, "batch/new.html", facts, status=422 if form.errors else 200)


@login_required
@require_GET
def detail(request: HttpRequest, id: str) -> HttpResponse:
    """A batch hold: the line to submit with, what is left, every job and its price."""
    user: Any = request.user
    hold = selectors.batch_get_for_user(user=user, id=id)
    newest_first = hold.jobs.select_related("user").order_by(F("ended").desc(nulls_first=True), "-pk")
    page = Paginator(newest_first, JOBS_PAGE).get_page(request.GET.get("page"))
    waiting_to_settle = selectors.unsettled(hold=hold)
    mine = next((person for person in hold.people.all() if person.user_id == user.pk), None)
    return render(
        request,
        "batch/detail.html",
        {
            "hold": hold,
            "jobs": list(page),
            "page": page,
            "people": list(hold.people.all()),
            "mine": mine,
            "lines": submit_line(hold).replace(" --", " \\\n  --"),
            "unsettled": min(waiting_to_settle, hold.hold_amount),
            "left": max(0, hold.hold_amount - waiting_to_settle),
            "returned": hold.amount - hold.charged if hold.state == S.CLOSED else 0,
            "may_close": (hold.is_open or (hold.state in LIVE and hold.let_finish))
            and policies.may_close(user=user, hold=hold),
            "may_cancel_only": hold.state == S.CLOSING and hold.let_finish,
            "close_form": CloseForm(),
            "end_words": ENDS.get(hold.close_reason, ""),
        },
    )


def submit_line(hold: BatchHold) -> str:
    """What a person types at the site."""
    name = batch_account_name(settings.INSTANCE_ID, hold.pk)
    partition = f" --partition={hold.resource.partition}" if hold.resource.partition else ""
    return f"sbatch --account={name} --qos={name}{partition} --time=01:00:00 job.sh"


@login_required
@require_POST
def close(request: HttpRequest, id: str) -> HttpResponse:
    """Close a batch hold."""
    user: Any = request.user
    hold = selectors.batch_get_for_user(user=user, id=id)
    form = CloseForm(request.POST)
    if form.is_valid():
        let_finish = form.cleaned_data["running"] == "finish"
        services.batch_close(hold=hold, by=user, let_finish=let_finish, at=timezone.now())
        messages.success(
            request, "It takes no more jobs. What is left returns once nothing of it runs and accounting has told all."
        )
    return redirect("batch:detail", id=id)
