"""The page where a team asks for a top-up, a burst or more time, and is told at once what the rule says."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from allocations.projects.forms import CreditsField, once
from allocations.projects.giving import Kind
from allocations.projects.models import Allocation
from allocations.projects.policies import check_manages
from allocations.projects.selectors import allocation_get_for_user
from portal.accounts.models import User
from portal.core.errors import NotYours, Refusal
from portal.core.quantities import credits_text

from .growing import award_of
from .wishes import Answer, Wish, credits_ask, time_ask, wishes


class MoreCreditsForm(forms.Form):
    """How many credits, and what for, should an officer read it."""

    use_required_attribute = False
    amount = CreditsField(label="Credits")
    message = forms.CharField(
        label="What you need them for",
        required=False,
        max_length=1500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Only an officer reads it; a rule looks at the figures.",
    )
    once = forms.RegexField(r"^[0-9a-f]{20}$", widget=forms.HiddenInput, initial=once)


class MoreTimeForm(forms.Form):
    """How many months, and why, should an officer read it."""

    use_required_attribute = False
    months = forms.IntegerField(label="Months", min_value=1, max_value=60, initial=1)
    message = forms.CharField(
        label="Why",
        required=False,
        max_length=1500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Only an officer reads it.",
    )
    ends_on = forms.DateField(widget=forms.HiddenInput)


def wish_form(wish: Wish, allocation: Allocation, data: Any = None) -> forms.Form:
    """The form of a wish, filled in so that one click is enough."""
    if wish.kind == Kind.EXTENSION:
        return MoreTimeForm(data, initial={"ends_on": allocation.ends_on.isoformat()})
    return MoreCreditsForm(data, initial={"amount": credits_text(wish.most)})


@login_required
def ask(request: HttpRequest, code: str, kind: str) -> HttpResponse:
    """Ask for one thing. A double click asks once."""
    user: Any = request.user
    allocation = allocation_get_for_user(user=user, code=code)
    check_manages(user=user, allocation=allocation, what="ask for more")
    award = award_of(allocation)
    wish = next((one for one in wishes(award, today=timezone.now().date()) if one.kind == kind), None) if award else None
    if wish is None:
        raise NotYours("rule of its call")
    form = wish_form(wish, allocation, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            answer = _ask(allocation, wish, form.cleaned_data, user)
        except Refusal as refusal:
            field = refusal.facts.get("field")
            form.add_error(field if field in form.fields else None, refusal.message)
        else:
            _say(request, answer)
            return redirect("allocations:detail", code=code)
    facts = {"allocation": allocation, "wish": wish, "form": form}
    return render(request, "awards/wish.html", facts, status=422 if form.errors else 200)


def _ask(allocation: Allocation, wish: Wish, given: dict[str, Any], user: User) -> Answer:
    if wish.kind == Kind.EXTENSION:
        return time_ask(allocation=allocation, by=user, at=timezone.now(), **given)
    return credits_ask(allocation=allocation, kind=wish.kind, by=user, at=timezone.now(), **given)


def _say(request: HttpRequest, answer: Answer) -> None:
    if answer.given:
        messages.success(request, f"Given by the rule of the call: {answer.reason}")
    else:
        messages.info(request, f"An officer was asked and answers by mail. The rule says: {answer.reason}")
