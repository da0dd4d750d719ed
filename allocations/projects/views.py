from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from allocations.catalogue.rates import formula
from allocations.catalogue.selectors import profile_list
from portal.organisations.selectors import member_list

from . import policies, selectors
from .statement import statement

PAGE = 50


@login_required
def allocation_list(request: HttpRequest) -> HttpResponse:
    """The person's allocations."""
    user: Any = request.user
    allocations = list(selectors.allocation_list_for_user(user=user)[:100])
    found = selectors.balances(allocations)
    return render(request, "projects/list.html", {"rows": [(a, found[a.code]) for a in allocations]})


@login_required
def detail(request: HttpRequest, code: str) -> HttpResponse:
    """An allocation: balance, rates, dates, people, and the button that launches."""
    user: Any = request.user
    allocation = selectors.allocation_get_for_user(user=user, code=code)
    small = profile_list().first()
    resources = [
        (row, formula(row.rate, small.size) if small else "") for row in selectors.covered_resources(allocation=allocation)
    ]
    people = (
        [m.user for m in allocation.members.select_related("user")]
        if allocation.named_people_only
        else [m.user for m in member_list(organisation=allocation.organisation)]
    )
    return render(
        request,
        "projects/detail.html",
        {
            "allocation": allocation,
            "balance": selectors.balances([allocation])[allocation.code],
            "resources": resources,
            "small": small,
            "people": people,
            "may_use": policies.may_use(user=user, allocation=allocation),
            "may_manage": policies.may_manage(user=user, allocation=allocation),
            "lines": statement(allocation=allocation, limit=5),
        },
    )


@login_required
def statement_page(request: HttpRequest, code: str) -> HttpResponse:
    """Every line of an allocation's account, explained, newest first."""
    user: Any = request.user
    allocation = selectors.allocation_get_for_user(user=user, code=code)
    cursor = request.GET.get("cursor", "")
    lines = statement(allocation=allocation, before_seq=int(cursor) if cursor.isdigit() else None, limit=PAGE + 1)
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
