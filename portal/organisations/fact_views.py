"""The page of an enterprise's facts: size class, related firms, subsidies, declarations, history; the officer verifies."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.accounts.models import Role
from portal.core.errors import NotAllowed, NotYours, Refusal
from portal.core.words import whole_number

from . import declarations, facts, policies, selectors, years
from .forms import RelatedFirmForm, SubsidyForm, VerifyForm, YearForm
from .models import FactChange, Organisation, OrgRole, related_of
from .size_class import counted
from .subsidies import aid_total

PAGE = 25
LABELS = {
    "name": "Name",
    "country": "Country",
    "registry_id": "Registry number",
    "headcount": "People employed",
    "turnover_eur": "Turnover in euro",
    "balance_sheet_eur": "Balance sheet in euro",
    "accounts_end_on": "Last day of the accounting year",
    "accounting_year": "Accounting year",
    "legal_form": "Legal form",
    "region": "Region",
    "sector": "Sector",
    "founded_on": "Founded on",
    "related_firm": "Related firm",
    "subsidy": "Subsidy",
}


@login_required
def facts_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything that is known about an enterprise, with how it became so."""
    return _page(request, _organisation(request, pk))


@login_required
@require_POST
def firm_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Name a linked or partner firm."""
    organisation = _organisation(request, pk)
    form = RelatedFirmForm(request.POST, firms=organisation.related_firms.all())  # type: ignore[attr-defined]
    user: Any = request.user
    if form.is_valid():
        try:
            firm = facts.related_firm_add(organisation=organisation, by=user, at=timezone.now(), **form.cleaned_data)
        except (NotAllowed, NotYours):
            raise
        except Refusal as refusal:
            _complain(form, refusal)
        else:
            messages.success(request, f"{firm} is kept. Your size class is worked out anew.")
            return redirect("organisations:facts", pk=pk)
    return _page(request, organisation, firm_form=form, status=422)


@login_required
@require_POST
def firm_remove(request: HttpRequest, pk: int, firm: int) -> HttpResponse:
    """Take a related firm out."""
    user: Any = request.user
    facts.related_firm_remove(organisation=_organisation(request, pk), pk=firm, by=user, at=timezone.now())
    messages.success(request, "Taken out. That it was named stays in the history.")
    return redirect("organisations:facts", pk=pk)


@login_required
@require_POST
def year_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Enter an earlier accounting year."""
    organisation, form = _organisation(request, pk), YearForm(request.POST)
    user: Any = request.user
    if form.is_valid():
        try:
            year = years.year_add(organisation=organisation, by=user, at=timezone.now(), **form.cleaned_data)
        except (NotAllowed, NotYours):
            raise
        except Refusal as refusal:
            _complain(form, refusal)
        else:
            messages.success(request, f"The year to {year.ends_on:%-d %B %Y} is kept. Your size class is worked out anew.")
            return redirect("organisations:facts", pk=pk)
    return _page(request, organisation, year_form=form, status=422)


@login_required
@require_POST
def year_remove(request: HttpRequest, pk: int, year: int) -> HttpResponse:
    """Take an accounting year out."""
    user: Any = request.user
    years.year_remove(organisation=_organisation(request, pk), pk=year, by=user, at=timezone.now())
    messages.success(request, "Taken out. That it was entered stays in the history.")
    return redirect("organisations:facts", pk=pk)


