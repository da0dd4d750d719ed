"""Pages of the operator about people: who is here, what each may do for the portal, who is shut out."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.core.errors import Malformed, NotAllowed
from portal.core.words import text_fitting

from . import selectors, services
from .forms import RolesForm
from .models import Role, User
from .policies import check_role

PAGE = 50


@login_required
def people(request: HttpRequest) -> HttpResponse:
    """Everybody, found by words, role, or being shut out."""
    user: Any = request.user
    check_role(user, Role.OPERATOR)
    ask = {name: request.GET.get(name, "").strip()[:80] for name in ("q", "role")}
    rows = selectors.person_list_for_operator(user=user, words=ask["q"], role=ask["role"])
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/people.html", {"page": page, "ask": ask, "roles": Role.choices})


@login_required
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: their roles, and the button that shuts them out."""
    user: Any = request.user
    person = selectors.person_get_for_operator(user=user, pk=pk)
    form = RolesForm(request.POST if request.method == "POST" else None, initial={"roles": sorted(person.role_set)})
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.roles_set(user=person, roles=form.cleaned_data["roles"], by=user, at=timezone.now())
        except NotAllowed as refusal:
            form.add_error("roles", refusal.message)
        else:
            messages.success(request, f"Saved; {person} was told by mail." if changed else "Nothing was changed.")
            return redirect("people_one", pk=pk)
    facts = {"person": person, "form": form, "itself": person.pk == user.pk, "history": selectors.person_history(user=person)}
    return render(request, "accounts/people_one.html", facts, status=422 if form.errors else 200)


@login_required
@require_POST
def shut(request: HttpRequest, pk: int) -> HttpResponse:
    """Shut a person out at once, or let them in again; either with a reason."""
    user: Any = request.user
    person: User = selectors.person_get_for_operator(user=user, pk=pk)
    reason, now = text_fitting(request.POST.get("reason", ""), most=500, field="reason"), timezone.now()
    try:
        if "admit" in request.POST:
            services.person_reactivate(user=person, reason=reason, by=user, at=now)
            messages.success(request, f"{person} may sign in again.")
        else:
            services.person_shut_out(user=person, reason=reason, by=user, at=now)
            messages.success(request, f"{person} is shut out. What they run is being stopped; files stay with their team.")
    except Malformed as refusal:
        if reason:
            raise  # what was written comes back with the refusal
        messages.error(request, refusal.message)
    return redirect("people_one", pk=pk)
