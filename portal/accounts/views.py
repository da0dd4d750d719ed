from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from . import services
from .first_operator import check_link, first_operator_create
from .forms import FirstOperatorForm, PersonForm


@login_required
def person(request: HttpRequest) -> HttpResponse:
    """A person's own page: name, time zone, ways to sign in."""
    form = PersonForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        services.person_change(user=form.instance, at=timezone.now(), **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("person")
    return render(request, "accounts/person.html", {"form": form}, status=422 if form.errors else 200)


def first_operator(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the link that `up --no-demo` prints: makes the first operator, once."""
    check_link(token)
    form = FirstOperatorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        person = first_operator_create(token=token, at=timezone.now(), **form.cleaned_data)
        login(request, person, backend=settings.AUTHENTICATION_BACKENDS[0])
        return redirect("home")
    return render(request, "accounts/first_operator.html", {"form": form})
