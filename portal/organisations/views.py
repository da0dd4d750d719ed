from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.accounts.models import User
from portal.core.errors import Refusal

from . import policies, selectors, services
from .declarations import in_force, texts
from .forms import ChangeForm, InvitationForm, OrganisationForm
from .models import OrgRole
from .subsidies import aid_total


@login_required
def mine(request: HttpRequest) -> HttpResponse:
    """To the person's enterprise, the list when there are several, or the form when there is none."""
    organisations = list(selectors.organisation_list_for_user(user=request.user))  # type: ignore[arg-type]
    if not organisations:
        return redirect("organisations:new")
    if len(organisations) == 1:
        return redirect("organisations:detail", pk=organisations[0].pk)
    return render(request, "organisations/list.html", {"organisations": organisations})


@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Enter an enterprise; afterwards its page tells for which calls it qualifies."""
    form = OrganisationForm(request.POST or None)
    known: int | None = None
    if request.method == "POST" and form.is_valid():
        try:
            organisation = services.organisation_create(by=request.user, at=timezone.now(), **form.cleaned_data)  # type: ignore[arg-type]
        except Refusal as refusal:
            known = refusal.facts.get("organisation")
            field = refusal.facts.get("field")
            form.add_error(field if field in form.fields else None, refusal.message)
        else:
            messages.success(request, f"{organisation} is entered.")
            return redirect("organisations:detail", pk=organisation.pk)
    return render(request, "organisations/form.html", {"form": form, "known": known}, status=422 if form.errors else 200)


@login_required
@require_POST
def ask_to_join(request: HttpRequest, pk: int) -> HttpResponse:
    """Tell the owners of a registered enterprise that somebody asks to join."""
    services.join_request_create(organisation_id=pk, by=request.user, at=timezone.now())  # type: ignore[arg-type]
    messages.success(request, "Its owner was told. You will hear from them.")
    return redirect("/")


@login_required
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """An enterprise: facts, size class with its reason, calls it qualifies for, people."""
    user: Any = request.user
    organisation = selectors.organisation_get_for_user(user=user, pk=pk)
    role = policies.org_role(user=user, organisation_id=pk)
    return render(
        request,
        "organisations/detail.html",
        {
            "organisation": organisation,
            "members": selectors.member_list(organisation=organisation),
            "role": role,
            "may_invite": role in policies.MAY_INVITE,
            "is_owner": role == OrgRole.OWNER,
            "invitation": InvitationForm(),
            "aid": aid_total(organisation=organisation, today=timezone.now().date()),
            "signed": in_force(organisation=organisation, today=timezone.now().date()),
            "unsigned": len(texts()),
        },
    )


@login_required
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change the facts."""
    user: Any = request.user
    organisation = selectors.organisation_get_for_user(user=user, pk=pk)
    policies.check_org_role(user=user, organisation=organisation, roles=(OrgRole.OWNER,), what="change its facts")
    names = OrganisationForm.base_fields
    form = ChangeForm(request.POST or None, initial={name: getattr(organisation, name) for name in names})
    if request.method == "POST" and form.is_valid():
        try:
            services.organisation_update(organisation=organisation, by=user, at=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            field = refusal.facts.get("field")
            form.add_error(field if field in form.fields else None, refusal.message)
        else:
            messages.success(request, "Saved. What changed, and who changed it, is kept.")
            return redirect("organisations:detail", pk=pk)
    context = {"form": form, "organisation": organisation}
    return render(request, "organisations/form.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def invite(request: HttpRequest, pk: int) -> HttpResponse:
    """Invite somebody; the link is shown and also sent."""
    user: Any = request.user
    organisation = selectors.organisation_get_for_user(user=user, pk=pk)
    form = InvitationForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Write an e-mail address.")
        return redirect("organisations:detail", pk=pk)
    url = services.invitation_create(
        organisation=organisation,
        email=form.cleaned_data["email"],
        role=OrgRole(form.cleaned_data["role"]),
        by=user,
        at=timezone.now(),
    )
    return render(
        request, "organisations/invited.html", {"organisation": organisation, "url": url, "email": form.cleaned_data["email"]}
    )


@login_required
@require_POST
def remove(request: HttpRequest, pk: int, user_pk: int) -> HttpResponse:
    """Take a person out of the enterprise."""
    me: Any = request.user
    organisation = selectors.organisation_get_for_user(user=me, pk=pk)
    person = User.objects.filter(pk=user_pk, memberships__organisation=organisation, memberships__left_at__isnull=True).first()
    if person:
        services.member_remove(organisation=organisation, user=person, by=me, at=timezone.now())
        messages.success(
            request, f"{person} has left {organisation}. What they run is being stopped; files stay with the team."
        )
    return redirect("organisations:detail", pk=pk)


def join(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind an invitation: a button that acts once. A mail scanner that follows the link changes nothing."""
    invitation = services.invitation_find(token=token, at=timezone.now())
    if request.method == "POST" and request.user.is_authenticated:
        services.invitation_accept(token=token, by=request.user, at=timezone.now())
        messages.success(request, f"Welcome to {invitation.organisation}.")
        return redirect("/")
    return render(request, "organisations/join.html", {"invitation": invitation})
