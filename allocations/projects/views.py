from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from allocations.catalogue.rates import Size, formula
from allocations.ledger.selectors import last_moved
from portal.accounts.models import Role, User
from portal.core.errors import NotAllowed, Refusal
from portal.core.remembering import answer_known, remembering
from portal.core.words import whole_number
from portal.organisations.policies import org_role
from portal.organisations.selectors import member_list
from portal.threads.selectors import unread_of
from portal.web.registry import registry

from . import budget, policies, selectors
from .deeds import DEEDS, deed_form, deeds_open
from .export import statement_download
from .models import Allocation, MoreAsked
from .statement import statement, statement_newest
from .states import S

PAGE = 50
SMALL = Size(cores=1, memory_gib=2)  # the size that rates are shown for; every site has it


@login_required
def allocation_list(request: HttpRequest) -> HttpResponse:
    """The person's allocations."""
    user: Any = request.user
    theirs = selectors.allocation_list_for_user(user=user).annotate(unread=unread_of(user=user, kind="allocation"))
    allocations = list(theirs[:100])
    found = selectors.balances(allocations)
    today = timezone.now().date()
    rows = [(a, found[a.code], budget.standing_notice(allocation=a, balance=found[a.code], today=today)) for a in allocations]
    sees_all = bool(user.role_set & {Role.OFFICER, Role.OPERATOR})
    return render(request, "projects/list.html", {"rows": rows, "sees_all": sees_all})


@login_required
def detail(request: HttpRequest, code: str) -> HttpResponse:
    """An allocation: balance, rates, dates, people, and the button that launches."""
    with remembering():
        return _detail(request, code)


def _detail(request: HttpRequest, code: str) -> HttpResponse:
    user: Any = request.user
    today = timezone.now().date()
    also, along = selectors.page_facts(today=today), registry.rows_along.get("allocation", [])
    allocation: Any = selectors.allocation_get_for_user(user=user, code=code, also=also, along=along)
    resources = [(row, formula(row.rate, SMALL)) for row in selectors.covered_list(allocation=allocation)]
    people = _people(allocation, reader=user)
    balance, lines = statement_newest(allocation=allocation, limit=5)
    noticed = allocation.reclaim_amount is not None
    unanswered = allocation.asked_for_more.filter(answered_at=None).select_related("by").order_by("pk")
    asked = list(unanswered) if allocation.asking else []
    used_by_then = (allocation.use_day, allocation.use_then) if allocation.use_day else None
    return render(
        request,
        "projects/detail.html",
        {
            "allocation": allocation,
            "balance": balance,
            "resources": resources,
            "small": SMALL,
            "people": people,
            "may_use": policies.may_use(user=user, allocation=allocation),
            "may_manage": policies.may_manage(user=user, allocation=allocation),
            "lines": lines,
            "deeds": deeds_open(user=user, allocation=allocation, notice=noticed, asked=bool(asked)),
            "used_percent": budget.credits_percent(balance),
            "used": budget.used_now(balance),
            "granted": budget.granted_now(balance),
            "notice": budget.standing_notice(allocation=allocation, balance=balance, today=today),
            "forecast": budget.forecast_from(used_by_then, allocation=allocation, balance=balance, today=today),
            "days_left": (allocation.ends_on - today).days + 1,
            "noticed": noticed,
            "asked": asked,
            "asked_credits": any(one.wish == MoreAsked.Wish.CREDITS for one in asked),
        },
    )


def _people(allocation: Allocation, *, reader: User) -> list[User]:
    """Who may use it. Whoever reads the page is one of the enterprise's people or none: no part of the page asks again."""
    named = Exists(allocation.members.filter(user=OuterRef("user")))
    members: list[Any] = list(member_list(organisation=allocation.organisation).annotate(is_named=named))
    mine = next((member for member in members if member.user_id == reader.pk and reader.is_active), None)
    answer_known(org_role, mine.role if mine else None, user=reader, organisation_id=allocation.organisation_id)
    answer_known(policies.is_named, mine is not None and mine.is_named, user=reader, allocation=allocation)
    return [member.user for member in members if member.is_named or not allocation.named_people_only]


@login_required
def statement_page(request: HttpRequest, code: str) -> HttpResponse:
    """Every line of an allocation's account, explained, newest first."""
    user: Any = request.user
    allocation = selectors.allocation_get_for_user(user=user, code=code)
    cursor = request.GET.get("cursor", "")
    lines = statement(allocation=allocation, before_seq=whole_number(cursor), limit=PAGE + 1)
    shown = lines[:PAGE]
    return render(
        request,
        "projects/statement.html",
        {
            "allocation": allocation,
            "balance": selectors.balances([allocation])[allocation.code],
            "lines": shown,
            "next": str(shown[-1].seq) if len(lines) > PAGE else "",
        },
    )


@login_required
def statement_file(request: HttpRequest, code: str, form: str) -> HttpResponseBase:
    """The whole statement as a file, oldest first."""
    user: Any = request.user
    allocation = selectors.allocation_get_for_user(user=user, code=code)
    if form not in ("csv", "json"):
        raise Http404
    return statement_download(allocation=allocation, form=form)


@login_required
def deed(request: HttpRequest, code: str, name: str) -> HttpResponse:
    """One thing that may be done with an allocation: its form, and the doing of it."""
    user: Any = request.user
    allocation = selectors.allocation_get_for_user(user=user, code=code)
    chosen = deeds_open(user=user, allocation=allocation).get(name)
    if chosen is None:
        if name not in DEEDS:
            raise Http404
        raise NotAllowed(f"“{DEEDS[name].title}” is not open to you for {allocation.code} as it is now.")
    form = deed_form(name, allocation=allocation, user=user, data=request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            chosen.perform(allocation, form.cleaned_data, user, timezone.now())
        except Refusal as refusal:
            field = refusal.facts.get("field")
            form.add_error(field if field in form.fields else None, refusal.message)
        else:
            messages.success(request, chosen.done)
            return redirect("allocations:detail", code=allocation.code)
    facts = {
        "allocation": allocation,
        "balance": selectors.balances([allocation])[allocation.code],
        "deed": chosen,
        "form": form,
    }
    return render(request, "projects/deed.html", facts, status=422 if form.errors else 200)


@login_required
def officer_list(request: HttpRequest) -> HttpResponse:
    """All allocations, for officers and operators: how far each is used, when it last moved, who asks for more."""
    user: Any = request.user
    words, state, asked = request.GET.get("q", "").strip(), request.GET.get("state", ""), bool(request.GET.get("asked"))
    found = selectors.allocation_list_for_officer(user=user, words=words, state=state, asked=asked)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    allocations = list(page)
    balances, today = selectors.balances(allocations), timezone.now().date()
    moved = last_moved(codes=[allocation.account for allocation in allocations])
    asking = set(MoreAsked.objects.filter(allocation__in=allocations, answered_at=None).values_list("allocation_id", flat=True))
    rows = [
        {
            "allocation": allocation,
            "balance": balances[allocation.code],
            "credits": budget.credits_percent(balances[allocation.code]),
            "time": budget.time_percent(allocation, today),
            "moved": moved.get(allocation.account),
            "asks": allocation.pk in asking,
        }
        for allocation in allocations
    ]
    facts = {"rows": rows, "page": page, "q": words, "state": state, "asked": asked, "states": list(S)}
    return render(request, "projects/officer_list.html", facts)