@login_required
@require_POST
def subsidy_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Tell of a subsidy."""
    organisation, form = _organisation(request, pk), SubsidyForm(request.POST)
    user: Any = request.user
    if form.is_valid():
        try:
            facts.subsidy_add(organisation=organisation, by=user, at=timezone.now(), **form.cleaned_data)
        except (NotAllowed, NotYours):
            raise
        except Refusal as refusal:
            _complain(form, refusal)
        else:
            messages.success(request, "The subsidy is kept and counted.")
            return redirect("organisations:facts", pk=pk)
    return _page(request, organisation, subsidy_form=form, status=422)


@login_required
@require_POST
def subsidy_withdraw(request: HttpRequest, pk: int, subsidy: int) -> HttpResponse:
    """Take back a subsidy told by mistake."""
    user: Any = request.user
    facts.subsidy_withdraw(organisation=_organisation(request, pk), pk=subsidy, by=user, at=timezone.now())
    messages.success(request, "Taken back; it is not counted any more.")
    return redirect("organisations:facts", pk=pk)


@login_required
@require_POST
def sign(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign a declaration. A second press finds it signed."""
    user: Any = request.user
    kind, version = request.POST.get("kind", ""), request.POST.get("version", "")
    signed = declarations.declaration_sign(
        organisation=_organisation(request, pk),
        kind=kind,
        version=whole_number(version) or 0,
        by=user,
        at=timezone.now(),
    )
    messages.success(request, f"Signed until {signed.expires_on:%-d %B %Y}. Every application reuses it.")
    return redirect("organisations:facts", pk=pk)


@login_required
@require_POST
def unsign(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a signature back."""
    user: Any = request.user
    kind = request.POST.get("kind", "")
    declarations.declaration_withdraw(organisation=_organisation(request, pk), kind=kind, by=user, at=timezone.now())
    messages.success(request, "The signature is taken back. Applications sent before keep it.")
    return redirect("organisations:facts", pk=pk)


@login_required
@require_POST
def verify(request: HttpRequest, pk: int, change: int) -> HttpResponse:
    """An officer says what proves a fact."""
    user: Any = request.user
    organisation = _organisation(request, pk)
    row = FactChange.objects.select_related("organisation").filter(organisation=organisation, pk=change).first()
    if row is None:
        raise NotYours("fact")
    form = VerifyForm(request.POST)
    note = form.cleaned_data["note"] if form.is_valid() else ""
    facts.fact_verify(change=row, note=note, by=user, at=timezone.now())
    messages.success(request, f"{LABELS.get(row.field, row.field)} is verified.")
    return redirect("organisations:facts", pk=pk)


def _organisation(request: HttpRequest, pk: int) -> Organisation:
    user: Any = request.user
    return selectors.organisation_get_for_user(user=user, pk=pk)


def _complain(form: Form, refusal: Refusal) -> None:
    field = refusal.facts.get("field")
    form.add_error(field if field in form.fields else None, refusal.message)


def _page(
    request: HttpRequest,
    organisation: Organisation,
    *,
    firm_form: Form | None = None,
    subsidy_form: Form | None = None,
    year_form: Form | None = None,
    status: int = 200,
) -> HttpResponse:
    user: Any = request.user
    today = timezone.now().date()
    role = policies.org_role(user=user, organisation_id=organisation.pk)
    signed = declarations.in_force(organisation=organisation, today=today)
    firms = list(organisation.related_firms.all())  # type: ignore[attr-defined]
    by_name = related_of(organisation)
    page = Paginator(selectors.fact_history(organisation=organisation), PAGE).get_page(request.GET.get("page"))
    for change in page:
        change.label = LABELS.get(change.field, change.field)  # type: ignore[attr-defined]
    return render(
        request,
        "organisations/facts.html",
        {
            "organisation": organisation,
            "size": organisation.size,
            "firms": [(firm, counted(row, by_name), row.through) for firm, row in zip(firms, by_name, strict=True)],
            "years": list(organisation.accounting_years.all()),  # type: ignore[attr-defined]
            "aid": aid_total(organisation=organisation, today=today),
            "declarations": [(text, signed.get(text.kind)) for text in declarations.texts().values()],
            "page": page,
            "is_owner": role == OrgRole.OWNER,
            "verifies": Role.OFFICER in user.role_set and role is None,
            "firm_form": firm_form or RelatedFirmForm(firms=firms),
            "year_form": year_form or YearForm(),
            "year_open": year_form is not None,
            "subsidy_form": subsidy_form or SubsidyForm(),
            "firm_open": firm_form is not None,
            "subsidy_open": subsidy_form is not None,
        },
        status=status,
    )
